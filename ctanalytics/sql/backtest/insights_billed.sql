-- What CloudTrail Insights would have analysed, and charged: management writes for both insight
-- types, reads for error rates alone; data events for both, where they are switched on for them.
-- grain:  category
-- reads:  events, prices
-- units:  events: records; analysed: events times insight types; usd: dollars, null without a price
-- params: since, until (UTC, half-open), since_date, until_date
with counted as (
    select
        case
            when event_category = 'Data' then 'data'
            when read_only then 'management reads'
            else 'management writes'
        end as category,
        count(*) as events
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and event_time_status = 'ok'
      and coalesce(event_category, 'Management') in ('Management', 'Data')
    group by all
)
select
    counted.category,
    counted.events,
    counted.events * case when counted.category = 'management reads' then 1 else 2 end as analysed,
    case
        when counted.category <> 'data'
            then counted.events
                * case when counted.category = 'management reads' then 1 else 2 end
                * prices.usd / prices.per
    end as usd,
    prices.source as price_source
from counted
left join prices
    on prices.item = 'insights, management event analysed'
order by counted.category

-- Trails that deliver what another trail delivers too, and what the second copy costs in a month: the
-- last 30 days of delivery that the lake knows.
-- grain:  trail, doubles_trail
-- reads:  ingest_health
-- units:  records, records_duplicate: counts in the span; duplicate_share: of records; monthly_usd: list
--         price of doubled management events; first_day, last_day: of delivery, both included
with newest as (
    select
        max(delivery_date) as last_day
    from ingest_health
)
select
    health.trail,
    health.doubles_trail,
    min(health.delivery_date) as first_day,
    max(health.delivery_date) as last_day,
    count(distinct health.account_id) as accounts,
    cast(sum(health.records) as bigint) as records,
    cast(sum(health.records_duplicate) as bigint) as records_duplicate,
    round(sum(health.records_duplicate) / sum(health.records), 3) as duplicate_share,
    round(sum(health.duplicate_usd), 2) as monthly_usd
from ingest_health as health
cross join newest
where health.delivery_date > newest.last_day - interval 30 day
  and health.records_duplicate > 0
  and health.trail <> 'lookup-events'  -- event history is no trail
  and coalesce(health.doubles_trail, '') <> 'lookup-events'
group by health.trail, health.doubles_trail

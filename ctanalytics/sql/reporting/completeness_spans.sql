-- Hours in a row in which logging was stopped, promised files are not whole, or a place that is never
-- silent at that time of the day was; blind where no digest proves that nothing was logged.
-- grain:  account_id, aws_region, trouble, started_at
-- reads:  completeness
-- units:  hours: count; started_at, ended_at: UTC, half-open; found: rows in all
-- params: since, until (UTC, half-open), top (rows)
with troubled as (
    select
        account_id,
        aws_region,
        hour,
        case
            when state in ('stopped', 'incomplete') then state
            when covered then 'quiet'
            else 'blind'
        end as trouble
    from completeness
    where hour >= $since
      and hour < $until
      and (state in ('stopped', 'incomplete') or is_unusual)
),
numbered as (
    select
        account_id,
        aws_region,
        hour,
        trouble,
        cast(floor(epoch(hour) / 3600) as bigint) - row_number() over (
            partition by account_id, aws_region, trouble order by hour
        ) as run
    from troubled
)
select
    account_id,
    aws_region,
    trouble,
    min(hour) as started_at,
    max(hour) + interval 1 hour as ended_at,
    count(*) as hours,
    count(*) over () as found
from numbered
group by account_id, aws_region, trouble, run
order by started_at desc, account_id, aws_region, trouble
limit $top

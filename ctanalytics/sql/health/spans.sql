-- Hours in a row that somebody should look at: stopped, incomplete, or silent against the usual.
-- grain:  account_id, aws_region, trouble, since
-- reads:  completeness
-- units:  since, until: UTC, half-open; hours, files: counts; usual_events: per hour, on average
-- params: since, until (UTC, half-open), limit (rows)
with troubled as (
    select
        account_id,
        aws_region,
        hour,
        case
            when state in ('stopped', 'incomplete') then state
            when covered then 'quiet'
            else 'blind'
        end as trouble,
        usual_events,
        files_promised,
        files_held,
        files_altered
    from completeness
    where hour >= $since
      and hour < $until
      and (state in ('stopped', 'incomplete') or is_unusual)
),
numbered as (
    select
        *,
        cast(floor(epoch(hour) / 3600) as bigint) - row_number() over (
            partition by account_id, aws_region, trouble order by hour
        ) as run
    from troubled
)
select
    account_id,
    aws_region,
    trouble,
    min(hour) as since,
    max(hour) + interval 1 hour as until,
    count(*) as hours,
    round(avg(usual_events), 1) as usual_events,
    cast(sum(files_promised) as bigint) as files_promised,
    cast(sum(files_held) as bigint) as files_held,
    cast(sum(files_altered) as bigint) as files_altered
from numbered
group by account_id, aws_region, trouble, run
order by since desc, account_id, aws_region, trouble
limit $limit

-- Hours in a row in the subject's accounts and regions for which the logs are not whole, or that are
-- silent against the usual; and for each region in one row the hours that nothing is known of.
-- grain:  account_id, aws_region, state, since
-- reads:  completeness, account_directory
-- params: accounts (list), regions (list), since, until (UTC, half-open), rows
-- units:  since, until: UTC, half-open; hours, files: counts; state: as in completeness, or silent
with troubled as (
    select
        account_id,
        aws_region,
        hour,
        state,
        is_unusual,
        usual_events,
        files_promised,
        files_held,
        files_altered
    from completeness
    where hour >= date_trunc('hour', cast($since as timestamptz))
      and hour < $until
      and account_id in $accounts
      and aws_region in $regions
      and (state in ('stopped', 'incomplete', 'unknown') or is_unusual)
),
numbered as (
    select
        *,
        case
            when state <> 'unknown' or is_unusual then cast(floor(epoch(hour) / 3600) as bigint)
            - row_number() over (
                partition by account_id, aws_region, state, is_unusual order by hour
            )
        end as run
    from troubled
),
spans as (
    select
        account_id,
        aws_region,
        case when is_unusual then 'silent' else state end as state,
        min(hour) as since,
        max(hour) + interval 1 hour as until,
        count(*) as hours,
        round(avg(usual_events), 1) as usual_events,
        cast(sum(files_promised) as bigint) as files_promised,
        cast(sum(files_held) as bigint) as files_held,
        cast(sum(files_altered) as bigint) as files_altered
    from numbered
    group by account_id, aws_region, state, is_unusual, run
)
select
    spans.state,
    spans.account_id,
    account_directory.account_name,
    spans.aws_region,
    spans.since,
    spans.until,
    spans.hours,
    spans.usual_events,
    spans.files_promised,
    spans.files_held,
    spans.files_altered,
    count(*) over () as found
from spans
left join account_directory
    on account_directory.account_id = spans.account_id
order by
    case spans.state when 'stopped' then 0 when 'incomplete' then 1 when 'silent' then 2 else 3 end,
    spans.hours desc,
    spans.since,
    spans.account_id,
    spans.aws_region
limit $rows

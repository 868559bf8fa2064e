-- A page of the events of a span that a reader looks for, the newest first, with how many there are
-- in each step of the whole span. Where none is found there is one row, of nulls.
-- grain:  account_id, event_id
-- reads:  events
-- units:  times UTC; steps: start, calls and failed calls of each step that has any
-- params: since, until (UTC, half-open), since_date, until_date, step_seconds, rows, skip,
--   principal, event_source, event_name, source_ip_address, error_code (patterns of ilike, or null),
--   account_id, aws_region, read_only (or null), access_key_id (or null: the principal's key)
with found as (
    select
        event_time,
        account_id,
        aws_region,
        event_source,
        event_name,
        error_code,
        coalesce(principal_arn, actor) as principal,
        session_name,
        source_ip_address,
        user_agent,
        read_only,
        is_error,
        event_id
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and (
          cast($principal as varchar) is null
          or coalesce(principal_arn, actor) ilike $principal escape '\'
          or session_name ilike $principal escape '\'
          or access_key_id = $access_key_id
      )
      and (
          cast($event_source as varchar) is null
          or event_source ilike $event_source escape '\'
      )
      and (cast($event_name as varchar) is null or event_name ilike $event_name escape '\')
      and (
          cast($source_ip_address as varchar) is null
          or source_ip_address ilike $source_ip_address escape '\'
      )
      and (cast($error_code as varchar) is null or error_code ilike $error_code escape '\')
      and (cast($account_id as varchar) is null or account_id = $account_id)
      and (cast($aws_region as varchar) is null or aws_region = $aws_region)
      and (cast($read_only as boolean) is null or read_only = $read_only)
),

step_counts as (
    select
        time_bucket(to_seconds($step_seconds), event_time) as started_at,
        count(*) as calls,
        count(*) filter (where is_error) as failed
    from found
    group by time_bucket(to_seconds($step_seconds), event_time)
),

counted as (
    select
        list(
            {'start': started_at, 'calls': calls, 'failed': failed}
            order by started_at
        ) as steps
    from step_counts
),

page as (
    select
        found.*
    from found
    order by event_time desc, event_id desc, account_id desc
    limit $rows
    offset $skip
)

select
    page.*,
    counted.steps
from counted
left join page
    on true
order by page.event_time desc, page.event_id desc, page.account_id desc

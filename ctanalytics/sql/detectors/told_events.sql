-- The calls of who is told of, in the spans that are told, with what their evidence asks for.
-- grain:  account_id, event_id
-- reads:  events, told_principals (registered)
-- params: since, until (UTC, half-open)
select
    event_date,
    event_time,
    event_time_status,
    event_hour,
    event_id,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    is_error,
    read_only,
    source_ip_address,
    user_agent,
    invoked_by,
    principal_arn,
    principal_type,
    principal_id,
    actor
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and coalesce(invoked_by, 'signin.amazonaws.com') = 'signin.amazonaws.com'
  and exists (
      select 1
      from told_principals
      where told_principals.principal_key = coalesce(
              nullif(events.principal_arn, ''),
              concat_ws(
                  ':',
                  coalesce(events.principal_type, 'unknown'),
                  events.account_id,
                  coalesce(events.actor, events.principal_id)
              )
          )
        and told_principals.started_at <= events.event_time
        and told_principals.ended_at > events.event_time
  )

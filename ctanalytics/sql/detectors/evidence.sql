-- The events of one API in a span, earliest first.
-- grain:  event_id
-- reads:  events
-- params: account_id, aws_region, event_source, event_name, error_code (null: all calls), principal_arn (null: all callers), kind (writes, reads, errors, data, network), since, until
-- (UTC, half-open), since_date, until_date, limit (rows)
select
    event_id
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and account_id is not distinct from $account_id
  and aws_region is not distinct from $aws_region
  and event_source is not distinct from $event_source
  and event_name is not distinct from $event_name
  and ($error_code is null or coalesce(error_code, error_message) = $error_code)
  and ($principal_arn is null or principal_arn = $principal_arn)
  and case $kind
      when 'data' then event_category = 'Data'
      when 'network' then event_category = 'NetworkActivity'
      else coalesce(management_event, event_category = 'Management', true)
  end
  and ($kind <> 'writes' or read_only = false)
  and ($kind <> 'reads' or read_only)
order by event_time, event_id
limit $limit

-- Write management calls of each API per minute, minutes without a call left out. Rehearsals
-- (EC2's DryRun) change nothing and don't count.
-- grain:  account_id, aws_region, event_source, event_name, minute
-- reads:  events
-- units:  minute: minutes since 1970-01-01T00:00Z; calls: count per minute
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    event_source,
    event_name,
    cast(null as varchar) as error_code,
    cast(floor(epoch(event_time) / 60) as bigint) as minute,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and read_only = false
  and coalesce(management_event, event_category = 'Management', true)
  and coalesce(error_code, '') not in ('Client.DryRunOperation', 'DryRunOperation')
group by
    account_id,
    aws_region,
    event_source,
    event_name,
    cast(floor(epoch(event_time) / 60) as bigint)

-- Calls of each API per minute, of one kind; minutes without a call left out. Rehearsals (EC2's
-- DryRun) change nothing and don't count as writes. A failed console sign-in has no error code: its
-- error message stands in for one.
-- grain:  event_date, account_id, aws_region, event_source, event_name, error_code, principal_arn,
-- minute
-- reads:  events
-- units:  minute: of the UTC day, from 0; calls: count per minute
-- params: kind (writes, reads and errors of management events; data, network), by_principal, since,
-- until (UTC, half-open), since_date, until_date
select
    event_date,
    account_id,
    aws_region,
    event_source,
    event_name,
    case when $kind = 'errors' then coalesce(error_code, error_message) end as error_code,
    case when $by_principal then principal_arn end as principal_arn,
    cast(hour(event_time) * 60 + minute(event_time) as integer) as minute,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and case $kind
      when 'writes'
          then read_only = false
              and coalesce(management_event, event_category = 'Management', true)
              and coalesce(error_code, '') not in ('Client.DryRunOperation', 'DryRunOperation')
      when 'reads'
          then read_only
              and coalesce(management_event, event_category = 'Management', true)
      when 'errors'
          then coalesce(error_code, error_message) is not null
              and coalesce(management_event, event_category = 'Management', true)
      when 'data' then event_category = 'Data'
      when 'network' then event_category = 'NetworkActivity'
  end
group by all
order by
    event_date,
    account_id nulls first,
    aws_region nulls first,
    event_source nulls first,
    event_name nulls first,
    error_code nulls first,
    principal_arn nulls first,
    minute

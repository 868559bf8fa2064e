-- Events of each account and region per minute, of any kind, minutes without one left out.
-- grain:  event_date, account_id, aws_region, minute
-- reads:  events
-- units:  minute: of the UTC day, from 0; calls: count per minute
-- params: since, until (UTC, half-open), since_date, until_date
select
    event_date,
    account_id,
    aws_region,
    cast(null as varchar) as event_source,
    cast(null as varchar) as event_name,
    cast(null as varchar) as error_code,
    cast(null as varchar) as principal_arn,
    cast(hour(event_time) * 60 + minute(event_time) as integer) as minute,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
group by all
order by
    event_date,
    account_id nulls first,
    aws_region nulls first,
    minute

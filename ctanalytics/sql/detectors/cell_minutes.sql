-- Events of each account and region per minute, of any kind, minutes without one left out.
-- grain:  account_id, aws_region, minute
-- reads:  events
-- units:  minute: minutes since 1970-01-01T00:00Z; calls: count per minute
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    cast(null as varchar) as event_source,
    cast(null as varchar) as event_name,
    cast(null as varchar) as error_code,
    cast(floor(epoch(event_time) / 60) as bigint) as minute,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
group by account_id, aws_region, cast(floor(epoch(event_time) / 60) as bigint)

-- Events of each account and region per hour, of any kind: where none are, logs may be missing.
-- grain:  account_id, aws_region, hour
-- reads:  events
-- units:  hour: hours since 1970-01-01T00:00Z; calls: count per hour
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    cast(floor(epoch(event_time) / 3600) as bigint) as hour,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
group by account_id, aws_region, cast(floor(epoch(event_time) / 3600) as bigint)

-- Events of each account and region per hour, of any kind: where none are, logs may be missing.
-- grain:  event_date, account_id, aws_region, minute
-- reads:  events
-- units:  minute: the hour's first, of the UTC day; calls: count per hour
-- params: since, until (UTC, half-open), since_date, until_date
select
    event_date,
    account_id,
    aws_region,
    cast(null as varchar) as event_source,
    cast(null as varchar) as event_name,
    cast(null as varchar) as error_code,
    cast(null as varchar) as principal_arn,
    cast(hour(event_time) * 60 as integer) as minute,
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

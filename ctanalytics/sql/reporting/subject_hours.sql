-- Calls and errors per hour of what one anomaly names; a parameter that is null names nothing.
-- grain:  hour_start
-- reads:  events
-- units:  calls, errors: counts per hour; hour_start UTC
-- params: since, until (UTC, half-open), account_id, aws_region, event_source, event_name,
-- principal
select
    date_trunc('hour', event_time) as hour_start,
    count(*) as calls,
    count(*) filter (where is_error) as errors
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and (cast($account_id as varchar) is null or account_id = $account_id)
  and (cast($aws_region as varchar) is null or aws_region = $aws_region)
  and (cast($event_source as varchar) is null or event_source = $event_source)
  and (cast($event_name as varchar) is null or event_name = $event_name)
  and (cast($principal as varchar) is null or coalesce(principal_arn, actor) = $principal)
group by date_trunc('hour', event_time)
order by hour_start

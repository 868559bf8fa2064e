-- What AWS's own CloudTrail Insights reported in a span, one row an insight.
-- grain:  account_id, aws_region, shared_event_id
-- reads:  aws_insights
-- units:  started_at, ended_at UTC; baseline_average, insight_average: calls (or errors) per minute
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    shared_event_id,
    insight_type,
    event_source,
    event_name,
    error_code,
    coalesce(started_at, ended_at) as started_at,
    coalesce(ended_at, started_at) as ended_at,
    baseline_average,
    insight_average
from aws_insights
where event_date >= $since_date
  and event_date <= $until_date
  and coalesce(started_at, ended_at) >= $since
  and coalesce(started_at, ended_at) < $until
order by started_at, shared_event_id

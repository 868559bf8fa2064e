-- What AWS's own Insights reported, where it touches the span.
-- grain:  account_id, aws_region, shared_event_id
-- reads:  aws_insights
-- units:  baseline_average, insight_average: calls per minute; found: insights in all
-- params: since, until (UTC, half-open), top
select
    coalesce(started_at, ended_at) as started_at,
    ended_at,
    account_id,
    aws_region,
    insight_type,
    event_source,
    event_name,
    error_code,
    baseline_average,
    insight_average,
    count(*) over () as found
from aws_insights
where coalesce(started_at, ended_at) < $until
  and coalesce(ended_at, started_at) >= $since
order by started_at desc, account_id, aws_region, event_source, event_name, shared_event_id
limit $top

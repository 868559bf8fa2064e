-- What AWS's own CloudTrail Insights reported: the Start and End records of one insight in a row.
-- An insight that goes on, or whose End never came, has no ended_at.
-- grain:  account_id, aws_region, shared_event_id
-- reads:  lake.aws_insights, account_directory
-- units:  baseline_average, insight_average: calls (or errors) per minute, of the End record where
-- there is one; insight_minutes, baseline_minutes: minutes; rate_change: insight to baseline
-- average (3.0 is AWS's 300 %), null where the baseline is 0
with newest as (
    select
        account_id,
        aws_region,
        coalesce(shared_event_id, event_id) as shared_event_id,
        insight_type,
        event_source,
        event_name,
        error_code,
        source_event_category,
        baseline_average,
        insight_average,
        insight_duration,
        baseline_duration,
        insight_details
    from lake.aws_insights
    qualify row_number() over (
        partition by account_id, aws_region, coalesce(shared_event_id, event_id)
        order by state, event_time desc, event_id  -- End before Start
    ) = 1
),
spans as (
    select
        account_id,
        aws_region,
        coalesce(shared_event_id, event_id) as shared_event_id,
        min(case when state = 'Start' then event_time end) as started_at,
        max(case when state = 'End' then event_time end) as ended_at,
        min(event_date) as event_date
    from lake.aws_insights
    group by
        account_id,
        aws_region,
        coalesce(shared_event_id, event_id)
)
select
    newest.account_id,
    newest.aws_region,
    newest.shared_event_id,
    newest.insight_type,
    newest.event_source,
    newest.event_name,
    newest.error_code,
    newest.source_event_category,
    spans.started_at,
    spans.ended_at,
    spans.event_date,
    newest.baseline_average,
    newest.insight_average,
    newest.insight_average / nullif(newest.baseline_average, 0) as rate_change,
    newest.insight_duration as insight_minutes,
    newest.baseline_duration as baseline_minutes,
    newest.insight_details,
    account_directory.account_name,
    account_directory.environment
from newest
inner join spans
    on spans.account_id is not distinct from newest.account_id
   and spans.aws_region is not distinct from newest.aws_region
   and spans.shared_event_id is not distinct from newest.shared_event_id
left join account_directory
    on account_directory.account_id = newest.account_id

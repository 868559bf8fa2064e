-- What the subject did, step by step: calls of one API with one credential, from one address and with
-- one outcome, that follow each other within ten minutes are one step. Where there are more steps than
-- rows only those with weight stay, the weightiest first: sensitive calls, writes, refusals, and APIs
-- that it rarely called.
-- grain:  started_at, session_id, account_id, aws_region, event_source, event_name, error_code,
-- source_ip_address
-- reads:  subject_events, error_classes, sensitive_apis, account_directory
-- params: rows
-- units:  times UTC; calls: count; event_id: of the first call
with marked as (
    select
        *,
        coalesce(
            event_time - lag(event_time) over same > interval 10 minute, true
        ) as is_new
    from subject_events
    window same as (
        partition by
            session_id, account_id, aws_region, event_source, event_name, error_code, source_ip_address
        order by event_time, event_id
    )
),
numbered as (
    select
        *,
        count(*) filter (where is_new) over (
            partition by
                session_id, account_id, aws_region, event_source, event_name, error_code, source_ip_address
            order by event_time, event_id
            rows between unbounded preceding and current row
        ) as step
    from marked
),
steps as (
    select
        min(event_time) as started_at,
        max(event_time) as ended_at,
        count(*) as calls,
        max(relation) as relation,
        account_id,
        aws_region,
        event_source,
        event_name,
        error_code,
        max(coalesce(principal_arn, actor, principal_id)) as principal,
        session_id,
        source_ip_address,
        bool_or(not read_only) as is_write,
        arg_min(event_id, event_time) as event_id
    from numbered
    group by
        session_id, account_id, aws_region, event_source, event_name, error_code, source_ip_address, step
),
weighed as (
    select
        steps.*,
        sensitive_apis.sensitivity,
        case when sensitive_apis.sensitivity is not null and steps.error_code is null then 4 else 0 end
        + case when steps.is_write and steps.error_code is null then 2 else 0 end
        + case when error_classes.error_class = 'denied' then 2 else 0 end
        + case
            when count(*) over (partition by steps.event_source, steps.event_name) <= 3 then 1 else 0
        end as weight
    from steps
    left join sensitive_apis
        on sensitive_apis.event_source = steps.event_source
        and sensitive_apis.event_name = steps.event_name
    left join error_classes
        on error_classes.error_code = steps.error_code
),
counted as (
    select
        *,
        count(*) over () as found,
        max(weight) over () as most_weight
    from weighed
),
kept as (
    select
        *
    from counted
    where weight > 0
       or found <= $rows
       or most_weight = 0
    order by weight desc, started_at, event_id
    limit $rows
)
select
    kept.started_at,
    kept.ended_at,
    kept.calls,
    kept.relation,
    kept.account_id,
    account_directory.account_name,
    kept.aws_region,
    kept.event_source,
    kept.event_name,
    kept.error_code,
    kept.sensitivity,
    kept.principal,
    kept.session_id,
    kept.source_ip_address,
    kept.event_id,
    kept.found
from kept
left join account_directory
    on account_directory.account_id = kept.account_id
order by kept.started_at, kept.event_id

-- Calls that were refused for want of a permission: who, what, and which kind of policy said no.
-- AWS names the policy in the message of newer services only; what it does not name is unknown.
-- grain:  account_id, principal, event_source, event_name, error_code, denied_by
-- reads:  events, error_classes, account_directory
-- units:  calls: count; denied_by: scp, rcp, boundary, session_policy, endpoint_policy,
-- resource_policy, identity_policy, unknown; is_explicit: a statement denies (else none allows)
with refused as (
    select
        events.account_id,
        events.principal_type,
        coalesce(events.principal_arn, events.actor) as principal,
        events.event_source,
        events.event_name,
        events.error_code,
        events.aws_region,
        events.source_ip_address,
        events.event_time_status,
        events.event_time,
        case
            when events.error_message like '%service control policy%' then 'scp'
            when events.error_message like '%resource control policy%' then 'rcp'
            when events.error_message like '%permissions boundary%' then 'boundary'
            when events.error_message like '%session policy%' then 'session_policy'
            when events.error_code = 'VpceAccessDenied'
              or events.error_message like '%VPC endpoint policy%' then 'endpoint_policy'
            when events.error_message like '%resource-based policy%' then 'resource_policy'
            when events.error_message like '%identity-based policy%' then 'identity_policy'
            else 'unknown'
        end as denied_by,
        coalesce(events.error_message like '%explicit deny%', false) as is_explicit
    from events
    inner join error_classes
        on error_classes.error_code = events.error_code
    where error_classes.error_class = 'denied'
),
totals as (
    select
        account_id,
        max(principal_type) as principal_type,
        principal,
        event_source,
        event_name,
        error_code,
        denied_by,
        bool_or(is_explicit) as is_explicit,
        count(*) as calls,
        count(distinct aws_region) as regions,
        count(distinct source_ip_address) as source_ip_addresses,
        min(case when event_time_status = 'ok' then event_time end) as first_seen,
        max(case when event_time_status = 'ok' then event_time end) as last_seen
    from refused
    group by
        account_id,
        principal,
        event_source,
        event_name,
        error_code,
        denied_by
)
select
    totals.account_id,
    totals.principal_type,
    totals.principal,
    totals.event_source,
    totals.event_name,
    totals.error_code,
    totals.denied_by,
    totals.is_explicit,
    totals.calls,
    totals.regions,
    totals.source_ip_addresses,
    totals.first_seen,
    totals.last_seen,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id

-- Who acts in each account: since when, how much, from where, and what they are refused.
-- The sessions of a role count as the role; a caller without an ARN (an AWS service, another
-- account) goes by its actor. A failed sign-in under an unknown name belongs to nobody: null.
-- grain:  account_id, principal_type, principal
-- reads:  events, error_classes, account_directory
-- units:  calls, writes, errors, denied_calls: counts; denied_share: of calls, 0-1; networks: IPv4
-- /24 or first three IPv6 groups; mfa_share: of the calls that tell, 0-1, null when none does
with calls as (
    select
        events.account_id,
        events.principal_type,
        events.principal_arn,
        coalesce(events.principal_arn, events.actor) as principal,
        case when events.event_time_status = 'ok' then events.event_date end as active_date,
        case when events.event_time_status = 'ok' then events.event_time end as active_time,
        events.aws_region,
        case
            when events.source_ip_kind = 'ipv4'
                then regexp_extract(events.source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0)
            when events.source_ip_kind = 'ipv6'
                then regexp_extract(events.source_ip_address, '^[^:]*:[^:]*:[^:]*', 0)
        end as network,
        events.user_agent,
        events.access_key_id,
        events.read_only,
        events.is_error,
        events.mfa_authenticated,
        error_classes.error_class
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
),
-- Far fewer rows than calls: the distinct counts below then cost little.
slices as (
    select
        account_id,
        principal_type,
        principal_arn,
        principal,
        active_date,
        aws_region,
        network,
        user_agent,
        access_key_id,
        min(active_time) as first_seen,
        max(active_time) as last_seen,
        count(*) as calls,
        count(*) filter (where not read_only) as writes,
        count(*) filter (where is_error) as errors,
        count(*) filter (where error_class = 'denied') as denied_calls,
        count(mfa_authenticated) as calls_telling_mfa,
        count(*) filter (where mfa_authenticated) as calls_with_mfa
    from calls
    group by
        account_id,
        principal_type,
        principal_arn,
        principal,
        active_date,
        aws_region,
        network,
        user_agent,
        access_key_id
),
totals as (
    select
        account_id,
        principal_type,
        principal,
        max(principal_arn) as principal_arn,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        count(distinct active_date) as active_days,
        cast(sum(calls) as bigint) as calls,
        cast(sum(writes) as bigint) as writes,
        cast(sum(errors) as bigint) as errors,
        cast(sum(denied_calls) as bigint) as denied_calls,
        cast(sum(denied_calls) as double) / cast(sum(calls) as double) as denied_share,
        count(distinct aws_region) as regions,
        count(distinct network) as networks,
        count(distinct user_agent) as user_agents,
        count(distinct access_key_id) as access_keys,
        cast(sum(calls_with_mfa) as double)
            / cast(nullif(sum(calls_telling_mfa), 0) as double) as mfa_share
    from slices
    group by account_id, principal_type, principal
)
select
    totals.account_id,
    totals.principal_type,
    totals.principal,
    totals.principal_arn,
    totals.first_seen,
    totals.last_seen,
    totals.active_days,
    totals.calls,
    totals.writes,
    totals.errors,
    totals.denied_calls,
    totals.denied_share,
    totals.regions,
    totals.networks,
    totals.user_agents,
    totals.access_keys,
    totals.mfa_share,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id

-- Calls that bear a value that was hunted for: by indicator, how often, when, who and where.
-- grain:  indicator, kind, value
-- reads:  events, hunt_values (kind, value, indicator, note), hunt_arns (indicator, note)
-- units:  calls: count; times UTC; event_ids: the first three
with matched as (
    select
        hunt_values.indicator,
        hunt_values.note,
        hunt_values.kind,
        hunt_values.value,
        events.account_id,
        events.event_id,
        events.event_time,
        events.is_error,
        coalesce(events.principal_arn, events.actor) as principal
    from events
    inner join hunt_values
        on hunt_values.value = events.source_ip_address
    where hunt_values.kind = 'address'
    union all
    select
        hunt_values.indicator,
        hunt_values.note,
        hunt_values.kind,
        hunt_values.value,
        events.account_id,
        events.event_id,
        events.event_time,
        events.is_error,
        coalesce(events.principal_arn, events.actor) as principal
    from events
    inner join hunt_values
        on hunt_values.value = events.access_key_id
    where hunt_values.kind = 'key'
    union all
    select
        hunt_values.indicator,
        hunt_values.note,
        hunt_values.kind,
        hunt_values.value,
        events.account_id,
        events.event_id,
        events.event_time,
        events.is_error,
        coalesce(events.principal_arn, events.actor) as principal
    from events
    inner join hunt_values
        on hunt_values.value = events.user_agent
    where hunt_values.kind = 'user_agent'
    union all
    select
        hunt_values.indicator,
        hunt_values.note,
        hunt_values.kind,
        hunt_values.value,
        events.account_id,
        events.event_id,
        events.event_time,
        events.is_error,
        coalesce(events.principal_arn, events.actor) as principal
    from events
    inner join hunt_values
        on hunt_values.value = events.identity_account_id
    where hunt_values.kind = 'account'
    union all
    select
        hunt_arns.indicator,
        hunt_arns.note,
        'arn' as kind,
        hunt_arns.indicator as value,
        named.account_id,
        named.event_id,
        named.event_time,
        named.is_error,
        named.principal
    from (
        select
            account_id,
            event_id,
            event_time,
            is_error,
            coalesce(principal_arn, actor) as principal,
            unnest(
                list_distinct(
                    list_concat(
                        [identity_arn, principal_arn, session_issuer_arn],
                        coalesce(resource_arns, [])
                    )
                )
            ) as arn
        from events
        where (select count(*) from hunt_arns) > 0
    ) as named
    inner join hunt_arns
        on hunt_arns.indicator = named.arn
)
select
    indicator,
    kind,
    value,
    max(note) as note,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    count(distinct account_id) as accounts,
    count(distinct principal) as principals,
    min(principal) as a_principal,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    arg_min(event_id, event_time, 3) as event_ids
from matched
group by indicator, kind, value
order by first_seen, indicator, kind, value

-- Calls that bear a value that was hunted for: by indicator, how often, when, who and where.
-- grain:  indicator, kind, value
-- reads:  events, hunt_values (kind, value, indicator, note), hunt_arns (indicator, note)
-- units:  calls: count; times UTC; event_ids: the first three
with called as not materialized (
    select
        account_id,
        event_id,
        event_time,
        is_error,
        coalesce(principal_arn, actor) as principal,
        source_ip_address,
        access_key_id,
        user_agent,
        identity_account_id,
        list_concat(
            [identity_arn, principal_arn, session_issuer_arn], coalesce(resource_arns, [])
        ) as arns
    from events
),
wanted as not materialized (
    select
        kind,
        value,
        indicator,
        note
    from hunt_values
),
-- One join for each column, since a join by any of several reads every pair.
found as (
    select
        wanted.*,
        called.*
    from called
    inner join wanted
        on wanted.kind = 'address' and wanted.value = called.source_ip_address
    union all
    select
        wanted.*,
        called.*
    from called
    inner join wanted
        on wanted.kind = 'key' and wanted.value = called.access_key_id
    union all
    select
        wanted.*,
        called.*
    from called
    inner join wanted
        on wanted.kind = 'user_agent' and wanted.value = called.user_agent
    union all
    select
        wanted.*,
        called.*
    from called
    inner join wanted
        on wanted.kind = 'account' and wanted.value = called.identity_account_id
    union all
    select
        'arn' as kind,
        hunt_arns.indicator as value,
        hunt_arns.indicator,
        hunt_arns.note,
        named.* exclude (arn)
    from (
        select
            *,
            unnest(list_distinct(arns)) as arn
        from called
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
from found
group by indicator, kind, value
order by first_seen, indicator, kind, value

-- Who acts: users, roles (their sessions count as the role), root, federated people, other accounts
-- and AWS services; with what each is compared with.
-- grain:  principal_key
-- reads:  principal_events, events, account_directory
-- units:  principal_key: the ARN, else type, account and name; account_id: where most of its calls
-- are logged; peer_class: root, user, federated, service_linked, role, other, service, or role:NAME of
-- roles that one party rolls out over many accounts; pace: part_time (signs in, or is active in
-- fewer than 8 hours of a usual day) or all_day; peer_group: class and pace together, which peers share;
-- calls, active_days, accounts: counts
with account_hours as (
    select
        principal_key,
        principal_arn,
        principal_type,
        peer_class,
        account_id,
        event_date,
        event_hour,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        count(*) as calls,
        count(*) filter (where is_console) as console_calls
    from principal_events
    group by
        principal_key,
        principal_arn,
        principal_type,
        peer_class,
        account_id,
        event_date,
        event_hour
    union all
    select
        coalesce(actor, 'service') as principal_key,
        cast(null as varchar) as principal_arn,
        principal_type,
        'service' as peer_class,
        account_id,
        event_date,
        event_hour,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        count(*) as calls,
        0 as console_calls
    from events
    where principal_type = 'service'
      and event_time_status = 'ok'
    group by coalesce(actor, 'service'), principal_type, account_id, event_date, event_hour
),
calls_by_account as (
    select
        principal_key,
        account_id,
        sum(calls) as calls
    from account_hours
    group by principal_key, account_id
),
busiest as (
    select
        principal_key,
        account_id
    from calls_by_account
    qualify row_number() over (
        partition by principal_key
        order by calls desc, account_id
    ) = 1
),
days as (
    select
        principal_key,
        event_date,
        count(distinct event_hour) as hours
    from account_hours
    group by principal_key, event_date
),
paces as (
    select
        principal_key,
        count(*) as active_days,
        cast(sum(hours) as double) / count(*) as hours_a_day
    from days
    group by principal_key
),
totals as (
    select
        principal_key,
        max(principal_arn) as principal_arn,
        max(principal_type) as principal_type,
        max(peer_class) as peer_class,
        count(distinct account_id) as accounts,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        cast(sum(calls) as bigint) as calls,
        cast(sum(console_calls) as bigint) as console_calls
    from account_hours
    group by principal_key
),
paced as (
    select
        totals.*,
        busiest.account_id,
        paces.active_days,
        case
            when totals.peer_class in ('root', 'federated')
              or starts_with(totals.peer_class, 'role:AWSReservedSSO_') then 'part_time'
            when totals.peer_class in ('service_linked', 'service')
              or starts_with(totals.peer_class, 'role:') then 'all_day'
            when totals.console_calls > 0 or paces.hours_a_day < 8 then 'part_time'
            else 'all_day'
        end as pace
    from totals
    inner join busiest
        on busiest.principal_key = totals.principal_key
    inner join paces
        on paces.principal_key = totals.principal_key
)
select
    paced.principal_key,
    paced.principal_arn,
    paced.principal_type,
    paced.peer_class,
    paced.pace,
    paced.peer_class || ', ' || paced.pace as peer_group,
    paced.account_id,
    paced.accounts,
    paced.first_seen,
    paced.last_seen,
    paced.active_days,
    paced.calls,
    paced.console_calls,
    account_directory.account_name,
    account_directory.environment
from paced
left join account_directory
    on account_directory.account_id = paced.account_id

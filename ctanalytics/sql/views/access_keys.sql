-- Long-lived access keys: made, switched off and deleted by whom, and how they are used.
-- Keys that the lake saw made or used; what was done before its first event is unknown.
-- grain:  access_key_id
-- reads:  events, account_directory
-- units:  times UTC; calls: count; age_days: days from created_at, else from first_used (then
-- age_is_least is set), to the lake's newest event; status: active, inactive, deleted
with used as (
    select
        access_key_id,
        max(account_id) filter (where identity_account_id = account_id) as account_id,
        max(principal_arn) as principal_arn,
        max(user_name) as user_name,
        min(event_time) as first_used,
        max(event_time) as last_used,
        count(*) as calls,
        count(*) filter (where is_error) as errors,
        count(distinct aws_region) as regions,
        count(distinct source_ip_address) as source_ip_addresses,
        arg_max(source_ip_address, event_time) as last_source_ip_address,
        arg_max(event_source, event_time) as last_event_source,
        arg_max(event_name, event_time) as last_event_name
    from events
    where starts_with(access_key_id, 'AKIA')
      and event_time_status = 'ok'
    group by access_key_id
),
handled as (
    select
        case
            when event_name = 'CreateAccessKey'
                then regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([^"\\]+)"', 1)
            else regexp_extract(request_parameters, '"accessKeyId"\s*:\s*"([^"\\]+)"', 1)
        end as access_key_id,
        case event_name
            when 'CreateAccessKey' then 'created'
            when 'DeleteAccessKey' then 'deleted'
            else case
                when regexp_matches(request_parameters, '"status"\s*:\s*"Inactive"')
                    then 'inactive'
                else 'active'
            end
        end as deed,
        account_id,
        event_time,
        event_id,
        coalesce(principal_arn, actor) as principal,
        coalesce(
            nullif(regexp_extract(response_elements, '"userName"\s*:\s*"([^"\\]+)"', 1), ''),
            nullif(regexp_extract(request_parameters, '"userName"\s*:\s*"([^"\\]+)"', 1), '')
        ) as user_name
    from events
    where event_source = 'iam.amazonaws.com'
      and event_name in ('CreateAccessKey', 'DeleteAccessKey', 'UpdateAccessKey')
      and not is_error
      and event_time_status = 'ok'
),
history as (
    select
        access_key_id,
        max(account_id) as account_id,
        max(user_name) as user_name,
        max(case when deed = 'created' then event_time end) as created_at,
        max(case when deed = 'created' then principal end) as created_by,
        max(case when deed = 'created' then event_id end) as created_event_id,
        max(case when deed = 'deleted' then event_time end) as deleted_at,
        max(case when deed = 'deleted' then principal end) as deleted_by,
        max(case when deed = 'inactive' then event_time end) as deactivated_at,
        arg_max(deed, event_time) filter (where deed in ('inactive', 'active')) as last_switch
    from handled
    where access_key_id <> ''
    group by access_key_id
),
newest as (
    select
        max(event_time) as event_time
    from events
    where event_time_status = 'ok'
),
keys as (
    select
        coalesce(used.access_key_id, history.access_key_id) as access_key_id,
        coalesce(used.account_id, history.account_id) as account_id,
        used.principal_arn,
        coalesce(used.user_name, history.user_name) as user_name,
        case
            when history.deleted_at is not null then 'deleted'
            else coalesce(history.last_switch, 'active')
        end as status,
        history.created_at,
        history.created_by,
        history.created_event_id,
        history.deactivated_at,
        history.deleted_at,
        history.deleted_by,
        used.first_used,
        used.last_used,
        coalesce(used.calls, 0) as calls,
        coalesce(used.errors, 0) as errors,
        coalesce(used.regions, 0) as regions,
        coalesce(used.source_ip_addresses, 0) as source_ip_addresses,
        used.last_source_ip_address,
        used.last_event_source,
        used.last_event_name
    from used
    full outer join history
        on history.access_key_id = used.access_key_id
)
select
    keys.access_key_id,
    keys.account_id,
    keys.principal_arn,
    keys.user_name,
    keys.status,
    keys.created_at,
    keys.created_by,
    keys.created_event_id,
    keys.deactivated_at,
    keys.deleted_at,
    keys.deleted_by,
    date_diff('day', coalesce(keys.created_at, keys.first_used), newest.event_time) as age_days,
    keys.created_at is null as age_is_least,
    keys.first_used,
    keys.last_used,
    keys.calls,
    keys.errors,
    keys.regions,
    keys.source_ip_addresses,
    keys.last_source_ip_address,
    keys.last_event_source,
    keys.last_event_name,
    account_directory.account_name,
    account_directory.environment
from keys
cross join newest
left join account_directory
    on account_directory.account_id = keys.account_id

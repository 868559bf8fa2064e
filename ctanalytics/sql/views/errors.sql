-- Errors by code and API. A failed console sign-in has no code; its row has a null one.
-- grain:  account_id, error_code, event_source, event_name
-- reads:  events, error_classes, account_directory
-- units:  calls: failed calls; error_class: denied, throttled, benign, other; last_message: of the
-- newest call that has one, the last by alphabet of several in the same second; message_shape: that
-- message with ARNs, ids and numbers taken out, so that like errors look alike
with callers as (
    select
        account_id,
        error_code,
        event_source,
        event_name,
        coalesce(principal_arn, actor) as principal,
        aws_region,
        min(case when event_time_status = 'ok' then event_time end) as first_seen,
        max(case when event_time_status = 'ok' then event_time end) as last_seen,
        max(case when error_message is not null then event_time end) as message_time,
        count(*) as calls
    from events
    where is_error
    group by
        account_id,
        error_code,
        event_source,
        event_name,
        coalesce(principal_arn, actor),
        aws_region
),
found as (
    select
        account_id,
        error_code,
        event_source,
        event_name,
        cast(sum(calls) as bigint) as calls,
        count(distinct principal) as principals,
        count(distinct aws_region) as regions,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        max(message_time) as message_time
    from callers
    group by account_id, error_code, event_source, event_name
),
messages as (
    select
        found.account_id,
        found.error_code,
        found.event_source,
        found.event_name,
        max(events.error_message) as last_message
    from found
    inner join events
        on events.account_id is not distinct from found.account_id
       and events.error_code is not distinct from found.error_code
       and events.event_source is not distinct from found.event_source
       and events.event_name is not distinct from found.event_name
       and events.event_time = found.message_time
    where events.is_error
    group by
        found.account_id,
        found.error_code,
        found.event_source,
        found.event_name
)
select
    found.account_id,
    found.error_code,
    found.event_source,
    found.event_name,
    coalesce(error_classes.error_class, 'other') as error_class,
    found.calls,
    found.principals,
    found.regions,
    found.first_seen,
    found.last_seen,
    messages.last_message,
    regexp_replace(
        regexp_replace(
            regexp_replace(messages.last_message, 'arn:[^ ,)"'']+', '<arn>', 'g'),
            '[A-Za-z]*-?[0-9a-f]{8,}[-0-9a-f]*',
            '<id>',
            'g'
        ),
        '\b[0-9]+\b',
        '<n>',
        'g'
    ) as message_shape,
    account_directory.account_name,
    account_directory.environment
from found
left join messages
    on messages.account_id is not distinct from found.account_id
   and messages.error_code is not distinct from found.error_code
   and messages.event_source is not distinct from found.event_source
   and messages.event_name is not distinct from found.event_name
left join error_classes
    on error_classes.error_code = found.error_code
left join account_directory
    on account_directory.account_id = found.account_id

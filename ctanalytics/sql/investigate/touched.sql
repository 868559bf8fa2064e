-- Resources that the subject's calls created, changed, deleted or read, by what the calls name.
-- Of what a call creates, ids that it was given are left out where the answer bears new ones.
-- grain:  account_id, resource_kind, resource
-- reads:  subject_events, resource_events, account_directory
-- params: deed (created, changed, deleted or read), rows
-- units:  times UTC; calls: count; event_id: of the first call
with done as (
    select
        account_id,
        event_id,
        event_time,
        event_name,
        event_source,
        request_parameters,
        response_elements,
        case
            when read_only then 'read'
            when regexp_matches(event_name, '^(Delete|Terminate|Remove|Deregister|Release|ScheduleKeyDeletion|Purge|BatchDelete)')
                then 'deleted'
            when regexp_matches(event_name, '^(Create|Run|Register|Import|Allocate|Copy|Launch|Request|Upload|Publish|Restore)')
                then 'created'
            else 'changed'
        end as deed
    from subject_events
    where not is_error
      and event_source not in ('sts.amazonaws.com', 'signin.amazonaws.com')
),
named as (
    select
        done.account_id,
        done.event_id,
        done.event_time,
        done.event_source,
        done.event_name,
        resource_events.resource_kind,
        resource_events.resource,
        coalesce(contains(done.request_parameters, resource_events.resource), false) as was_given,
        bool_or(
            resource_events.resource_kind <> 'arn'
            and not coalesce(contains(done.request_parameters, resource_events.resource), false)
        ) over (partition by done.account_id, done.event_id) as has_new_id
    from done
    inner join resource_events
        on resource_events.account_id is not distinct from done.account_id
        and resource_events.event_id = done.event_id
    where done.deed = $deed
),
totals as (
    select
        account_id,
        event_source,
        resource_kind,
        resource,
        count(distinct event_id) as calls,
        list_sort(list(distinct event_name)) as apis,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        arg_min(event_id, event_time) as event_id
    from named
    where $deed <> 'created'
       or not was_given
       or (resource_kind <> 'arn' and not has_new_id)
    group by account_id, event_source, resource_kind, resource
)
select
    totals.resource,
    totals.resource_kind,
    totals.event_source,
    array_to_string(totals.apis[1:6], ', ') as apis,
    totals.account_id,
    account_directory.account_name,
    totals.calls,
    totals.first_seen,
    totals.last_seen,
    totals.event_id,
    count(*) over () as found
from totals
left join account_directory
    on account_directory.account_id = totals.account_id
order by case when $deed = 'read' then -totals.calls end, totals.first_seen, totals.resource
limit $rows

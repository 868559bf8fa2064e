-- Who made the calls of the series that are told of, with what, from where, and how they ended: in the
-- spans that are told and before them.
-- grain:  number (of the span), part, attribute (userIdentityArn, userAgent, errorCode, accessKeyId,
--         sourceIPAddress, refusedBy), value
-- reads:  events, told_series (registered: number, the key of a series, kind, and times: before_at,
--         started_at, ended_at, first_until)
-- units:  calls: count; part: before the span, first and rest in it, next for what lies after a span
--         that is shorter than its first minutes
-- params: since, until (UTC, half-open), since_date, until_date
with calls as (
    select
        told.number,
        case
            when events.event_time < told.started_at then 'before'
            when events.event_time >= told.ended_at then 'next'
            when events.event_time < told.first_until then 'first'
            else 'rest'
        end as part,
        coalesce(
            regexp_replace(
                events.identity_arn, '^(arn:[a-z-]+:sts::[0-9]+:assumed-role/.+)/[^/]*$', '\1'
            ),
            events.principal_arn,
            events.actor,
            'unknown'
        ) as user_identity_arn,
        coalesce(events.user_agent, 'unknown') as user_agent,
        coalesce(events.error_code, events.error_message, 'null') as error,
        coalesce(events.access_key_id, 'unknown') as access_key_id,
        -- A service that calls for someone stands there by its name, and is no place.
        case
            when regexp_matches(events.source_ip_address, '^[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+$')
                then events.source_ip_address
            else 'unknown'
        end as source_ip_address,
        case
            when events.error_message like '%service control policy%'
                then 'service control policy'
            when events.error_message like '%resource control policy%'
                then 'resource control policy'
            else 'other'
        end as refused_by
    from events
    inner join told_series as told
        on events.event_name is not distinct from told.event_name
        and events.event_source is not distinct from told.event_source
        and events.account_id is not distinct from told.account_id
        and events.aws_region is not distinct from told.aws_region
        and events.event_time >= told.before_at
        and events.event_time < greatest(told.ended_at, told.first_until)
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and event_time_status = 'ok'
      and (
          told.error_code is null
          or coalesce(events.error_code, events.error_message) = told.error_code
      )
      and (told.principal_arn is null or events.principal_arn = told.principal_arn)
      and case told.kind
          when 'data' then event_category = 'Data'
          when 'network' then event_category = 'NetworkActivity'
          else coalesce(management_event, event_category = 'Management', true)
      end
      and (told.kind <> 'writes' or read_only = false)
      and (told.kind <> 'reads' or read_only)
)
select
    number,
    part,
    'userIdentityArn' as attribute,
    user_identity_arn as value,
    count(*) as calls
from calls
group by number, part, user_identity_arn
union all
select
    number,
    part,
    'userAgent' as attribute,
    user_agent as value,
    count(*) as calls
from calls
group by number, part, user_agent
union all
select
    number,
    part,
    'errorCode' as attribute,
    error as value,
    count(*) as calls
from calls
group by number, part, error
union all
select
    number,
    part,
    'accessKeyId' as attribute,
    access_key_id as value,
    count(*) as calls
from calls
group by number, part, access_key_id
union all
select
    number,
    part,
    'sourceIPAddress' as attribute,
    source_ip_address as value,
    count(*) as calls
from calls
group by number, part, source_ip_address
union all
select
    number,
    part,
    'refusedBy' as attribute,
    refused_by as value,
    count(*) as calls
from calls
group by number, part, refused_by

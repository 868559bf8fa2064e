-- Who made the calls of one API in a span, with what, from where, and how they ended.
-- grain:  attribute (userIdentityArn, userAgent, errorCode, accessKeyId, sourceIPAddress, refusedBy), value
-- reads:  events
-- units:  calls: count in the span
-- params: account_id, aws_region, event_source, event_name, error_code (null: all calls), principal_arn (null: all callers), kind (writes, reads, errors, data, network), since, until
-- (UTC, half-open), since_date, until_date
with calls as (
    select
        coalesce(
            regexp_replace(identity_arn, '^(arn:[a-z-]+:sts::[0-9]+:assumed-role/.+)/[^/]*$', '\1'),
            principal_arn,
            actor,
            'unknown'
        ) as user_identity_arn,
        coalesce(user_agent, 'unknown') as user_agent,
        coalesce(error_code, error_message, 'null') as error,
        coalesce(access_key_id, 'unknown') as access_key_id,
        -- A service that calls for someone stands there by its name, and is no place.
        case
            when regexp_matches(source_ip_address, '^[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+$')
                then source_ip_address
            else 'unknown'
        end as source_ip_address,
        case
            when error_message like '%service control policy%' then 'service control policy'
            when error_message like '%resource control policy%' then 'resource control policy'
            else 'other'
        end as refused_by
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and event_time_status = 'ok'
      and account_id is not distinct from $account_id
      and aws_region is not distinct from $aws_region
      and event_source is not distinct from $event_source
      and event_name is not distinct from $event_name
      and ($error_code is null or coalesce(error_code, error_message) = $error_code)
      and ($principal_arn is null or principal_arn = $principal_arn)
      and case $kind
          when 'data' then event_category = 'Data'
          when 'network' then event_category = 'NetworkActivity'
          else coalesce(management_event, event_category = 'Management', true)
      end
      and ($kind <> 'writes' or read_only = false)
      and ($kind <> 'reads' or read_only)
)
select
    'userIdentityArn' as attribute,
    user_identity_arn as value,
    count(*) as calls
from calls
group by user_identity_arn
union all
select
    'userAgent' as attribute,
    user_agent as value,
    count(*) as calls
from calls
group by user_agent
union all
select
    'errorCode' as attribute,
    error as value,
    count(*) as calls
from calls
group by error
union all
select
    'accessKeyId' as attribute,
    access_key_id as value,
    count(*) as calls
from calls
group by access_key_id
union all
select
    'sourceIPAddress' as attribute,
    source_ip_address as value,
    count(*) as calls
from calls
group by source_ip_address
union all
select
    'refusedBy' as attribute,
    refused_by as value,
    count(*) as calls
from calls
group by refused_by
order by attribute, calls desc, value

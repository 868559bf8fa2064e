-- Who made the calls of one API in a span, with what, and how they ended.
-- grain:  attribute (userIdentityArn, userAgent, errorCode), value
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
        coalesce(error_code, error_message, 'null') as error
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
order by attribute, calls desc, value

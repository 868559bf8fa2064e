-- Who changed each resource: every change that AWS Config saw, with the calls that made it and the
-- human or workload behind them. A call explains the first change that was captured after it. A
-- change that Config saw and no call explains has a row without one.
-- grain:  item_id, event_id
-- reads:  config_changes, config_services, changes, call_origins, events, lake.bounds
-- units:  change: as in config_changes; verdict: explained, unexplained, indirect (no call names the
-- resource, but nothing of its own changed, or it is only seen for the first time), not_logged (the
-- lake has no event of that account and day, or is cut off before it); confidence: exact (Config
-- names the event), high (a call to the resource's own service names the ARN or an id), medium (a
-- name), low (another service's call names it); is_main: the call that is most likely the one;
-- lag_seconds: from the call to the capture; human, human_from: as in call_origins; tool: as in changes; is_click_ops: done by hand in the console
with chosen as (
    select config_changes.*
    from config_changes
    cross join lake.bounds
    where (bounds.since is null or config_changes.capture_time >= bounds.since)
      and (bounds.until is null or config_changes.capture_time < bounds.until)
),
aliases as (
    select distinct
        chosen.item_id,
        chosen.account_id,
        chosen.aws_region,
        chosen.resource_type,
        chosen.capture_time,
        chosen.change,
        chosen.window_minutes,
        coalesce(
            config_services.event_source, lower(split_part(chosen.resource_type, '::', 2))
        ) as event_source,
        coalesce(config_services.is_global, false) as is_global,
        unnest(
            list_distinct([chosen.arn, chosen.resource_id, chosen.resource_name])
        ) as resource
    from chosen
    left join config_services
        on config_services.config_service = split_part(chosen.resource_type, '::', 2)
),
named as (
    select
        aliases.item_id,
        aliases.capture_time,
        split_part(changes.event_source, '.', 1) in (
            aliases.event_source, 'cloudcontrolapi', 'tagging'
        ) as is_own_service,
        changes.account_id,
        changes.event_id,
        changes.event_date,
        changes.event_time,
        changes.event_source,
        changes.event_name,
        changes.principal_type,
        changes.principal,
        changes.session_name,
        changes.source_ip_address,
        changes.tool,
        case
            when changes.resource_kind = 'arn' then 'arn'
            when regexp_matches(aliases.resource, '^[a-z]+-[0-9a-f]{8,17}$') then 'id'
            else 'name'
        end as matched_by
    from aliases
    inner join changes
        on changes.resource = aliases.resource
       and changes.account_id = aliases.account_id
       and epoch(aliases.capture_time) - epoch(changes.event_time)
           between -5 and aliases.window_minutes * 60
    where not changes.is_data
      and (
          -- EC2's calls tell what they are about: RunInstances names a group, and leaves it as it is.
          aliases.change <> 'changed'
          or aliases.event_source <> 'ec2'
          or changes.event_source <> 'ec2.amazonaws.com'
          or changes.event_name in ('CreateTags', 'DeleteTags')
          or aliases.resource_type = 'AWS::EC2::EIP'
          or contains(
              lower(changes.event_name),
              lower(
                  regexp_extract(
                      split_part(aliases.resource_type, '::', 3), '^([A-Z][a-z]+|[A-Z]+)', 1
                  )
              )
          )
      )
      and (
          (
              -- A policy or a grant of another service that mentions a resource does not change it.
              split_part(changes.event_source, '.', 1) in (
                  aliases.event_source,
                  'autoscaling',
                  'cloudcontrolapi',
                  'cloudformation',
                  'elasticbeanstalk',
                  'tagging'
              )
              and (
                  changes.resource_kind = 'arn'
                  or regexp_matches(aliases.resource, '^[a-z]+-[0-9a-f]{8,17}$')
              )
          )
          or (
              split_part(changes.event_source, '.', 1) = aliases.event_source
              and (aliases.is_global or changes.aws_region = aliases.aws_region)
              and (
                  changes.resource_kind = 'name'
                  or starts_with(
                      lower(changes.resource_kind),
                      lower(split_part(aliases.resource_type, '::', 3))
                  )
              )
          )
      )
),
told as (
    select
        related.item_id,
        related.capture_time,
        true as is_own_service,
        changes.account_id,
        changes.event_id,
        changes.event_date,
        changes.event_time,
        changes.event_source,
        changes.event_name,
        changes.principal_type,
        changes.principal,
        changes.session_name,
        changes.source_ip_address,
        changes.tool,
        'related_events' as matched_by
    from (
        select
            item_id,
            account_id,
            capture_time,
            unnest(related_events) as event_id
        from chosen
    ) as related
    inner join changes
        on changes.event_id = related.event_id
       and changes.account_id = related.account_id
),
candidates as (
    select
        both_kinds.*,
        case
            when matched_by = 'related_events' then 0
            when not is_own_service then 4
            when matched_by = 'arn' then 1
            when matched_by = 'id' then 2
            else 3
        end as place
    from (
        select * from named
        union all
        select * from told
    ) as both_kinds
),
-- Of one resource a call belongs to the first change after it; whom Config names it belongs to.
nearest as (
    select
        candidates.*,
        chosen.resource_type,
        chosen.resource_id,
        chosen.aws_region,
        chosen.change
    from candidates
    inner join chosen
        on chosen.item_id = candidates.item_id
    qualify row_number() over (
        partition by
            candidates.account_id,
            candidates.event_id,
            chosen.aws_region,
            chosen.resource_type,
            chosen.resource_id
        order by
            case when candidates.place = 0 then 0 else 1 end,
            candidates.capture_time,
            candidates.place,
            candidates.item_id
    ) = 1
),
calls as (
    select
        nearest.*,
        row_number() over (
            partition by nearest.item_id
            order by
                case when nearest.place = 0 then 0 else 1 end,
                -- AuthorizeSecurityGroupIngress before RunInstances, which names the group too.
                case
                    when contains(
                        lower(nearest.event_name),
                        lower(split_part(nearest.resource_type, '::', 3))
                    ) then 0
                    else 1
                end,
                nearest.place,
                case
                    when nearest.change = 'created'
                     and regexp_matches(nearest.event_name, '^(Create|Run|Allocate|Register)')
                        then 0
                    when nearest.change = 'deleted'
                     and regexp_matches(nearest.event_name, '^(Delete|Terminate|Release|Deregister)')
                        then 0
                    else 1
                end,
                nearest.event_time desc,
                nearest.event_id
        ) = 1 as is_main,
        call_origins.human,
        call_origins.human_from
    from nearest
    left join call_origins
        on call_origins.event_date = nearest.event_date
       and call_origins.account_id = nearest.account_id
       and call_origins.event_id = nearest.event_id
),
logged as (
    select distinct
        account_id,
        event_date
    from events
)
select
    chosen.item_id,
    chosen.previous_item_id,
    chosen.capture_time,
    chosen.account_id,
    chosen.aws_region,
    chosen.resource_type,
    chosen.resource_id,
    chosen.resource_name,
    chosen.arn,
    chosen.change,
    case
        when calls.event_id is not null then 'explained'
        when chosen.change in ('related', 'first_seen') then 'indirect'
        when logged.account_id is null then 'not_logged'
        when epoch(chosen.capture_time) - epoch(bounds.since) < chosen.window_minutes * 60
            then 'not_logged'
        else 'unexplained'
    end as verdict,
    calls.event_id,
    calls.event_time,
    calls.event_source,
    calls.event_name,
    case
        when calls.place = 0 then 'exact'
        when calls.place in (1, 2) then 'high'
        when calls.place = 3 then 'medium'
        when calls.place = 4 then 'low'
    end as confidence,
    calls.matched_by,
    calls.is_main,
    epoch(chosen.capture_time) - epoch(calls.event_time) as lag_seconds,
    calls.principal_type,
    calls.principal,
    calls.session_name,
    calls.human,
    calls.human_from,
    calls.source_ip_address,
    calls.tool,
    calls.tool = 'console' as is_click_ops,
    chosen.account_name,
    chosen.environment
from chosen
cross join lake.bounds
left join calls
    on calls.item_id = chosen.item_id
left join logged
    on logged.account_id = chosen.account_id
   and logged.event_date = cast(chosen.capture_time as date)

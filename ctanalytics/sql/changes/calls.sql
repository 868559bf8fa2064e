-- Calls that changed a resource, by any of its names.
-- grain:  account_id, event_id
-- reads:  changes, config_services
-- params: names, resource_type (null: unknown, then calls of any service count)
-- units:  as in who_changed
with named as (
    select
        changes.*
    from changes
    left join config_services
        on config_services.config_service = split_part($resource_type, '::', 2)
    where changes.resource in (select unnest($names))
      and not changes.is_data
      -- EC2's calls tell what they are about, see who_changed.
      and (
          $resource_type is null
          or changes.event_source <> 'ec2.amazonaws.com'
          or changes.event_name in ('CreateTags', 'DeleteTags')
          or $resource_type = 'AWS::EC2::EIP'
          or contains(
              lower(changes.event_name),
              lower(
                  regexp_extract(
                      split_part($resource_type, '::', 3), '^([A-Z][a-z]+|[A-Z]+)', 1
                  )
              )
          )
      )
      and (
          $resource_type is null
          or split_part(changes.event_source, '.', 1) in (
              coalesce(config_services.event_source, lower(split_part($resource_type, '::', 2))),
              'autoscaling',
              'cloudcontrolapi',
              'cloudformation',
              'elasticbeanstalk',
              'tagging'
          )
      )
      and (
          $resource_type is null
          or changes.resource_kind in ('arn', 'name')
          or regexp_matches(changes.resource, '^[a-z]+-[0-9a-f]{8,17}$')
          or starts_with(
              lower(changes.resource_kind), lower(split_part($resource_type, '::', 3))
          )
      )
    qualify row_number() over (
        partition by changes.account_id, changes.event_id
        order by
            case when changes.resource_kind = 'arn' then 0 else 1 end,
            changes.resource_kind,
            changes.resource
    ) = 1
)
select
    named.event_id,
    named.event_time,
    named.event_source,
    named.event_name,
    named.principal,
    named.session_name,
    named.tool,
    named.tool = 'console' as is_click_ops,
    named.source_ip_address,
    null as confidence,
    case when named.resource_kind = 'arn' then 'arn' else 'name' end as matched_by
from named
order by named.event_time, named.event_id

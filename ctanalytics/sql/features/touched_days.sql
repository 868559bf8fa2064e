-- What each principal touched on each day: APIs, services, regions, networks, countries, programs,
-- roles, accounts, keys and error codes. Days that were marked as an incident teach nothing.
-- grain:  principal_key, event_date, kind, value
-- reads:  principal_events, address_places (registered), marked_days
-- units:  value: text of its kind
-- params: since, until, shift_hours (UTC, half-open; days begin so long before midnight; 0 to 23)
with slices as (
    select
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        cast(principal_events.event_time + to_hours($shift_hours) as date) as event_date,
        principal_events.event_source,
        principal_events.event_name,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network) as network,
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.access_key_id,
        case
            when principal_events.error_class in ('denied', 'other')
                then coalesce(principal_events.error_code, '')
        end as error_code
    from principal_events
    left join address_places
        on address_places.address = principal_events.source_ip_address
    where principal_events.event_date >= $since_date
      and principal_events.event_date <= $until_date
      and principal_events.event_time >= $since
      and principal_events.event_time < $until
    group by
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        cast(principal_events.event_time + to_hours($shift_hours) as date),
        principal_events.event_source,
        principal_events.event_name,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network),
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.access_key_id,
        case
            when principal_events.error_class in ('denied', 'other')
                then coalesce(principal_events.error_code, '')
        end
),
pairs as (
    select distinct
        principal_key,
        history_key,
        peer_class,
        event_date,
        pair.kind,
        pair.value
    from (
        select
            principal_key,
            history_key,
            peer_class,
            event_date,
            unnest(
                [
                    {'kind': 'api', 'value': event_source || ':' || event_name},
                    {'kind': 'service', 'value': event_source},
                    {'kind': 'region', 'value': aws_region},
                    {'kind': 'network', 'value': network},
                    {'kind': 'country', 'value': country},
                    {'kind': 'agent', 'value': agent},
                    {'kind': 'role', 'value': assumed_role_arn},
                    {'kind': 'account', 'value': account_id},
                    {'kind': 'access_key', 'value': access_key_id},
                    {'kind': 'error_code', 'value': error_code}
                ]
            ) as pair
        from slices
    ) as paired
    where pair.value is not null
)
select
    pairs.*,
    coalesce(marked_days.is_confirmed, false) as is_confirmed
from pairs
left join marked_days
    on marked_days.principal_key = pairs.principal_key
   and marked_days.event_date = pairs.event_date

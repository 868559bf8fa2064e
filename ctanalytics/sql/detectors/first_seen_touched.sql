-- The days of `first_seen_slices` by each thing that can be new.
-- grain:  principal_key, event_date, kind, value
-- reads:  first_seen_slices (temporary)
-- units:  first_at UTC; calls: count
with paired as (
    select
        principal_key,
        history_key,
        peer_class,
        event_date,
        is_confirmed,
        first_at,
        calls,
        unnest(
            [
                {'kind': 'api', 'value': api},
                {'kind': 'region', 'value': aws_region},
                {'kind': 'network', 'value': network},
                {'kind': 'country', 'value': country},
                {'kind': 'agent', 'value': agent},
                {'kind': 'role', 'value': assumed_role_arn},
                {'kind': 'account', 'value': account_id},
                {'kind': 'person', 'value': person}
            ]
        ) as pair
    from first_seen_slices
)
select
    principal_key,
    history_key,
    peer_class,
    event_date,
    pair.kind,
    pair.value,
    bool_or(is_confirmed) as is_confirmed,
    min(first_at) as first_at,
    cast(sum(calls) as bigint) as calls
from paired
where pair.value is not null
group by principal_key, history_key, peer_class, event_date, pair.kind, pair.value

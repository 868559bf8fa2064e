-- What else came from the addresses that the subject called from: calls that are none of the case's.
-- grain:  account_id, principal
-- reads:  events, subject_events, account_directory
-- params: addresses (list), since, until (UTC, half-open), rows
-- units:  calls, addresses: counts; times UTC
with others as (
    select
        account_id,
        coalesce(principal_arn, actor) as principal,
        count(*) as calls,
        count(distinct source_ip_address) as addresses,
        min(source_ip_address) as example,
        min(event_time) as first_seen,
        max(event_time) as last_seen
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and source_ip_address in $addresses
      and coalesce(shared_event_id, event_id) not in (
          select coalesce(subject_events.shared_event_id, subject_events.event_id)
          from subject_events
      )
    group by account_id, coalesce(principal_arn, actor)
)
select
    others.principal,
    others.account_id,
    account_directory.account_name,
    others.calls,
    others.addresses,
    others.example,
    others.first_seen,
    others.last_seen,
    count(*) over () as found
from others
left join account_directory
    on account_directory.account_id = others.account_id
order by others.calls desc, others.principal
limit $rows

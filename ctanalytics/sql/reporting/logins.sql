-- Console sign-ins of the span by who and from where; failures and missing MFA first.
-- grain:  account_id, principal_type, name, user_name_hidden, source_ip_address
-- reads:  logins
-- units:  successes, failures, without_mfa: counts of sign-ins; found: rows in all
-- params: since, until (UTC, half-open), top
select
    account_id,
    principal_type,
    coalesce(principal_arn, user_name) as name,
    user_name_hidden,
    source_ip_address,
    count(*) filter (where succeeded) as successes,
    count(*) filter (where not succeeded) as failures,
    count(*) filter (where without_mfa) as without_mfa,
    count(*) filter (where mfa_used) as with_mfa,
    max(failure_reason) as failure_reason,
    max(event_time) as last_seen,
    count(*) over () as found
from logins
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
group by
    account_id,
    principal_type,
    coalesce(principal_arn, user_name),
    user_name_hidden,
    source_ip_address
order by
    without_mfa desc,
    failures desc,
    successes desc,
    account_id,
    name,
    source_ip_address,
    principal_type
limit $top

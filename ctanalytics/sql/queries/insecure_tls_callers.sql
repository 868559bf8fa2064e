-- Who must be moved off TLS older than 1.2.
-- grain:  account_id, principal, user_agent
-- reads:  insecure_tls
select
    account_id,
    principal,
    user_agent,
    tls_version,
    cast(sum(calls) as bigint) as calls,
    max(last_seen) as last_seen
from insecure_tls
group by account_id, principal, user_agent, tls_version
order by calls desc, account_id, principal, user_agent, tls_version

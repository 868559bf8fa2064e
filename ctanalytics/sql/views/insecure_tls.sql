-- Who still calls AWS with TLS older than 1.2, and with what program.
-- grain:  account_id, principal, event_source, tls_version, tls_cipher_suite, user_agent
-- reads:  events, account_directory
-- units:  calls: count; tls_version as AWS writes it
with totals as (
    select
        account_id,
        coalesce(principal_arn, actor) as principal,
        event_source,
        tls_version,
        tls_cipher_suite,
        user_agent,
        count(*) as calls,
        count(distinct source_ip_address) as source_ip_addresses,
        min(case when event_time_status = 'ok' then event_time end) as first_seen,
        max(case when event_time_status = 'ok' then event_time end) as last_seen
    from events
    where tls_version in ('TLSv1', 'TLSv1.0', 'TLSv1.1', 'SSLv3', 'SSLv2')
    group by
        account_id,
        coalesce(principal_arn, actor),
        event_source,
        tls_version,
        tls_cipher_suite,
        user_agent
)
select
    totals.account_id,
    totals.principal,
    totals.event_source,
    totals.tls_version,
    totals.tls_cipher_suite,
    totals.user_agent,
    totals.calls,
    totals.source_ip_addresses,
    totals.first_seen,
    totals.last_seen,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id

-- With which TLS versions AWS is called.
-- grain:  tls_version
-- reads:  events
select
    tls_version,
    count(*) as calls,
    count(distinct coalesce(principal_arn, actor)) as principals
from events
where tls_version is not null
group by tls_version
order by tls_version

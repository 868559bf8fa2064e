-- APIs that an account called for the first time in the last days of the lake.
-- grain:  account_id, event_source, event_name
-- reads:  events, sensitive_apis
-- params: days integer = 3
with firsts as (
    select
        account_id,
        event_source,
        event_name,
        min(event_time) as first_seen,
        count(*) as calls,
        min(coalesce(principal_arn, actor)) as a_principal
    from events
    where event_time_status = 'ok'
    group by account_id, event_source, event_name
)
select
    firsts.first_seen,
    firsts.account_id,
    firsts.event_source,
    firsts.event_name,
    firsts.calls,
    firsts.a_principal,
    sensitive_apis.sensitivity
from firsts
left join sensitive_apis
    on sensitive_apis.event_source = firsts.event_source
   and sensitive_apis.event_name = firsts.event_name
where firsts.first_seen > (select max(first_seen) from firsts) - to_days($days)
order by firsts.first_seen, firsts.account_id, firsts.event_source, firsts.event_name

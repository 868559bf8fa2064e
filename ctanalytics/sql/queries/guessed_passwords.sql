-- Sign-ins that went through after many failures from the same address within a day.
-- grain:  account_id, event_id
-- reads:  logins
-- params: failures integer = 10
select
    entered.event_time,
    entered.account_id,
    entered.principal_arn,
    entered.source_ip_address,
    entered.mfa_used,
    count(*) as failures_before,
    entered.event_id
from logins as entered
inner join logins as failed
    on failed.account_id = entered.account_id
   and failed.source_ip_address = entered.source_ip_address
   and failed.event_time < entered.event_time
   and failed.event_time > entered.event_time - interval 1 day
where entered.succeeded
  and not failed.succeeded
group by
    entered.event_time,
    entered.account_id,
    entered.principal_arn,
    entered.source_ip_address,
    entered.mfa_used,
    entered.event_id
having count(*) >= $failures
order by entered.event_time, entered.event_id

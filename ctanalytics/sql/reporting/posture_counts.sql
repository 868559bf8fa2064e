-- Findings of the newest audit of each account before the end of a span, counted.
-- grain:  status, severity
-- reads:  lake.posture_findings
-- params: until (UTC)
-- units:  findings, accounts: count; audited_at UTC: the oldest of these audits
with newest as (
    select
        account_id,
        audit_id
    from lake.posture_findings
    where audited_at < $until
    group by account_id, audit_id
    qualify row_number() over (
        partition by account_id
        order by max(audited_at) desc, audit_id desc
    ) = 1
)
select
    posture_findings.status,
    posture_findings.severity,
    count(*) as findings,
    count(distinct posture_findings.account_id) as accounts,
    min(posture_findings.audited_at) as audited_at
from lake.posture_findings as posture_findings
join newest
    on newest.account_id = posture_findings.account_id
    and newest.audit_id = posture_findings.audit_id
group by posture_findings.status, posture_findings.severity
order by posture_findings.status, posture_findings.severity

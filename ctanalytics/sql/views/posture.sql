-- Findings of the newest audit of each account: one check on one resource each.
-- grain:  finding_id
-- reads:  lake.posture_findings, account_directory
-- units:  audited_at, status_since UTC; status: fail, unknown, pass; status_since: the first of the
-- audits in a row that gave this status; evidence: JSON
with audits as (
    select
        account_id,
        audit_id,
        max(audited_at) as audited_at
    from lake.posture_findings
    group by account_id, audit_id
),
newest as (
    select
        account_id,
        audit_id
    from audits
    qualify row_number() over (
        partition by account_id
        order by audited_at desc, audit_id desc
    ) = 1
),
current_rows as (
    select
        posture_findings.finding_id,
        posture_findings.audit_id,
        posture_findings.audited_at,
        posture_findings.check_id,
        posture_findings.status,
        posture_findings.severity,
        posture_findings.account_id,
        posture_findings.aws_region,
        posture_findings.resource,
        posture_findings.title,
        posture_findings.explanation,
        posture_findings.evidence,
        posture_findings.reads,
        posture_findings.missing
    from lake.posture_findings as posture_findings
    join newest
        on newest.account_id = posture_findings.account_id
        and newest.audit_id = posture_findings.audit_id
),
changed as (
    select
        current_rows.finding_id,
        max(earlier.audited_at) as last_other
    from current_rows
    join lake.posture_findings as earlier
        on earlier.finding_id = current_rows.finding_id
        and earlier.status <> current_rows.status
    group by current_rows.finding_id
),
began as (
    select
        current_rows.finding_id,
        min(same.audited_at) as status_since
    from current_rows
    join lake.posture_findings as same
        on same.finding_id = current_rows.finding_id
        and same.status = current_rows.status
    left join changed
        on changed.finding_id = current_rows.finding_id
    where changed.last_other is null or same.audited_at > changed.last_other
    group by current_rows.finding_id
)
select
    current_rows.finding_id,
    current_rows.audit_id,
    current_rows.audited_at,
    current_rows.check_id,
    current_rows.status,
    began.status_since,
    current_rows.severity,
    current_rows.account_id,
    current_rows.aws_region,
    current_rows.resource,
    current_rows.title,
    current_rows.explanation,
    current_rows.evidence,
    current_rows.reads,
    current_rows.missing,
    account_directory.account_name,
    account_directory.environment
from current_rows
left join began
    on began.finding_id = current_rows.finding_id
left join account_directory
    on account_directory.account_id = current_rows.account_id

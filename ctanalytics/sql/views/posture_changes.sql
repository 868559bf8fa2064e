-- What each audit of an account found otherwise than the audit before it.
-- grain:  account_id, audit_id, finding_id
-- reads:  lake.posture_findings, account_directory
-- units:  audited_at, audited_before UTC; change: new (fails now), fixed (failed, passes now), gone
-- (failed, its resource is judged no more), unreadable (was known, is unknown now)
with audits as (
    select
        account_id,
        audit_id,
        max(audited_at) as audited_at
    from lake.posture_findings
    group by account_id, audit_id
),
pairs as (
    select
        account_id,
        audit_id,
        audited_at,
        lag(audit_id) over (partition by account_id order by audited_at, audit_id) as before_id,
        lag(audited_at) over (partition by account_id order by audited_at, audit_id)
            as audited_before
    from audits
),
now_rows as (
    select
        pairs.audit_id as pair_id,
        pairs.audited_at as pair_at,
        pairs.audited_before as pair_before,
        posture_findings.account_id,
        posture_findings.finding_id,
        posture_findings.check_id,
        posture_findings.status,
        posture_findings.severity,
        posture_findings.aws_region,
        posture_findings.resource,
        posture_findings.title,
        posture_findings.explanation
    from pairs
    join lake.posture_findings as posture_findings
        on posture_findings.account_id = pairs.account_id
        and posture_findings.audit_id = pairs.audit_id
    where pairs.before_id is not null
),
before_rows as (
    select
        pairs.audit_id as pair_id,
        pairs.audited_at as pair_at,
        pairs.audited_before as pair_before,
        posture_findings.account_id,
        posture_findings.finding_id,
        posture_findings.check_id,
        posture_findings.status,
        posture_findings.severity,
        posture_findings.aws_region,
        posture_findings.resource,
        posture_findings.title,
        posture_findings.explanation
    from pairs
    join lake.posture_findings as posture_findings
        on posture_findings.account_id = pairs.account_id
        and posture_findings.audit_id = pairs.before_id
),
compared as (
    select
        coalesce(now_rows.account_id, before_rows.account_id) as account_id,
        coalesce(now_rows.pair_id, before_rows.pair_id) as audit_id,
        coalesce(now_rows.pair_at, before_rows.pair_at) as audited_at,
        coalesce(now_rows.pair_before, before_rows.pair_before) as audited_before,
        coalesce(now_rows.finding_id, before_rows.finding_id) as finding_id,
        coalesce(now_rows.check_id, before_rows.check_id) as check_id,
        case
            when now_rows.status = 'fail' and coalesce(before_rows.status, 'none') <> 'fail' then 'new'
            when before_rows.status = 'fail' and now_rows.status = 'pass' then 'fixed'
            when before_rows.status = 'fail' and now_rows.status is null then 'gone'
            when now_rows.status = 'unknown' and before_rows.status in ('pass', 'fail')
                then 'unreadable'
        end as change,
        coalesce(now_rows.severity, before_rows.severity) as severity,
        coalesce(now_rows.aws_region, before_rows.aws_region) as aws_region,
        coalesce(now_rows.resource, before_rows.resource) as resource,
        coalesce(now_rows.title, before_rows.title) as title,
        coalesce(now_rows.explanation, before_rows.explanation) as explanation
    from now_rows
    full join before_rows
        on before_rows.pair_id = now_rows.pair_id
        and before_rows.finding_id = now_rows.finding_id
)
select
    compared.account_id,
    compared.audit_id,
    compared.audited_at,
    compared.audited_before,
    compared.finding_id,
    compared.check_id,
    compared.change,
    compared.severity,
    compared.aws_region,
    compared.resource,
    compared.title,
    compared.explanation,
    account_directory.account_name,
    account_directory.environment
from compared
left join account_directory
    on account_directory.account_id = compared.account_id
where compared.change is not null

-- What the newest audit of each account before the end of a span found, and whether that is new.
-- grain:  account_id, finding_id
-- reads:  lake.posture_findings
-- params: since, until (UTC, half-open), top
-- units:  change: new, fixed, still failing, unreadable, against the newest audit before the span, else
-- the oldest one; found: rows in all; audited_at UTC
with audits as (
    select
        account_id,
        audit_id,
        max(audited_at) as audited_at
    from lake.posture_findings
    where audited_at < $until
    group by account_id, audit_id
),
newest as (
    select
        account_id,
        audit_id,
        audited_at
    from audits
    qualify row_number() over (
        partition by account_id
        order by audited_at desc, audit_id desc
    ) = 1
),
baseline as (
    select
        account_id,
        audit_id
    from audits
    qualify row_number() over (
        partition by account_id
        order by
            case when audited_at < $since then 0 else 1 end,
            case when audited_at < $since then -epoch_us(audited_at) else epoch_us(audited_at) end,
            audit_id
    ) = 1
),
before_rows as (
    select
        posture_findings.finding_id,
        posture_findings.status
    from lake.posture_findings as posture_findings
    join baseline
        on baseline.account_id = posture_findings.account_id
        and baseline.audit_id = posture_findings.audit_id
    join newest
        on newest.account_id = baseline.account_id
    where newest.audit_id <> baseline.audit_id or newest.audited_at < $since
),
judged as (
    select
        posture_findings.account_id,
        posture_findings.check_id,
        posture_findings.severity,
        posture_findings.aws_region,
        posture_findings.resource,
        posture_findings.title,
        posture_findings.explanation,
        posture_findings.finding_id,
        newest.audited_at,
        case
            when posture_findings.status = 'fail' and before_rows.status = 'fail' then 'still failing'
            when posture_findings.status = 'fail' then 'new'
            when posture_findings.status = 'pass' and before_rows.status = 'fail' then 'fixed'
            when posture_findings.status = 'unknown' and before_rows.status in ('pass', 'fail')
                then 'unreadable'
        end as change
    from lake.posture_findings as posture_findings
    join newest
        on newest.account_id = posture_findings.account_id
        and newest.audit_id = posture_findings.audit_id
    left join before_rows
        on before_rows.finding_id = posture_findings.finding_id
)
select
    account_id,
    check_id,
    severity,
    aws_region,
    resource,
    title,
    explanation,
    audited_at,
    change,
    count(*) over () as found
from judged
where change is not null
order by
    case change when 'new' then 0 when 'unreadable' then 1 when 'still failing' then 2 else 3 end,
    case severity
        when 'critical' then 0
        when 'high' then 1
        when 'medium' then 2
        when 'low' then 3
        else 4
    end,
    check_id,
    account_id,
    resource,
    finding_id
limit $top

-- Sensitive calls of the subject that were let through, by the tactic that each may serve.
-- grain:  tactic, account_id, event_source, event_name
-- reads:  subject_events, sensitive_apis, account_directory
-- units:  calls: count; times UTC; event_id: of the first call
with tactics as (
    select
        known.sensitivity,
        known.tactic
    from (
        values
            ('identity', 'persistence'),
            ('secrets', 'credential-access'),
            ('keys', 'impact'),
            ('guards', 'defense-evasion'),
            ('sharing', 'exfiltration'),
            ('network', 'defense-evasion'),
            ('remote_access', 'lateral-movement'),
            ('code', 'execution'),
            ('deletion', 'impact')
    ) as known (sensitivity, tactic)
)
select
    tactics.tactic,
    sensitive_apis.sensitivity,
    subject_events.account_id,
    max(account_directory.account_name) as account_name,
    subject_events.event_source,
    subject_events.event_name,
    count(*) as calls,
    min(subject_events.event_time) as first_seen,
    max(subject_events.event_time) as last_seen,
    arg_min(subject_events.event_id, subject_events.event_time) as event_id
from subject_events
inner join sensitive_apis
    on sensitive_apis.event_source = subject_events.event_source
    and sensitive_apis.event_name = subject_events.event_name
inner join tactics
    on tactics.sensitivity = sensitive_apis.sensitivity
left join account_directory
    on account_directory.account_id = subject_events.account_id
where not subject_events.is_error
group by
    tactics.tactic,
    sensitive_apis.sensitivity,
    subject_events.account_id,
    subject_events.event_source,
    subject_events.event_name
order by first_seen, subject_events.event_source, subject_events.event_name

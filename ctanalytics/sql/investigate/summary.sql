-- The subject in figures: what was done with its own credentials, and with those that came of them.
-- grain:  one row
-- reads:  subject_events, error_classes
-- units:  calls, writes, errors, denied_calls: counts; first_seen, last_seen: UTC
select
    count(*) as calls,
    count(*) filter (where subject_events.relation = 'derived') as derived_calls,
    count(*) filter (where not subject_events.read_only) as writes,
    count(*) filter (where subject_events.is_error) as errors,
    count(*) filter (where error_classes.error_class = 'denied') as denied_calls,
    count(distinct subject_events.session_id) as sessions,
    count(distinct subject_events.account_id) as accounts,
    count(distinct subject_events.aws_region) as regions,
    count(distinct subject_events.source_ip_address) as source_ip_addresses,
    count(distinct subject_events.user_agent) as user_agents,
    min(subject_events.event_time) as first_seen,
    max(subject_events.event_time) as last_seen
from subject_events
left join error_classes
    on error_classes.error_code = subject_events.error_code

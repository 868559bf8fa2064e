-- Matches of rules among the subject's events, as an engine over the case alone found them.
-- grain:  rule, account_id
-- reads:  investigation_hits (a registered table of hits), subject_events, account_directory
-- units:  matches, failed: counts of events; times UTC; event_id: of the first match
select
    investigation_hits.rule,
    investigation_hits.account_id,
    max(account_directory.account_name) as account_name,
    count(distinct investigation_hits.event_id) as matches,
    count(distinct investigation_hits.event_id) filter (where investigation_hits.is_error) as failed,
    min(investigation_hits.event_time) as first_seen,
    max(investigation_hits.event_time) as last_seen,
    list_sort(list(distinct investigation_hits.event_name)) as event_names,
    arg_min(investigation_hits.event_id, investigation_hits.event_time) as event_id
from investigation_hits
inner join subject_events
    on subject_events.account_id is not distinct from investigation_hits.account_id
    and coalesce(subject_events.event_id, subject_events.record_sha256) = investigation_hits.event_id
left join account_directory
    on account_directory.account_id = investigation_hits.account_id
group by investigation_hits.rule, investigation_hits.account_id
order by first_seen, investigation_hits.rule

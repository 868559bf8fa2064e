-- One event whole, with what is known of the file that it came from.
-- grain:  one row for each copy of the event
-- reads:  events, log_files
-- params: account_id, event_id, since, until (UTC, half-open), since_date, until_date
select
    events.*,
    log_files.verdict as file_verdict,
    log_files.verdict_detail as file_verdict_detail,
    log_files.digest_key as file_digest_key,
    log_files.validated_at as file_validated_at,
    log_files.ingested_at as file_ingested_at
from events
left join log_files
    on log_files.source_object = events.source_object
where events.event_date >= $since_date
  and events.event_date <= $until_date
  and events.event_time >= $since
  and events.event_time < $until
  and events.account_id is not distinct from $account_id
  and events.event_id = $event_id
order by log_files.ingested_at desc nulls last
limit 1

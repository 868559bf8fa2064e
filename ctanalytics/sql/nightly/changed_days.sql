-- Dates that got events by ingests after one.
-- grain:  event_date
-- reads:  events
-- units:  events: count of the new ones
-- params: since, until (UTC, half-open), plan_id (of the last ingest that counts as old)
select
    event_date,
    count(*) as events
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and plan_id > $plan_id
group by event_date
order by event_date

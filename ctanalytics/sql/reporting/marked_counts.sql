-- How many anomalies that touch the span were marked, by what was said.
-- grain:  verdict
-- reads:  anomalies
-- units:  anomalies: count
-- params: since, until (UTC, half-open)
select
    verdict,
    count(*) as anomalies
from anomalies
where started_at < $until
  and (ended_at is null or ended_at > $since)
  and superseded_by is null
  and verdict is not null
group by verdict
order by verdict

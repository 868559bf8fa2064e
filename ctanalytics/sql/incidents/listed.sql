-- Incidents that touch a span, in their newest revision; those that another took over are left out.
-- grain:  incident_id
-- reads:  incidents
-- units:  score: -log10 of the combined p; times UTC; ended_at null while it goes on
-- params: since, until (UTC, half-open; null: from the first, up to the last)
select
    incidents.*
from incidents
where superseded_by is null
  and (cast($until as timestamptz) is null or started_at < cast($until as timestamptz))
  and (
      cast($since as timestamptz) is null
      or ended_at is null
      or ended_at > cast($since as timestamptz)
  )
order by started_at, incident_id

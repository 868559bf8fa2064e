-- On how many days of the span behaviour had a model, and how many of its measures moved far.
-- grain:  one row
-- reads:  behaviour_drift
-- units:  days, alarming: counts
-- params: since, until (UTC, half-open)
select
    count(distinct event_date) as days,
    count(*) filter (where is_alarming) as alarming
from behaviour_drift
where event_date >= cast($since as date)
  and event_date <= cast($until - interval 1 microsecond as date)

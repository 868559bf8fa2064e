-- On how many days of the span behaviour had a model, and how many of its measures moved far.
-- grain:  one row
-- reads:  behaviour_drift
-- units:  days, alarming: counts
-- params: since, until (UTC, half-open)
select
    count(distinct judged_date) as days,
    count(*) filter (where is_alarming) as alarming
from behaviour_drift
where judged_date >= cast($since as date)
  and judged_date <= cast($until - interval 1 microsecond as date)

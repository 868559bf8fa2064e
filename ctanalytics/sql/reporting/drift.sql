-- Measures of behaviour that moved far from what the model of their day had learned.
-- grain:  judged_date, measure, feature
-- reads:  behaviour_drift
-- units:  value: as in behaviour_drift; psi above 0.25, rank correlation under 0.9
-- params: since, until, top (UTC, half-open; rows)
select
    judged_date,
    replace(measure, '_', ' ') as measure,
    feature,
    value,
    count(*) over () as found
from behaviour_drift
where is_alarming
  and judged_date >= cast($since as date)
  and judged_date <= cast($until - interval 1 microsecond as date)
order by judged_date desc, measure, value desc, feature
limit $top

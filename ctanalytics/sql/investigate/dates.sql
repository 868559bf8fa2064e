-- The first and the last day that the lake has events of.
-- grain:  one row
-- reads:  lake.events
select
    min(event_date) as first_date,
    max(event_date) as last_date
from lake.events
where event_date > date '1970-01-01'

-- The days that the lake's events cover. Records whose time can't be true stand under 1970-01-01.
-- grain:  one row
-- reads:  lake.events
-- units:  first_date, last_date: UTC days; events, events_without_time: rows
select
    min(case when event_date > date '1970-01-01' then event_date end) as first_date,
    max(case when event_date > date '1970-01-01' then event_date end) as last_date,
    count(*) as events,
    count(*) filter (where event_date = date '1970-01-01') as events_without_time
from lake.events

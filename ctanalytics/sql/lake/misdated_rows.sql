-- Rows that lie under another date than that of their time.
-- grain:  one row of events
-- reads:  lake.events
-- units:  source_row: place in the object, from 0
-- params: date, limit (rows)
select
    event_id,
    event_time,
    event_time_status,
    source_object,
    source_row
from lake.events
where event_date = $date
  and coalesce(
      case
          when event_time_status = 'ok' then cast(event_time as date) <> event_date
          else event_date <> date '1970-01-01'
      end,
      true
  )
order by source_object, source_row
limit $limit

-- Calls and errors of each API per minute; a minute without a call has no row.
-- Events whose time can't be true have no minute and are left out.
-- grain:  account_id, aws_region, event_source, event_name, read_only, minute_start
-- reads:  events
-- units:  minute_start UTC; event_date: its UTC date; calls, errors: counts per minute
select
    account_id,
    aws_region,
    event_source,
    event_name,
    read_only,
    event_date,
    date_trunc('minute', event_time) as minute_start,
    count(*) as calls,
    count(*) filter (where is_error) as errors
from events
where event_time_status = 'ok'
group by
    account_id,
    aws_region,
    event_source,
    event_name,
    read_only,
    event_date,
    date_trunc('minute', event_time)

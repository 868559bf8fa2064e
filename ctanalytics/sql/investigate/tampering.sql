-- Changes to what logs, in the subject's accounts during the span, by anybody.
-- grain:  account_id, event_id
-- reads:  trail_changes
-- params: accounts (list), since, until (UTC, half-open), rows
select
    event_time,
    area,
    effect,
    event_name,
    target,
    succeeded,
    error_code,
    account_id,
    account_name,
    aws_region,
    principal,
    source_ip_address,
    event_id,
    count(*) over () as found
from trail_changes
where account_id in $accounts
  and event_time >= $since
  and event_time < $until
order by event_time, event_id
limit $rows

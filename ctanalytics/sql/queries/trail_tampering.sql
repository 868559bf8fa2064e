-- Attempts to weaken logging or watching, failed ones too; AWS services set aside.
-- grain:  account_id, event_id
-- reads:  trail_changes
select
    event_time,
    account_id,
    area,
    event_name,
    effect,
    target,
    succeeded,
    principal,
    source_ip_address,
    event_id
from trail_changes
where source_ip_address not like '%.amazonaws.com'
  and (effect = 'weakens' or area in ('trail', 'guardduty', 'config'))
order by event_time, event_id

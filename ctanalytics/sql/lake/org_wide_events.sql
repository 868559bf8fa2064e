-- Events with one row for each call, however many accounts were sent a copy: that of the caller's own
-- account where there is one, for it knows most.
-- grain:  coalesce(shared_event_id, event_id)
-- reads:  lake.events_by_account
select
    whole.*
from lake.events_by_account as whole
where whole.shared_event_id is null
union all by name
select
    copies.*
from lake.events_by_account as copies
where copies.shared_event_id is not null
-- event_date is in the window so that a bound on it reaches the files.
qualify row_number() over (
    partition by copies.event_date, copies.shared_event_id
    order by
        case when copies.identity_account_id = copies.account_id then 0 else 1 end,
        copies.account_id,
        copies.event_id
) = 1

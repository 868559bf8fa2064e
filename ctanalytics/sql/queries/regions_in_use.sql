-- What happens in each region, and which are open though nobody needs them.
-- grain:  account_id, aws_region
-- reads:  regions
select
    account_id,
    account_name,
    aws_region,
    calls,
    writes,
    denied_calls,
    scp_refusals,
    is_unused_but_open,
    first_seen,
    last_seen
from regions
order by account_id, calls desc, aws_region

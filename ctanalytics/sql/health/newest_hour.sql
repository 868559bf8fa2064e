-- The newest hour that anything is known of.
-- grain:  one row
-- reads:  completeness
select
    max(hour) as newest_hour
from completeness

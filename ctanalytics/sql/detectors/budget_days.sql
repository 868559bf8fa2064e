-- By how much thresholds were raised, day by day: what was decided first stays.
-- grain:  detector, day
-- reads:  lake.series_budget
-- units:  raised: quarters of -log10 p; alarms: of the 14 days before
select
    detector,
    day,
    raised,
    alarms,
    allowed
from lake.series_budget
qualify row_number() over (
    partition by detector, day
    order by decided_at
) = 1
order by detector, day

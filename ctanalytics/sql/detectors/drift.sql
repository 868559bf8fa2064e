-- What is kept of how far the model of a day moved.
-- grain:  feature, measure
-- reads:  lake.behaviour_drift
-- units:  value: as in the view behaviour_drift; principals: count
-- params: judged_date
select
    feature,
    measure,
    value,
    principals
from lake.behaviour_drift
where judged_date = $judged_date
qualify row_number() over (
    partition by feature, measure
    order by measured_at desc
) = 1

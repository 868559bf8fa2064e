-- How far life moved away from what the model of behaviour had learned, day by day.
-- grain:  judged_date, measure, feature
-- reads:  lake.behaviour_drift
-- units:  value of psi: population stability index of a feature, under 0.1 little, above 0.25 much; of
-- rank_correlation: how alike the models of two days order the principals of the second, -1 to 1, by
-- the surprise (top_surprise) and by the forest; is_alarming: psi above 0.25 or correlation
-- under 0.9; principals: judged that day; measured_at UTC
with newest as (
    select
        judged_date,
        measure,
        feature,
        value,
        principals,
        measured_at
    from lake.behaviour_drift
    qualify row_number() over (
        partition by judged_date, measure, feature
        order by measured_at desc
    ) = 1
)
select
    judged_date,
    measure,
    feature,
    value,
    case measure when 'psi' then value > 0.25 else value < 0.9 end as is_alarming,
    principals,
    measured_at
from newest

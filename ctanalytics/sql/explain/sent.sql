-- What became of an anomaly at each target: the newest word of each.
-- grain:  target
-- reads:  lake.outbox
-- units:  at UTC
-- params: anomaly_id
select
    target,
    outcome,
    reason,
    revision,
    "at"
from lake.outbox
where anomaly_id = $anomaly_id
qualify row_number() over (
    partition by target
    order by "at" desc, revision desc
) = 1
order by target

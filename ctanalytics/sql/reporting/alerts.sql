-- What became of alerts at each target since the span began, by outcome and reason.
-- grain:  target, outcome, reason
-- reads:  deliveries
-- units:  alerts: count; last_at UTC
-- params: since (UTC)
select
    target,
    outcome,
    reason,
    count(*) as alerts,
    max(handled_at) as last_at
from deliveries
where handled_at >= $since
group by target, outcome, reason
order by target, outcome, alerts desc, reason

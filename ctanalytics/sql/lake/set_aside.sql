-- What some plans could not turn into rows, with the place and the reason.
-- grain:  bucket, key, record
-- reads:  lake.quarantine, lake.log_files
-- units:  record: place in the object from 0, null for the whole object
-- params: plans (their ids), limit (rows)
select
    bucket,
    key,
    record,
    reason,
    detail
from lake.quarantine
where plan_id in (select unnest($plans))
union all
select
    bucket,
    key,
    null as record,
    state as reason,
    reason as detail
from lake.log_files
where plan_id in (select unnest($plans))
  and state in ('denied', 'gone', 'changed', 'deferred')
order by bucket, key, record
limit $limit

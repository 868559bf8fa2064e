-- Records and objects in the quarantine by reason, over the whole lake.
-- grain:  reason
-- reads:  quarantined
-- units:  records: single records; objects: set aside whole; size_bytes: of the records
select
    reason,
    count(record) as records,
    count(*) filter (where record is null) as objects,
    cast(sum(coalesce(size_bytes, 0)) as bigint) as size_bytes,
    max(quarantined_at) as last_quarantined
from quarantined
group by reason
order by records desc, objects desc, reason

-- Where the newest things in the quarantine are.
-- grain:  bucket, key, record, plan_id
-- reads:  quarantined
-- units:  record: place in the object from 0, null: the whole object; found: rows in all
-- params: top
select
    reason,
    bucket || '/' || key as place,
    record,
    json_path,
    detail,
    quarantined_at,
    count(*) over () as found
from quarantined
order by quarantined_at desc, place, record, reason, json_path, detail
limit $top

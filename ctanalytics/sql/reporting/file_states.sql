-- Objects by what became of them, over the whole lake.
-- grain:  kind, state, reason
-- reads:  ingest_files
-- units:  objects, records, records_quarantined: counts; size_bytes: as stored; place: the first by
-- name
select
    state,
    reason,
    kind,
    count(*) as objects,
    cast(sum(coalesce(records, 0)) as bigint) as records,
    cast(sum(coalesce(records_quarantined, 0)) as bigint) as records_quarantined,
    cast(sum(coalesce(size_bytes, 0)) as bigint) as size_bytes,
    max(ingested_at) as last_ingested,
    min(bucket || '/' || key) as place
from ingest_files
group by kind, state, reason
order by objects desc, state, reason, kind

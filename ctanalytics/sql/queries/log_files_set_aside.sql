-- Log files that could not be read whole, and why.
-- grain:  state, reason
-- reads:  ingest_files
select
    state,
    reason,
    kind,
    count(*) as files,
    cast(sum(size_bytes) as bigint) as size_bytes,
    min(key) as a_key
from ingest_files
where state not in ('ingested', 'empty')
group by state, reason, kind
order by files desc, state, reason, kind

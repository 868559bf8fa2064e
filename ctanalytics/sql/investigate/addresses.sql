-- The public addresses that the subject called from, for asking who else did.
-- grain:  source_ip_address
-- reads:  subject_events
-- params: rows
select
    source_ip_address,
    count(*) as calls
from subject_events
where source_ip_kind in ('ipv4', 'ipv6')
group by source_ip_address
order by calls desc, source_ip_address
limit $rows

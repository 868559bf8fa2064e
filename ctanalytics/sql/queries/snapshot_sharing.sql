-- Disks, images and databases shared with other accounts, and with which.
-- grain:  account_id, event_id
-- reads:  events
select
    event_time,
    account_id,
    event_name,
    regexp_extract(request_parameters, '"(?:snapshotId|imageId|dBSnapshotIdentifier|dBClusterSnapshotIdentifier)"\s*:\s*"([^"]+)"', 1) as shared,
    nullif(regexp_extract(request_parameters, '"([0-9]{12}|all)"', 1), '') as shared_with,
    coalesce(principal_arn, actor) as principal,
    source_ip_address,
    error_code,
    event_id
from events
where event_name in (
    'ModifySnapshotAttribute', 'ModifyImageAttribute', 'ModifyDBSnapshotAttribute',
    'ModifyDBClusterSnapshotAttribute'
)
order by event_time, event_id

-- Network activity events: calls through a VPC endpoint, as its owner sees them, one row each.
-- grain:  account_id, event_id
-- reads:  events, account_directory
-- units:  event_time UTC; is_denied: the endpoint's policy refused the call
select
    events.event_date,
    events.event_time,
    events.account_id,
    events.aws_region,
    events.event_id,
    events.event_source,
    events.event_name,
    events.vpc_endpoint_id,
    events.vpc_endpoint_account_id,
    events.identity_account_id,
    events.principal_id,
    coalesce(events.principal_arn, events.actor) as principal,
    events.source_ip_address,
    events.error_code,
    events.error_message,
    coalesce(events.error_code = 'VpceAccessDenied', false) as is_denied,
    events.shared_event_id,
    account_directory.account_name,
    account_directory.environment
from events
left join account_directory
    on account_directory.account_id = events.account_id
where events.event_category = 'NetworkActivity'

-- Matches of rules, grouped into alerts by rule, principal, account and a stretch of time.
-- A correlation's match counts as a whole, where its last event is; it has a principal and an
-- account only if all its events share them.
-- grain:  rule, principal, account_id, opened_at
-- reads:  sigma_kept (a registered table of hits)
-- params: group_seconds (length of a stretch, from midnight UTC)
-- units:  matches, events, failed: count; opened_at, started_at, last_at UTC
with units as (
    select
        *,
        case
            when match is null then principal
            when min(principal) over one = max(principal) over one then principal
        end as who,
        case
            when match is null then account_id
            when min(account_id) over one = max(account_id) over one then account_id
        end as account,
        case when match is null then event_time else max(event_time) over one end as unit_at
    from sigma_kept
    where event_time is not null
    window one as (partition by rule, match)
)
select
    rule,
    who as principal,
    account as account_id,
    to_timestamp(floor(epoch(unit_at) / $group_seconds) * $group_seconds) as opened_at,
    case when max(principal_arn) = min(principal_arn) then max(principal_arn) end as principal_arn,
    count(distinct coalesce(cast(match as varchar), concat(account_id, '|', event_id))) as matches,
    count(distinct concat(account_id, '|', event_id)) as events,
    count(distinct case when is_error then concat(account_id, '|', event_id) end) as failed,
    min(event_time) as started_at,
    max(event_time) as last_at,
    list_sort(list_distinct(list(aws_region))) as regions,
    list_sort(list_distinct(list(event_source))) as sources,
    list_sort(list_distinct(list(event_name))) as names,
    list_sort(list_distinct(list(error_code))) as codes,
    list_sort(list_distinct(list(source_ip_address))) as addresses,
    list(event_id order by event_time, event_id) as event_ids
from units
group by rule, who, account, floor(epoch(unit_at) / $group_seconds)
order by started_at, rule, account_id, principal

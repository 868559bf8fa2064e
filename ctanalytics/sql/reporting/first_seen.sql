-- What was seen in a span for the first time since the history before it began: principals, and what
-- accounts had not used before. Accounts without a call before the span are new themselves, and say
-- so once, not by all that they do.
-- grain:  what, account_id, subject
-- reads:  principal_events
-- units:  first_seen UTC; calls: in the span
-- params: since, until (UTC, half-open; the history and the span), new_from (UTC; where the span begins), top
with calls as (
    select
        account_id,
        principal_key,
        principal_key as caller,
        event_source,
        event_name,
        aws_region,
        event_time
    from principal_events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
),
subjects as (
    select
        case
            when grouping(principal_key) = 0 then 'principal'
            when grouping(event_name) = 0 then 'API'
            when grouping(aws_region) = 0 then 'region'
            else 'account'
        end as what,
        account_id,
        coalesce(principal_key, event_source || ' ' || event_name, aws_region, account_id) as subject,
        min(event_time) as first_seen,
        count(*) filter (where event_time >= $new_from) as calls,
        -- Times are of whole seconds: among several, one is always the same.
        min_by(caller, {'event_time': event_time, 'caller': caller}) as first_by
    from calls
    group by grouping sets (
        (account_id, principal_key),
        (account_id, event_source, event_name),
        (account_id, aws_region),
        (account_id)
    )
),
new as (
    select
        what,
        account_id,
        subject,
        first_seen,
        calls,
        first_by
    from subjects
    where first_seen >= $new_from
)
select
    new.what,
    new.account_id,
    new.subject,
    new.first_seen,
    new.calls,
    new.first_by,
    count(*) over () as found
from new
where new.what = 'account'
   or new.account_id not in (select account_id from new where what = 'account')
order by
    case new.what when 'account' then 1 when 'region' then 2 when 'principal' then 3 else 4 end,
    new.first_seen,
    new.account_id,
    new.subject
limit $top

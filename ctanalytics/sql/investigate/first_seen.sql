-- What the subject did that its principal had never done before: a network, program, region, account
-- or API that the principal had not used in the days before, though it was at work already.
-- grain:  principal_arn, kind, value
-- reads:  subject_events, principal_events, account_directory
-- params: principals (list), history_since, history_date (where the days before begin), since, until
-- (UTC, half-open), rows
-- units:  known_days: days from the principal's first event to this one; calls: with the value; times UTC
with known as (
    select
        principal_arn,
        account_id,
        aws_region,
        event_source || ':' || event_name as api,
        network,
        agent,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        count(*) as calls,
        arg_min(event_id, event_time) as event_id
    from principal_events
    where event_date >= $history_date
      and event_date <= $until_date
      and event_time >= $history_since
      and event_time < $until
      and principal_arn in $principals
    group by principal_arn, account_id, aws_region, event_source || ':' || event_name, network, agent
),
began as (
    select
        principal_arn,
        min(first_seen) as began_at
    from known
    group by principal_arn
),
spread as (
    select
        principal_arn,
        unnest(['network', 'program', 'region', 'account', 'API']) as kind,
        unnest([network, agent, aws_region, account_id, api]) as value,
        first_seen,
        last_seen,
        calls,
        event_id
    from known
),
firsts as (
    select
        principal_arn,
        kind,
        value,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        cast(sum(calls) as bigint) as calls,
        arg_min(event_id, first_seen) as event_id
    from spread
    where value is not null
    group by principal_arn, kind, value
)
select
    firsts.kind,
    firsts.value,
    firsts.first_seen,
    firsts.last_seen,
    firsts.calls,
    date_diff('day', began.began_at, firsts.first_seen) as known_days,
    firsts.principal_arn,
    firsts.event_id,
    account_directory.account_name,
    count(*) over () as found
from firsts
inner join began
    on began.principal_arn = firsts.principal_arn
left join account_directory
    on firsts.kind = 'account'
    and account_directory.account_id = firsts.value
where firsts.first_seen >= $since
  and firsts.event_id in (select subject_events.event_id from subject_events)
  and firsts.first_seen >= began.began_at + interval 1 day
order by firsts.first_seen, firsts.kind, firsts.value
limit $rows

-- What each principal did on each day: how much, how widely, when, with which right. The
-- counts of distinct regions, networks and the like come with features/principal_novelty.
-- Days begin shift_hours before midnight UTC, and bear the date of that midnight.
-- grain:  principal_key, event_date
-- reads:  principal_events, marked_days
-- units:  calls, writes, errors, denied_calls, data_calls, ..._calls: calls a day; burst_calls: most
-- calls in 5 minutes (whole 5 minutes of the clock); active_slots: 5-minute spans with a call;
-- api_entropy: bits; hours: bit h is set when there was a call in hour h UTC; is_marked: the day is no measure of what is normal;
-- is_confirmed: it was an incident
-- params: since, until, shift_hours, guard_apis, secret_apis, sharing_apis (UTC, half-open; 0 to 23;
-- lists of event source:event name)
with slots as (
    select
        principal_key,
        event_date,
        max(slot_calls) as burst_calls,
        count(*) as active_slots
    from (
        select
            principal_key,
            cast(event_time + to_hours($shift_hours) as date) as event_date,
            floor(epoch(event_time) / 300) as slot,
            count(*) as slot_calls
        from principal_events
        where event_date >= $since_date
          and event_date <= $until_date
          and event_time >= $since
          and event_time < $until
        group by
            principal_key,
            cast(event_time + to_hours($shift_hours) as date),
            floor(epoch(event_time) / 300)
    ) as counted
    group by principal_key, event_date
),
-- One row an API and day: far fewer than calls, and all that the sums below need.
apis as (
    select
        principal_key,
        cast(event_time + to_hours($shift_hours) as date) as event_date,
        event_source,
        event_name,
        max(history_key) as history_key,
        max(peer_class) as peer_class,
        max(principal_arn) as principal_arn,
        min(account_id) as account_id,
        max(event_dow) as event_dow,
        bool_and(is_write) as is_write,
        count(*) as calls,
        count(*) filter (where is_write) as writes,
        count(*) filter (where is_data) as data_calls,
        count(*) filter (where is_console) as console_calls,
        count(*) filter (where error_class in ('denied', 'other')) as errors,
        count(*) filter (where error_class = 'denied') as denied_calls,
        count(*) filter (where event_name = 'ConsoleLogin') as sign_ins,
        count(*) filter (where is_sign_in_without_mfa) as sign_ins_without_mfa,
        count(*) filter (where assumed_role_arn is not null) as assume_role_calls,
        count(*) filter (where identity_account_id <> account_id) as cross_account_calls,
        bit_or(1 << cast(event_hour as integer)) as hours
    from principal_events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
    group by
        principal_key,
        cast(event_time + to_hours($shift_hours) as date),
        event_source,
        event_name
),
tagged as (
    select
        *,
        event_source || ':' || event_name in (select unnest($guard_apis)) as is_guard,
        event_source || ':' || event_name in (select unnest($secret_apis)) as is_secret,
        event_source || ':' || event_name in (select unnest($sharing_apis)) as is_sharing,
        is_write and event_source = 'iam.amazonaws.com' as is_iam_write,
        is_write and regexp_matches(event_name, '^(Delete|Terminate|BatchDelete|Purge|ScheduleKeyDeletion)') as is_delete
    from apis
),
sums as (
    select
        principal_key,
        event_date,
        max(history_key) as history_key,
        max(peer_class) as peer_class,
        max(principal_arn) as principal_arn,
        min(account_id) as account_id,
        max(event_dow) as event_dow,
        sum(calls) as calls,
        sum(writes) as writes,
        sum(data_calls) as data_calls,
        sum(console_calls) as console_calls,
        sum(errors) as errors,
        sum(denied_calls) as denied_calls,
        count(*) as apis,
        count(*) filter (where not is_write) as read_apis,
        -- In millionths of a bit: whole numbers add up to the same sum in any order.
        sum(cast(round(calls * log2(calls) * 1000000) as bigint)) as calls_log2_calls,
        sum(sign_ins) as sign_ins,
        sum(sign_ins_without_mfa) as sign_ins_without_mfa,
        sum(assume_role_calls) as assume_role_calls,
        sum(cross_account_calls) as cross_account_calls,
        sum(case when is_guard then calls else 0 end) as guard_calls,
        sum(case when is_secret then calls else 0 end) as secret_calls,
        sum(case when is_sharing then calls else 0 end) as sharing_calls,
        sum(case when is_iam_write then calls else 0 end) as iam_write_calls,
        sum(case when is_delete then calls else 0 end) as delete_calls,
        bit_or(hours) as hours
    from tagged
    group by principal_key, event_date
)
select
    sums.principal_key,
    sums.event_date,
    sums.history_key,
    sums.peer_class,
    sums.principal_arn,
    sums.account_id,
    sums.event_dow,
    cast(sums.calls as bigint) as calls,
    cast(sums.writes as bigint) as writes,
    slots.burst_calls,
    slots.active_slots,
    cast(sums.data_calls as bigint) as data_calls,
    cast(sums.console_calls as bigint) as console_calls,
    cast(sums.errors as bigint) as errors,
    cast(sums.denied_calls as bigint) as denied_calls,
    sums.apis,
    sums.read_apis,
    round(
        log2(cast(sums.calls as double))
        - cast(sums.calls_log2_calls as double) / 1000000 / cast(sums.calls as double),
        6
    ) as api_entropy,
    cast(sums.sign_ins as bigint) as sign_ins,
    cast(sums.sign_ins_without_mfa as bigint) as sign_ins_without_mfa,
    cast(sums.assume_role_calls as bigint) as assume_role_calls,
    cast(sums.cross_account_calls as bigint) as cross_account_calls,
    cast(sums.guard_calls as bigint) as guard_calls,
    cast(sums.secret_calls as bigint) as secret_calls,
    cast(sums.sharing_calls as bigint) as sharing_calls,
    cast(sums.iam_write_calls as bigint) as iam_write_calls,
    cast(sums.delete_calls as bigint) as delete_calls,
    sums.hours,
    marked_days.event_date is not null as is_marked,
    coalesce(marked_days.is_confirmed, false) as is_confirmed
from sums
inner join slots
    on slots.principal_key = sums.principal_key
   and slots.event_date = sums.event_date
left join marked_days
    on marked_days.principal_key = sums.principal_key
   and marked_days.event_date = sums.event_date
order by sums.event_date, sums.principal_key

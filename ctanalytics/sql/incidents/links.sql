-- What anomalies share within time: each with the first of those that it hangs together with.
-- Of what has the same key, a chain of anomalies hangs together while the next begins before the
-- gap after the latest end has passed. An API or an error alone links no matches of rules, which tell
-- who acted, and nothing that is worth no more than a note.
-- grain:  link, key, number
-- reads:  incident_anomalies (registered: number, anomaly_id, started_at, ended_at, account_id,
-- event_source, event_name, error_code, kind, severity, group_id, incident_id), incident_traits (registered:
-- anomaly_id, trait, value)
-- units:  number, leader: places of anomalies; link: principal, access_key, person, network, api,
-- api_in_accounts, error, role_name, invoked_by, group, incident
-- params: near (interval), actor (interval), accounts (least count)
with traits as (
    select
        incident_anomalies.number,
        incident_anomalies.started_at,
        incident_anomalies.ended_at,
        incident_anomalies.account_id,
        incident_traits.trait,
        incident_traits.value,
        -- Permission sets are shared by people: where the person is known, the role says nothing.
        bool_or(incident_traits.trait = 'person') over (
            partition by incident_anomalies.number
        ) as has_person
    from incident_anomalies
    inner join incident_traits
        on incident_traits.anomaly_id = incident_anomalies.anomaly_id
),
keys as (
    select number, started_at, ended_at, account_id, trait as link, value as key, $actor as gap, 1 as least
    from traits
    where trait in ('principal', 'access_key', 'person')
      and not (
          trait = 'principal'
          and has_person
          and contains(value, ':role/aws-reserved/sso.amazonaws.com/')
      )
    union all
    select number, started_at, ended_at, account_id, trait as link, value as key, $near as gap, 1 as least
    from traits
    where trait in ('network', 'role_name', 'invoked_by')
      and not (trait = 'role_name' and has_person and starts_with(value, 'AWSReservedSSO_'))
    union all
    select
        number,
        started_at,
        ended_at,
        account_id,
        'api' as link,
        concat_ws('|', account_id, event_source, event_name) as key,
        $near as gap,
        1 as least
    from incident_anomalies
    where event_source is not null
      and event_name is not null
      and kind <> 'rule'
      and severity <> 'info'
    union all
    select
        number,
        started_at,
        ended_at,
        account_id,
        'api_in_accounts' as link,
        concat_ws('|', event_source, event_name) as key,
        $near as gap,
        $accounts as least
    from incident_anomalies
    where event_source is not null
      and event_name is not null
      and severity <> 'info'
    union all
    select
        number,
        started_at,
        ended_at,
        account_id,
        'error' as link,
        concat_ws('|', account_id, event_source, error_code) as key,
        $near as gap,
        1 as least
    from incident_anomalies
    where event_source is not null
      and error_code is not null
      and kind <> 'rule'
      and severity <> 'info'
    union all
    select number, started_at, ended_at, account_id, 'group' as link, group_id as key, $actor as gap, 1 as least
    from incident_anomalies
    where group_id is not null
    union all
    -- What was told as one incident stays one.
    select
        number,
        started_at,
        ended_at,
        account_id,
        'incident' as link,
        incident_id as key,
        interval 36500 days as gap,
        1 as least
    from incident_anomalies
    where incident_id is not null
),
reached as (
    select
        *,
        max(ended_at) over (
            partition by link, key
            order by started_at, number
            rows between unbounded preceding and 1 preceding
        ) as known_until
    from keys
),
chains as (
    select
        *,
        sum(case when known_until is null or started_at > known_until + gap then 1 else 0 end) over (
            partition by link, key
            order by started_at, number
            rows between unbounded preceding and current row
        ) as chain
    from reached
),
led as (
    select
        link,
        key,
        number,
        least,
        first_value(number) over (
            partition by link, key, chain
            order by started_at, number
        ) as leader,
        count(*) over (partition by link, key, chain) as anomalies,
        account_id,
        chain
    from chains
),
places as (
    select
        link,
        key,
        chain,
        count(distinct account_id) as accounts
    from led
    group by link, key, chain
)
select
    led.link,
    led.key,
    led.number,
    led.leader
from led
inner join places
    on places.link = led.link
   and places.key = led.key
   and places.chain = led.chain
where led.anomalies > 1
  and places.accounts >= led.least
order by led.link, led.key, led.number

-- What anomalies share within time: each with the first of those that it hangs together with.
-- Of what has the same key, a chain of anomalies hangs together while the next begins before the
-- gap after the latest end has passed. An API or an error alone links no matches of rules in one
-- account, which tell who acted, and nothing that is worth no more than a note. What is not far
-- reaching links by who did it alone, in one account.
-- grain:  link, key, number
-- reads:  incident_anomalies (registered: number, anomaly_id, started_at, ended_at, account_id,
-- event_source, event_name, error_code, kind, severity, is_far_reaching, group_id, incident_id),
-- incident_traits (registered: anomaly_id, trait, value)
-- units:  number, leader: places of anomalies; link: principal, access_key, person, network, api,
-- api_in_accounts, error, role_name, invoked_by, group, incident; a person's key in one account has
-- the account before it
-- params: near (interval), actor (interval), accounts (least count)
with traits as (
    select
        incident_anomalies.number,
        incident_anomalies.account_id,
        incident_anomalies.is_far_reaching,
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
worthy as (
    select
        number,
        account_id,
        event_source,
        event_name,
        error_code,
        kind
    from incident_anomalies
    where event_source is not null
      and severity <> 'info'
      and is_far_reaching
),
shared as (
    select
        number,
        trait as link,
        value as key
    from traits
    where trait = 'access_key'
       or (
           trait = 'principal'
           and not (has_person and contains(value, ':role/aws-reserved/sso.amazonaws.com/'))
       )
    union all
    select
        number,
        'person' as link,
        concat_ws('|', account_id, value) as key
    from traits
    where trait = 'person'
    union all
    select
        number,
        trait as link,
        value as key
    from traits
    where is_far_reaching
      and (
          trait in ('person', 'network', 'invoked_by')
          or (trait = 'role_name' and not (has_person and starts_with(value, 'AWSReservedSSO_')))
      )
    union all
    select
        number,
        'api' as link,
        concat_ws('|', account_id, event_source, event_name) as key
    from worthy
    where event_name is not null
      and kind <> 'rule'
    union all
    select
        number,
        'error' as link,
        concat_ws('|', account_id, event_source, error_code) as key
    from worthy
    where error_code is not null
      and kind <> 'rule'
    union all
    select
        number,
        'api_in_accounts' as link,
        concat_ws('|', event_source, event_name) as key
    from worthy
    where event_name is not null
    union all
    select
        number,
        'group' as link,
        group_id as key
    from incident_anomalies
    where group_id is not null
    union all
    select
        number,
        'incident' as link,
        incident_id as key
    from incident_anomalies
    where incident_id is not null
),
keys as (
    select
        shared.link,
        shared.key,
        shared.number,
        incident_anomalies.started_at,
        incident_anomalies.ended_at,
        incident_anomalies.account_id,
        case
            when shared.link = 'incident' then interval 36500 days  -- what is one stays one
            when shared.link in ('principal', 'access_key', 'person', 'group') then $actor
            else $near
        end as gap
    from shared
    inner join incident_anomalies
        on incident_anomalies.number = shared.number
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
chained as (
    select
        *,
        sum(case when known_until is null or started_at > known_until + gap then 1 else 0 end) over (
            partition by link, key
            order by started_at, number
            rows between unbounded preceding and current row
        ) as chain
    from reached
),
chains as (
    select
        link,
        key,
        chain,
        min(struct_pack(started_at := started_at, number := number)).number as leader
    from chained
    group by link, key, chain
    having count(*) > 1
       and (link <> 'api_in_accounts' or count(distinct account_id) >= $accounts)
)
select
    chained.link,
    chained.key,
    chained.number,
    chains.leader
from chained
inner join chains
    on chains.link = chained.link
   and chains.key = chained.key
   and chains.chain = chained.chain
order by chained.link, chained.key, chained.number

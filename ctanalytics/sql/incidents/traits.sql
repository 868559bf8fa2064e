-- What the evidence events of anomalies have in common. Who and where: what at least half of the
-- events share. A role of many accounts goes by its name without the part that differs.
-- grain:  anomaly_id, trait, value
-- reads:  credential_events, role_chains, error_classes, sensitive_apis,
-- incident_evidence (registered: anomaly_id, event_id)
-- units:  calls, of_calls: evidence events that have the trait, and that were found; traits as in
-- records.incidents
-- params: since, until (UTC, half-open)
with found as (
    select
        incident_evidence.anomaly_id,
        credential_events.event_source || ':' || credential_events.event_name as api,
        credential_events.principal_arn,
        case
            when credential_events.principal_type = 'role' then regexp_replace(
                regexp_replace(
                    regexp_extract(credential_events.principal_arn, '([^/]+)$', 1),
                    '^(AWSReservedSSO_.*)_[0-9a-f]{16}$',
                    '\1'
                ),
                '^(stacksets-exec)-.*$',
                '\1'
            )
        end as role_name,
        credential_events.access_key_id,
        case
            when regexp_matches(credential_events.source_ip_address, '^[0-9]+([.][0-9]+){3}$')
                then regexp_extract(
                    credential_events.source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0
                ) || '.0/24'
            when regexp_matches(credential_events.source_ip_address, '^[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:')
                then lower(
                    regexp_extract(
                        credential_events.source_ip_address, '^[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+', 0
                    )
                ) || '::/48'
        end as network,
        credential_events.invoked_by,
        case
            when coalesce(role_chains.root_from, 'service') not in ('service', 'account')
                then role_chains.root_principal
            when coalesce(credential_events.root_from, 'service') not in ('service', 'account')
                then credential_events.root_principal
        end as person,
        coalesce(error_classes.error_class = 'denied', false) as is_denied,
        credential_events.is_error,
        not coalesce(credential_events.read_only, true) as is_write,
        sensitive_apis.sensitivity
    from credential_events
    inner join incident_evidence
        on incident_evidence.event_id = credential_events.event_id
    left join role_chains
        on role_chains.session_id = credential_events.session_id
    left join error_classes
        on error_classes.error_code = credential_events.error_code
    left join sensitive_apis
        on sensitive_apis.event_source = credential_events.event_source
       and sensitive_apis.event_name = credential_events.event_name
    where credential_events.event_date >= $since_date
      and credential_events.event_date <= $until_date
      and credential_events.event_time >= $since
      and credential_events.event_time < $until
),
totals as (
    select
        anomaly_id,
        count(*) as of_calls
    from found
    group by anomaly_id
),
named as (
    select anomaly_id, 'principal' as trait, principal_arn as value, true as is_shared from found
    union all
    select anomaly_id, 'role_name' as trait, role_name as value, true as is_shared from found
    union all
    select anomaly_id, 'access_key' as trait, access_key_id as value, true as is_shared from found
    union all
    select anomaly_id, 'network' as trait, network as value, true as is_shared from found
    union all
    select anomaly_id, 'invoked_by' as trait, invoked_by as value, true as is_shared from found
    union all
    select anomaly_id, 'person' as trait, person as value, true as is_shared from found
    union all
    select anomaly_id, 'api' as trait, api as value, false as is_shared from found
    union all
    select anomaly_id, 'sensitive' as trait, sensitivity || ' ' || api as value, false as is_shared
    from found
    where not is_error
    union all
    select anomaly_id, 'denied' as trait, '' as value, false as is_shared from found where is_denied
    union all
    select anomaly_id, 'write' as trait, '' as value, false as is_shared
    from found
    where is_write
      and not is_error
    union all
    select anomaly_id, 'read' as trait, '' as value, false as is_shared from found
),
counted as (
    select
        anomaly_id,
        trait,
        value,
        is_shared,
        count(*) as calls
    from named
    where value is not null
    group by anomaly_id, trait, value, is_shared
)
select
    counted.anomaly_id,
    counted.trait,
    counted.value,
    counted.calls,
    totals.of_calls
from counted
inner join totals
    on totals.anomaly_id = counted.anomaly_id
where not counted.is_shared
   or 2 * counted.calls >= totals.of_calls
order by counted.anomaly_id, counted.trait, counted.calls desc, counted.value

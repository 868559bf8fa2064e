-- What the evidence events of anomalies have in common. Who and where: what at least half of the
-- events share. A role of many accounts goes by its name without the part that differs.
-- grain:  anomaly_id, trait, value
-- reads:  credential_events, role_chains, error_classes, sensitive_apis,
-- incident_evidence (registered: anomaly_id, event_id)
-- units:  calls, of_calls: evidence events that have the trait, and that were found; traits as in
-- records.incidents
-- params: since, until (UTC, half-open)
with calls as (
    select
        incident_evidence.anomaly_id,
        credential_events.event_source || ':' || credential_events.event_name as api,
        credential_events.principal_type,
        credential_events.principal_arn,
        regexp_extract(credential_events.principal_arn, '([^/]+)$', 1) as name,
        credential_events.access_key_id,
        credential_events.source_ip_address,
        credential_events.invoked_by,
        credential_events.is_error,
        not coalesce(credential_events.read_only, true) as is_write,
        coalesce(role_chains.root_from, 'service') not in ('service', 'account') as has_head,
        role_chains.root_principal as head,
        coalesce(credential_events.root_from, 'service') not in ('service', 'account') as has_own,
        credential_events.root_principal as own,
        coalesce(error_classes.error_class = 'denied', false) as is_denied,
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
found as (
    select
        anomaly_id,
        principal_arn as principal,
        case
            when principal_type = 'role' then regexp_replace(
                regexp_replace(name, '^(AWSReservedSSO_.*)_[0-9a-f]{16}$', '\1'),
                '^(stacksets-exec)-.*$',
                '\1'
            )
        end as role_name,
        access_key_id as access_key,
        case
            when regexp_matches(source_ip_address, '^[0-9]+([.][0-9]+){3}$')
                then regexp_extract(source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0) || '.0/24'
            when regexp_matches(source_ip_address, '^[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:')
                then lower(
                    regexp_extract(source_ip_address, '^[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+', 0)
                ) || '::/48'
        end as network,
        invoked_by,
        case
            when has_head then head
            when has_own then own
        end as person,
        api,
        case when not is_error then sensitivity || ' ' || api end as sensitive,
        case when is_denied then '' end as denied,
        case when is_write and not is_error then '' end as write,
        '' as read
    from calls
),
traits as (
    unpivot found
    on principal, role_name, access_key, network, invoked_by, person, api, sensitive, denied, write,
    read
    into name trait value value
),
counted as (
    select
        anomaly_id,
        trait,
        value,
        count(*) as calls
    from traits
    group by anomaly_id, trait, value
),
totals as (
    select
        anomaly_id,
        calls as of_calls
    from counted
    where trait = 'read'
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
where counted.trait in ('api', 'sensitive', 'denied', 'write', 'read')
   or 2 * counted.calls >= totals.of_calls
order by counted.anomaly_id, counted.trait, counted.calls desc, counted.value

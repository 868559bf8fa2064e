-- Events as OCSF API Activity (class 6003), schema version 1.1.0 with the cloud profile, one row each.
-- What the class has no place for stands in `unmapped` under CloudTrail's own names.
-- grain:  account_id, event_id (cloud.account.uid, metadata.uid)
-- reads:  events
-- units:  time: milliseconds since 1970; status_id: 1 success, 2 failure; activity_id: 1 create,
-- 2 read, 3 update, 4 delete, 99 other; event_date, event_time: not of OCSF, to bound what is read
with named as (
    select
        *,
        case
            when read_only then 2
            when regexp_matches(event_name, '^(Create|Run|Allocate|Register|Import|Copy|Issue)') then 1
            when regexp_matches(event_name, '^(Get|List|Describe|Head|BatchGet|Lookup|Search)') then 2
            when regexp_matches(
                event_name,
                '^(Update|Modify|Put|Set|Attach|Detach|Associate|Disassociate|Enable|Disable|Add|Remove|Change|Authorize|Revoke|Tag|Untag|Replace|Reset)'
            ) then 3
            when regexp_matches(event_name, '^(Delete|Terminate|Deregister|Release|BatchDelete)') then 4
            else 99
        end as activity_id
    from events
)
select
    event_date,
    event_time,
    6003 as class_uid,
    'API Activity' as class_name,
    6 as category_uid,
    'Application Activity' as category_name,
    activity_id,
    case activity_id
        when 1 then 'Create'
        when 2 then 'Read'
        when 3 then 'Update'
        when 4 then 'Delete'
        else 'Other'
    end as activity_name,
    600300 + activity_id as type_uid,
    'API Activity: ' || case activity_id
        when 1 then 'Create'
        when 2 then 'Read'
        when 3 then 'Update'
        when 4 then 'Delete'
        else 'Other'
    end as type_name,
    cast(round(epoch(event_time) * 1000) as bigint) as time,
    1 as severity_id,
    'Informational' as severity,
    case when is_error then 2 else 1 end as status_id,
    case when is_error then 'Failure' else 'Success' end as status,
    error_code as status_code,
    error_message as status_detail,
    struct_pack(
        version := '1.1.0',
        uid := event_id,
        event_code := event_type,
        log_version := event_version,
        profiles := ['cloud'],
        product := struct_pack(
            name := 'CloudTrail',
            vendor_name := 'AWS',
            feature := struct_pack(name := event_category)
        )
    ) as metadata,
    struct_pack(
        provider := 'AWS',
        region := aws_region,
        account := struct_pack(uid := account_id)
    ) as cloud,
    struct_pack(
        "user" := struct_pack(
            type := identity_type,
            name := coalesce(user_name, session_issuer_user_name),
            uid := coalesce(identity_arn, principal_id),
            uid_alt := principal_id,
            account := struct_pack(uid := identity_account_id),
            credential_uid := coalesce(access_key_id, credential_id)
        ),
        session := struct_pack(
            uid := session_name,
            issuer := session_issuer_arn,
            created_time := cast(round(epoch(session_creation_time) * 1000) as bigint),
            is_mfa := mfa_authenticated
        ),
        invoked_by := invoked_by,
        idp := struct_pack(name := identity_provider)
    ) as actor,
    struct_pack(
        operation := event_name,
        version := api_version,
        service := struct_pack(name := event_source),
        request := struct_pack(uid := request_id),
        response := struct_pack(error := error_code, message := error_message)
    ) as api,
    struct_pack(
        ip := case when source_ip_kind in ('ipv4', 'ipv6') then source_ip_address end,
        domain := case when source_ip_kind not in ('ipv4', 'ipv6') then source_ip_address end,
        uid := vpc_endpoint_id
    ) as src_endpoint,
    struct_pack(user_agent := user_agent) as http_request,
    resource_arns,
    struct_pack(
        "requestParameters" := request_parameters,
        "responseElements" := response_elements,
        "additionalEventData" := additional_event_data,
        "resources" := resources,
        "readOnly" := read_only,
        "managementEvent" := management_event,
        "sharedEventID" := shared_event_id,
        "tlsVersion" := tls_version,
        "tlsCipherSuite" := tls_cipher_suite,
        "sourceIdentity" := source_identity
    ) as unmapped
from named

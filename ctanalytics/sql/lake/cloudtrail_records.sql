-- Events as the JSON records that CloudTrail delivers, made from their columns again. What is
-- absent and what is null look alike, so neither is written; keys come in the order of the guide.
-- grain:  one record
-- reads:  chosen (rows of events)
-- units:  record: JSON text
select
    account_id,
    aws_region,
    event_time,
    '{' || concat_ws(
        ',',
        '"eventVersion":' || to_json(event_version),
        '"userIdentity":' || user_identity,
        '"eventTime":"' || strftime(
            event_time,
            case
                when date_trunc('second', event_time) = event_time then '%Y-%m-%dT%H:%M:%SZ'
                else '%Y-%m-%dT%H:%M:%S.%fZ'
            end
        ) || '"',
        '"eventSource":' || to_json(event_source),
        '"eventName":' || to_json(event_name),
        '"awsRegion":' || to_json(aws_region),
        '"sourceIPAddress":' || to_json(source_ip_address),
        '"userAgent":' || to_json(user_agent),
        '"errorCode":' || to_json(error_code),
        '"errorMessage":' || to_json(error_message),
        '"requestParameters":' || request_parameters,
        '"responseElements":' || response_elements,
        '"additionalEventData":' || additional_event_data,
        '"requestID":' || to_json(request_id),
        '"eventID":' || to_json(event_id),
        '"readOnly":' || cast(read_only as varchar),
        '"resources":' || resources,
        '"eventType":' || to_json(event_type),
        '"apiVersion":' || to_json(api_version),
        '"managementEvent":' || cast(management_event as varchar),
        '"recipientAccountId":' || to_json(recipient_account_id),
        '"serviceEventDetails":' || service_event_details,
        '"sharedEventID":' || to_json(shared_event_id),
        '"vpcEndpointId":' || to_json(vpc_endpoint_id),
        '"vpcEndpointAccountId":' || to_json(vpc_endpoint_account_id),
        '"eventCategory":' || to_json(event_category),
        '"addendum":' || addendum,
        '"sessionCredentialFromConsole":"' || cast(session_credential_from_console as varchar) || '"',
        '"eventContext":' || event_context,
        '"edgeDeviceDetails":' || edge_device_details,
        case
            when coalesce(
                tls_version,
                tls_cipher_suite,
                tls_client_provided_host_header,
                tls_key_exchange
            ) is not null
            then '"tlsDetails":{' || concat_ws(
                ',',
                '"tlsVersion":' || to_json(tls_version),
                '"cipherSuite":' || to_json(tls_cipher_suite),
                '"clientProvidedHostHeader":' || to_json(tls_client_provided_host_header),
                '"keyExchange":' || to_json(tls_key_exchange)
            ) || '}'
        end,
        nullif(substr(unknown_fields, 2, length(unknown_fields) - 2), '')
    ) || '}' as record
from chosen

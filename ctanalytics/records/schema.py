"""Columns of the lake's tables: every documented CloudTrail field, and what we derive.

Source: AWS CloudTrail User Guide, "CloudTrail record contents for management, data, and network
activity events", "CloudTrail userIdentity element", "Insights events for trails", "aggregated
events". Free-form objects are kept as the record's own JSON text, byte for byte.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import pyarrow as pa

TIMESTAMP: Final = pa.timestamp("us", "UTC")
TEXT: Final = pa.string()
BOOL: Final = pa.bool_()

UNDATED: Final = dt.date(1970, 1, 1)
"""event_date of rows whose event_time is missing or not believable."""

STRING_FIELDS: Final = {
    "eventVersion": "event_version",
    "eventSource": "event_source",
    "eventName": "event_name",
    "awsRegion": "aws_region",
    "sourceIPAddress": "source_ip_address",
    "userAgent": "user_agent",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "requestID": "request_id",
    "eventID": "event_id",
    "eventType": "event_type",
    "apiVersion": "api_version",
    "recipientAccountId": "recipient_account_id",
    "sharedEventID": "shared_event_id",
    "vpcEndpointId": "vpc_endpoint_id",
    "vpcEndpointAccountId": "vpc_endpoint_account_id",
    "eventCategory": "event_category",
}
BOOL_FIELDS: Final = {
    "readOnly": "read_only",
    "managementEvent": "management_event",
    "sessionCredentialFromConsole": "session_credential_from_console",
}
JSON_FIELDS: Final = {
    "requestParameters": "request_parameters",
    "responseElements": "response_elements",
    "additionalEventData": "additional_event_data",
    "resources": "resources",
    "serviceEventDetails": "service_event_details",
    "addendum": "addendum",
    "eventContext": "event_context",
    "edgeDeviceDetails": "edge_device_details",
}

IDENTITY_COLUMNS: Final = {
    "identity_type": TEXT,
    "principal_id": TEXT,
    "identity_arn": TEXT,
    "identity_account_id": TEXT,
    "access_key_id": TEXT,
    "user_name": TEXT,
    "invoked_by": TEXT,
    "invoked_by_delegate_account_id": TEXT,
    "identity_provider": TEXT,
    "on_behalf_of_user_id": TEXT,
    "on_behalf_of_identity_store_arn": TEXT,
    "credential_id": TEXT,
    "in_scope_of_source_arn": TEXT,
    "in_scope_of_credentials_issued_to": TEXT,
    "session_issuer_type": TEXT,
    "session_issuer_arn": TEXT,
    "session_issuer_user_name": TEXT,
    "session_issuer_account_id": TEXT,
    "session_creation_time": TIMESTAMP,
    "mfa_authenticated": BOOL,
    "source_identity": TEXT,
    "ec2_role_delivery": TEXT,
    "assumed_root": BOOL,
    "federated_provider": TEXT,
    "session_name": TEXT,
    "principal_arn": TEXT,  # role sessions as the role's ARN, without the session name
    "principal_type": TEXT,  # user, role, root, federated, service, account, identity_center, unknown
    "actor": TEXT,  # who acted, as near to a human or workload as this one record tells
    "actor_from": TEXT,  # which field told it
}
"""Columns read from userIdentity, and what they make together; see `records.identity`."""

TLS_COLUMNS: Final = (
    "tls_version",
    "tls_cipher_suite",
    "tls_client_provided_host_header",
    "tls_key_exchange",
)

EVENTS: Final = pa.schema(
    [
        # what happened, when and where
        pa.field("event_time", TIMESTAMP),
        pa.field("event_time_status", TEXT),  # ok, missing, future, past
        pa.field("event_hour", pa.int8()),  # 0..23 UTC; null when the time is not ok
        pa.field("event_dow", pa.int8()),  # ISO: 1 Monday .. 7 Sunday
        pa.field("account_id", TEXT),  # recipient account, else the path's, else the caller's
        *(pa.field(column, TEXT) for column in STRING_FIELDS.values()),
        *(pa.field(column, BOOL) for column in BOOL_FIELDS.values()),
        pa.field("is_error", BOOL),  # also a failed ConsoleLogin, which has no errorCode
        pa.field("source_ip_kind", TEXT),  # ipv4, ipv6, service, aws_internal, other
        *(pa.field(column, TEXT) for column in JSON_FIELDS.values()),
        pa.field("addendum_reason", TEXT),
        pa.field("resource_arns", pa.list_(TEXT)),
        *(pa.field(column, TEXT) for column in TLS_COLUMNS),
        # who
        pa.field("user_identity", TEXT),
        *(pa.field(column, kind) for column, kind in IDENTITY_COLUMNS.items()),
        # what no column above holds
        pa.field("unknown_fields", TEXT),  # JSON object of top-level keys that we don't know
        # hex, of the record as it came; only where it has no eventID or something is hidden
        pa.field("record_sha256", TEXT),
        pa.field("masked_paths", TEXT),  # what is masked or hashed: paths, separated by commas
        # where the row came from
        pa.field("source_object", TEXT),
        pa.field("source_row", pa.int32()),  # place in the object, from 0
        pa.field("plan_id", pa.int64()),
        pa.field("event_date", pa.date32()),  # partition; 1970-01-01 when the time is not ok
    ]
)
"""Table `events`: management, data and network activity records. Grain: account, event id."""

INSIGHTS: Final = pa.schema(
    [
        pa.field("event_time", TIMESTAMP),
        pa.field("event_id", TEXT),
        pa.field("shared_event_id", TEXT),
        pa.field("account_id", TEXT),
        pa.field("aws_region", TEXT),
        pa.field("event_version", TEXT),
        pa.field("state", TEXT),  # Start or End
        pa.field("insight_type", TEXT),
        pa.field("event_source", TEXT),
        pa.field("event_name", TEXT),
        pa.field("error_code", TEXT),
        pa.field("source_event_category", TEXT),
        pa.field("baseline_average", pa.float64()),  # calls per minute
        pa.field("insight_average", pa.float64()),  # calls per minute
        pa.field("insight_duration", pa.int64()),  # minutes
        pa.field("baseline_duration", pa.int64()),  # minutes
        pa.field("insight_details", TEXT),
        pa.field("record", TEXT),  # the whole record as JSON text
        pa.field("source_object", TEXT),
        pa.field("source_row", pa.int32()),
        pa.field("plan_id", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)
"""Table `aws_insights`: the Insights events that AWS itself delivered."""

AGGREGATED: Final = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),
        pa.field("window_end", TIMESTAMP),
        pa.field("event_id", TEXT),
        pa.field("account_id", TEXT),
        pa.field("aws_region", TEXT),
        pa.field("event_source", TEXT),
        pa.field("event_category", TEXT),
        pa.field("summary", TEXT),
        pa.field("record", TEXT),
        pa.field("source_object", TEXT),
        pa.field("source_row", pa.int32()),
        pa.field("plan_id", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)
"""Table `aggregated_events`: data events that AWS rolled up; they overlap `events`."""

CONFLICTS: Final = EVENTS
"""Table `event_conflicts`: a later copy under a known key whose content differs."""

LOG_FILES: Final = pa.schema(
    [
        pa.field("bucket", TEXT),  # S3 bucket, or "file" for a local path
        pa.field("key", TEXT),
        pa.field("version_id", TEXT),
        pa.field("etag", TEXT),  # for a local file its size and mtime in nanoseconds
        pa.field("size_bytes", pa.int64()),
        pa.field("last_modified", TIMESTAMP),
        pa.field("storage_class", TEXT),
        pa.field("kind", TEXT),  # as records.object_key, or what the content told
        pa.field("account_id", TEXT),
        pa.field("aws_region", TEXT),
        pa.field("delivery_date", pa.date32()),
        pa.field("delivered_at", TIMESTAMP),  # the minute in the file's name
        pa.field("state", TEXT),
        pa.field("reason", TEXT),
        pa.field("records", pa.int64()),  # records found in the object
        pa.field("records_quarantined", pa.int64()),
        pa.field("records_filtered", pa.int64()),  # left out by a rule of the settings
        pa.field("first_event_time", TIMESTAMP),  # of the rows in events or config_items
        pa.field("last_event_time", TIMESTAMP),
        pa.field("bytes_decompressed", pa.int64()),
        pa.field("sha256", TEXT),  # of the uncompressed content, as digest files have it
        pa.field("settings_hash", TEXT),
        pa.field("plan_id", pa.int64()),
        pa.field("ingested_at", TIMESTAMP),
    ]
)
"""Table `log_files`, the ledger: one row per object and content that was looked at.

`state`: ingested (all records are rows), partial (some records are set aside), quarantined (the
object is set aside whole), empty (no records), skipped (a digest, Config or marker object:
recorded, not rows), denied, gone, changed (another ETag came back), deferred, archived.
"""

DUPLICATES: Final = pa.schema(
    [
        pa.field("source_object", TEXT),  # whose records were there already
        pa.field("first_object", TEXT),  # whose rows are the ones that count
        pa.field("day", pa.date32()),  # of the events, UTC
        pa.field("records", pa.int64()),
        pa.field("management_records", pa.int64()),  # of these: management events
        pa.field("plan_id", pa.int64()),
    ]
)
"""Table `duplicates`: how many records of an object another object had brought before."""

QUARANTINE: Final = pa.schema(
    [
        pa.field("bucket", TEXT),
        pa.field("key", TEXT),
        pa.field("record", pa.int64()),  # place in the object from 0; null: the whole object
        pa.field("json_path", TEXT),
        pa.field("reason", TEXT),  # one of a short list, see lake.quarantine
        pa.field("detail", TEXT),
        pa.field("content", pa.binary()),  # the record's bytes; null for a whole object
        pa.field("plan_id", pa.int64()),
        pa.field("quarantined_at", TIMESTAMP),
    ]
)
"""Table `quarantine`: what could not become rows, where it is, and why."""

"""The columns that every peer makes of a record: fewer than ours, the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TEXTS = (
    "eventVersion",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestID",
    "eventID",
    "eventType",
    "eventCategory",
    "apiVersion",
    "recipientAccountId",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "sessionCredentialFromConsole",
)
FLAGS = ("readOnly", "managementEvent")
OBJECTS = (
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
    "serviceEventDetails",
    "addendum",
    "eventContext",
    "userIdentity",
)
TLS = ("tlsVersion", "cipherSuite", "clientProvidedHostHeader")

RECORD: dict[str, Any] = {
    "eventTime": "TIMESTAMP",
    **dict.fromkeys(TEXTS, "VARCHAR"),
    **dict.fromkeys(FLAGS, "BOOLEAN"),
    **dict.fromkeys(OBJECTS, "JSON"),
    "tlsDetails": dict.fromkeys(TLS, "VARCHAR"),
}
IDENTITY: dict[str, Any] = {
    **dict.fromkeys(
        ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"),
        "VARCHAR",
    ),
    "sessionContext": {
        "sessionIssuer": dict.fromkeys(
            ("type", "principalId", "arn", "accountId", "userName"), "VARCHAR"
        ),
        "attributes": {"creationDate": "TIMESTAMP", "mfaAuthenticated": "VARCHAR"},
        "sourceIdentity": "VARCHAR",
    },
}
"""Types in DuckDB's words; a dict is a struct."""


def leaves(members: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths to all members that are no structs."""
    for name, kind in members.items():
        if isinstance(kind, dict):
            yield from leaves(kind, (*path, name))
        else:
            yield (*path, name)

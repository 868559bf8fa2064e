"""userIdentity -> the columns of `schema.IDENTITY_COLUMNS`: who called, and who stands behind.

Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element". The order in which the
actor is chosen is ours: the nearest to a human or workload that one record can prove.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec

from ctanalytics.records.schema import IDENTITY_COLUMNS

COLUMNS = tuple(IDENTITY_COLUMNS)

HIDDEN_USER_NAME = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What AWS writes when somebody typed a user name that does not exist; never an actor."""

_SESSION_ARN = re.compile(r"^(arn:[a-z-]+):sts::(\d{12}):assumed-role/(.+)/([^/]*)$")

_TYPES = {
    "Root": "root",
    "IAMUser": "user",
    "AssumedRole": "role",
    "Role": "role",
    "FederatedUser": "federated",
    "SAMLUser": "federated",
    "WebIdentityUser": "federated",
    "Directory": "federated",
    "AWSService": "service",
    "AWSAccount": "account",
    "IdentityCenterUser": "identity_center",
}


def parse(text: bytes) -> tuple[Any, ...]:
    """Read one userIdentity object into the values of COLUMNS, in their order.

    Args:
        text: the JSON text of the object; anything that is not an object gives all nulls, and a
            member of the wrong type is left out of the columns (the text keeps it).
    """
    try:
        identity = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _EMPTY
    if not isinstance(identity, dict):
        return _EMPTY
    return tuple(_columns(identity).values())


def _columns(identity: dict[str, Any]) -> dict[str, Any]:
    session = _object(identity, "sessionContext")
    issuer = _object(session, "sessionIssuer")
    attributes = _object(session, "attributes")
    scope = _object(identity, "inScopeOf")
    behalf = _object(identity, "onBehalfOf")
    columns = {
        "identity_type": _text(identity, "type"),
        "principal_id": _text(identity, "principalId"),
        "identity_arn": _text(identity, "arn"),
        "identity_account_id": _text(identity, "accountId"),
        "access_key_id": _text(identity, "accessKeyId") or None,  # "" on failed sign-ins
        "user_name": _text(identity, "userName"),
        "invoked_by": _text(identity, "invokedBy"),
        "invoked_by_delegate_account_id": _text(
            _object(identity, "invokedByDelegate"), "accountId"
        ),
        "identity_provider": _text(identity, "identityProvider"),
        "on_behalf_of_user_id": _text(behalf, "userId"),
        "on_behalf_of_identity_store_arn": _text(behalf, "identityStoreArn"),
        "credential_id": _text(identity, "credentialId"),
        "in_scope_of_source_arn": _text(scope, "sourceArn"),
        "in_scope_of_credentials_issued_to": _text(scope, "credentialsIssuedTo"),
        "session_issuer_type": _text(issuer, "type"),
        "session_issuer_arn": _text(issuer, "arn"),
        "session_issuer_user_name": _text(issuer, "userName"),
        "session_issuer_account_id": _text(issuer, "accountId"),
        "session_creation_time": _time(_text(attributes, "creationDate")),
        "mfa_authenticated": _flag(attributes, "mfaAuthenticated"),
        "source_identity": _text(session, "sourceIdentity"),
        "ec2_role_delivery": _text(session, "ec2RoleDelivery"),
        "assumed_root": _flag(session, "assumedRoot"),
        "federated_provider": _text(_object(session, "webIdFederationData"), "federatedProvider"),
    }
    columns["session_name"] = _session_name(columns)
    columns["principal_arn"] = _principal_arn(columns)
    columns["principal_type"] = _principal_type(columns)
    columns["actor"], columns["actor_from"] = _actor(columns)
    return columns


def _session_name(columns: dict[str, Any]) -> str | None:
    match = _SESSION_ARN.match(columns["identity_arn"] or "")
    return match[4] if match else None


def _principal_arn(columns: dict[str, Any]) -> str | None:
    """The ARN of who holds the permissions: a role without its session name."""
    arn: str | None = columns["identity_arn"]
    match = _SESSION_ARN.match(arn or "")
    if match:
        # The issuer's ARN keeps the role's path, which the session's ARN has lost.
        issuer: str | None = columns["session_issuer_arn"]
        return issuer or f"{match[1]}:iam::{match[2]}:role/{match[3]}"
    if arn is None and columns["identity_type"] == "AssumedRole":
        return columns["session_issuer_arn"]  # type: ignore[no-any-return]
    return arn


def _principal_type(columns: dict[str, Any]) -> str:
    kind = _TYPES.get(columns["identity_type"] or "")
    if kind:
        return kind
    return "service" if columns["invoked_by"] else "unknown"


def _actor(columns: dict[str, Any]) -> tuple[str | None, str | None]:
    if columns["source_identity"]:
        return columns["source_identity"], "source_identity"
    if columns["on_behalf_of_user_id"]:
        return columns["on_behalf_of_user_id"], "on_behalf_of"
    if columns["identity_type"] == "AssumedRole" and columns["session_issuer_arn"]:
        return columns["session_issuer_arn"], "session_issuer"
    if columns["principal_arn"]:
        return columns["principal_arn"], "arn"
    if columns["invoked_by"]:
        return f"service:{columns['invoked_by']}", "invoked_by"
    if columns["user_name"] and columns["user_name"] != HIDDEN_USER_NAME:
        return f"user:{columns['user_name']}", "user_name"
    if columns["identity_account_id"]:
        return f"account:{columns['identity_account_id']}", "account"
    if columns["principal_id"]:
        return f"id:{columns['principal_id']}", "principal_id"
    return None, None


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _text(parent: dict[str, Any], name: str) -> str | None:
    value = parent.get(name)
    return value if isinstance(value, str) else None


def _flag(parent: dict[str, Any], name: str) -> bool | None:
    """AWS writes "true" and "false" as text; take a real boolean too."""
    value = parent.get(name)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _time(text: str | None) -> dt.datetime | None:
    """Extended ISO 8601 as in live records, basic as in the guide's examples."""
    if not text:
        return None
    try:
        value = dt.datetime.fromisoformat(text)
        value = value.replace(tzinfo=value.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return value


_EMPTY: tuple[Any, ...] = tuple(None if name != "principal_type" else "unknown" for name in COLUMNS)

"""userIdentity -> the columns of `schema.IDENTITY_COLUMNS`: who called, and who stands behind.

Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element". The order in which the
actor is chosen is ours: the nearest to a human or workload that one record can prove.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
from typing import Any, get_args

import msgspec

from ctanalytics.records.schema import IDENTITY_COLUMNS

COLUMNS = tuple(IDENTITY_COLUMNS)

HIDDEN_USER_NAME = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What AWS writes when somebody typed a user name that does not exist; never an actor."""

_SESSION_ARN = re.compile(r"^(arn:[a-z-]+):sts::(\d{12}):assumed-role/(.+)/([^/]*)$")

_LONGEST_TIME = 40
_FLAGS = {"true": True, "false": False}
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


class _Part(msgspec.Struct, gc=False):
    """Base of what userIdentity is made of; members have the names of their JSON keys."""


class _Issuer(_Part):
    type: str | None = None
    arn: str | None = None
    userName: str | None = None
    accountId: str | None = None


class _Attributes(_Part):
    creationDate: str | None = None
    mfaAuthenticated: str | bool | None = None


class _Federation(_Part):
    federatedProvider: str | None = None


class _Session(_Part):
    sessionIssuer: _Issuer | None = None
    attributes: _Attributes | None = None
    webIdFederationData: _Federation | None = None
    sourceIdentity: str | None = None
    ec2RoleDelivery: str | None = None
    assumedRoot: str | bool | None = None


class _Scope(_Part):
    sourceArn: str | None = None
    credentialsIssuedTo: str | None = None


class _Behalf(_Part):
    userId: str | None = None
    identityStoreArn: str | None = None


class _Delegate(_Part):
    accountId: str | None = None


class _Identity(_Part):
    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    accessKeyId: str | None = None
    userName: str | None = None
    invokedBy: str | None = None
    identityProvider: str | None = None
    credentialId: str | None = None
    invokedByDelegate: _Delegate | None = None
    onBehalfOf: _Behalf | None = None
    inScopeOf: _Scope | None = None
    sessionContext: _Session | None = None


_decode = msgspec.json.Decoder(_Identity).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_SESSION, _NO_ISSUER, _NO_ATTRIBUTES = _Session(), _Issuer(), _Attributes()
_NO_FEDERATION, _NO_SCOPE = _Federation(), _Scope()
_NO_BEHALF, _NO_DELEGATE = _Behalf(), _Delegate()


def parse(text: bytes) -> tuple[Any, ...]:
    """Read one userIdentity object into the values of COLUMNS, in their order.

    Args:
        text: the JSON text of the object; anything that is not an object gives all nulls, and a
            member of the wrong type is left out of the columns (the text keeps it).
    """
    if not text:
        return _EMPTY
    try:
        return _columns(_decode(text))
    except msgspec.ValidationError:
        return _columns(_fit(text, _Identity))
    except _UNREADABLE:
        return _EMPTY


def _fit(text: bytes | msgspec.Raw, kind: type[Any]) -> Any:
    """Read of an object with members of odd types those that fit; nothing it holds is an error."""
    try:
        found = _decode_members(text)
    except _UNREADABLE:
        return kind()
    values: dict[str, Any] = {}
    for member in msgspec.structs.fields(kind):
        raw = found.get(member.name)
        if raw is None:
            continue
        parts = [part for part in get_args(member.type) if issubclass(part, _Part)]
        if parts:
            values[member.name] = _fit(raw, parts[0])
            continue
        with contextlib.suppress(*_UNREADABLE):
            values[member.name] = msgspec.json.decode(raw, type=member.type)
    return kind(**values)


def _columns(identity: _Identity) -> tuple[Any, ...]:
    session = identity.sessionContext or _NO_SESSION
    issuer = session.sessionIssuer or _NO_ISSUER
    attributes = session.attributes or _NO_ATTRIBUTES
    federation = session.webIdFederationData or _NO_FEDERATION
    scope = identity.inScopeOf or _NO_SCOPE
    behalf = identity.onBehalfOf or _NO_BEHALF
    principal_arn, session_name = _principal(identity, issuer)
    actor, actor_from = _actor(identity, session.sourceIdentity, behalf, issuer, principal_arn)
    return (
        identity.type,
        identity.principalId,
        identity.arn,
        identity.accountId,
        identity.accessKeyId or None,  # "" on failed sign-ins
        identity.userName,
        identity.invokedBy,
        (identity.invokedByDelegate or _NO_DELEGATE).accountId,
        identity.identityProvider,
        behalf.userId,
        behalf.identityStoreArn,
        identity.credentialId,
        scope.sourceArn,
        scope.credentialsIssuedTo,
        issuer.type,
        issuer.arn,
        issuer.userName,
        issuer.accountId,
        _time(attributes.creationDate),
        _flag(attributes.mfaAuthenticated),
        session.sourceIdentity,
        session.ec2RoleDelivery,
        _flag(session.assumedRoot),
        federation.federatedProvider,
        session_name,
        principal_arn,
        _principal_type(identity),
        actor,
        actor_from,
    )


def _principal(identity: _Identity, issuer: _Issuer) -> tuple[str | None, str | None]:
    """The ARN of who holds the permissions (a role without its session), and the session name."""
    arn = identity.arn
    if arn is None:
        return (issuer.arn if identity.type == "AssumedRole" else None), None
    match = _SESSION_ARN.match(arn) if ":assumed-role/" in arn else None
    if match is None:
        return arn, None
    # The issuer's ARN keeps the role's path, which the session's ARN has lost.
    return issuer.arn or f"{match[1]}:iam::{match[2]}:role/{match[3]}", match[4]


def _principal_type(identity: _Identity) -> str:
    kind = _TYPES.get(identity.type or "")
    if kind:
        return kind
    return "service" if identity.invokedBy else "unknown"


def _actor(
    identity: _Identity,
    source_identity: str | None,
    behalf: _Behalf,
    issuer: _Issuer,
    principal_arn: str | None,
) -> tuple[str | None, str | None]:
    if source_identity:
        return source_identity, "source_identity"
    if behalf.userId:
        return behalf.userId, "on_behalf_of"
    if identity.type == "AssumedRole" and issuer.arn:
        return issuer.arn, "session_issuer"
    if principal_arn:
        return principal_arn, "arn"
    if identity.invokedBy:
        return f"service:{identity.invokedBy}", "invoked_by"
    if identity.userName and identity.userName != HIDDEN_USER_NAME:
        return f"user:{identity.userName}", "user_name"
    if identity.accountId:
        return f"account:{identity.accountId}", "account"
    if identity.principalId:
        return f"id:{identity.principalId}", "principal_id"
    return None, None


def _flag(value: str | bool | None) -> bool | None:
    """AWS writes "true" and "false" as text; take a real boolean too."""
    if isinstance(value, str):
        return _FLAGS.get(value)
    return value


def _time(text: str | None) -> dt.datetime | None:
    # No time is longer; what is must not stay in the cache.
    return _read_time(text) if text and len(text) <= _LONGEST_TIME else None


@functools.lru_cache(maxsize=4_096)  # the sessions of an hour often share their start
def _read_time(text: str) -> dt.datetime | None:
    """Extended ISO 8601 as in live records, basic as in the guide's examples."""
    try:
        value = dt.datetime.fromisoformat(text)
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


_EMPTY: tuple[Any, ...] = tuple(None if name != "principal_type" else "unknown" for name in COLUMNS)

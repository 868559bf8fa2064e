"""Which column, and which path into its JSON, a Sigma field of a CloudTrail rule means.

Sigma rules name fields as CloudTrail does. Keys compare without regard to case. On its way a path
goes through lists by itself, with or without `[*]`: any element counts; `[0]` takes one.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from ctanalytics.records import schema

Kind = Literal["text", "flag", "time", "other"]
Path = tuple[str | int, ...]

_IDENTITY: Final = {
    "type": "identity_type",
    "principalid": "principal_id",
    "arn": "identity_arn",
    "accountid": "identity_account_id",
    "accesskeyid": "access_key_id",
    "username": "user_name",
    "invokedby": "invoked_by",
    "identityprovider": "identity_provider",
    "onbehalfof.userid": "on_behalf_of_user_id",
    "credentialid": "credential_id",
    "sessioncontext.sessionissuer.type": "session_issuer_type",
    "sessioncontext.sessionissuer.arn": "session_issuer_arn",
    "sessioncontext.sessionissuer.username": "session_issuer_user_name",
    "sessioncontext.sessionissuer.accountid": "session_issuer_account_id",
    "sessioncontext.attributes.mfaauthenticated": "mfa_authenticated",
    "sessioncontext.sourceidentity": "source_identity",
}
"""Below userIdentity, what has a column of its own; the rest is read from its JSON text."""

_TLS: Final = {
    "tlsversion": "tls_version",
    "ciphersuite": "tls_cipher_suite",
    "clientprovidedhostheader": "tls_client_provided_host_header",
    "keyexchange": "tls_key_exchange",
}

_SEGMENT = re.compile(r"(?P<key>(?:\\.|[^.\[\]\\])+)(?P<lists>(?:\[(?:\*|\d+)\])*)(?:\{\})?$")
_SPLIT = re.compile(r"(?<!\\)\.")
_INDEX = re.compile(r"\[(\d+)\]")
_UNSAFE: Final = frozenset('"\\\x00')


class UnknownPath(ValueError):
    """A field's name can't be a path: it is empty, or a key of it can't be looked up."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field's values stand: a column; where that is null, a path into JSON text."""

    name: str
    column: str | None = None
    kind: Kind = "text"
    json_column: str | None = None
    path: Path = ()
    documented: bool = True
    """Whether CloudTrail's documentation (or our own columns) has it."""


@functools.lru_cache(maxsize=4_096)
def field(name: str) -> Field:
    """Find what a field's name means.

    Raises:
        UnknownPath: it is no path at all.
    """
    path = _path(name)
    head, rest = path[0], path[1:]
    key = str(head).lower()
    if key == "useridentity":
        inner = ".".join(str(step).lower() for step in rest)
        column = _IDENTITY.get(inner)
        kind: Kind = "flag" if column == "mfa_authenticated" else "text"
        return Field(name, column, kind, "user_identity", rest)
    if key in _JSON:
        return Field(name, None, "text", _JSON[key], rest)
    if key == "tlsdetails":
        column = _TLS.get(".".join(str(step).lower() for step in rest))
        return Field(name, column, documented=column is not None)
    if key in _TYPED and not rest:
        column, kind = _TYPED[key]
        return Field(name, column, kind, "unknown_fields", path)
    if name in _OWN:
        return Field(name, name, _OWN[name])
    return Field(name, None, "text", "unknown_fields", path, documented=False)


def _path(name: str) -> Path:
    steps: list[str | int] = []
    for segment in _SPLIT.split(name):
        match = _SEGMENT.match(segment)
        if match is None:
            raise UnknownPath(f"{name!r} is no field: write keys with dots between them")
        key = re.sub(r"\\(.)", r"\1", match["key"])
        if _UNSAFE & set(key):
            raise UnknownPath(f"the key {key!r} holds a character that can't be looked up")
        steps.append(key)
        steps += [int(index) for index in _INDEX.findall(match["lists"])]
    return tuple(steps)


def _kind(column: str) -> Kind:
    kind = schema.EVENTS.field(column).type
    if kind == schema.TEXT:
        return "text"
    if pa.types.is_boolean(kind):
        return "flag"
    return "time" if pa.types.is_timestamp(kind) else "other"


_JSON: Final = {key.lower(): column for key, column in schema.JSON_FIELDS.items()}
_TYPED: Final[dict[str, tuple[str, Kind]]] = {
    **{key.lower(): (column, "text") for key, column in schema.STRING_FIELDS.items()},
    **{key.lower(): (column, "flag") for key, column in schema.BOOL_FIELDS.items()},
    "eventtime": ("event_time", "time"),
}
_OWN: Final[dict[str, Kind]] = {
    column: _kind(column)
    for column in schema.EVENTS.names
    if not pa.types.is_list(schema.EVENTS.field(column).type)
}
"""Columns of ours, by which rules may ask too: principal_arn, principal_type, actor, ..."""

JSON_COLUMNS: Final = ("user_identity", *schema.JSON_FIELDS.values(), "unknown_fields")
"""All columns of JSON text."""

TEXT_COLUMNS: Final = (*schema.STRING_FIELDS.values(), *schema.TLS_COLUMNS)
"""The record's own texts that have a column: what a keyword is looked for in, besides JSON."""

FLAG_COLUMNS: Final = tuple(schema.BOOL_FIELDS.values())

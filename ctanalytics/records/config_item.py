"""Configuration items of AWS Config: what a resource was like at a time, and its columns.

Source: AWS Config Developer Guide, "Components of a configuration item" and the examples of its
delivery channel. Spellings differ between channels and versions of the format; all are read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.records.schema import TEXT, TIMESTAMP

CONFIG_ITEMS: Final = pa.schema(
    [
        pa.field("capture_time", TIMESTAMP),  # when Config saw it: after the call that made it
        pa.field("account_id", TEXT),
        pa.field("aws_region", TEXT),  # "global" for IAM
        pa.field("availability_zone", TEXT),
        pa.field("resource_type", TEXT),  # AWS::S3::Bucket
        pa.field("resource_id", TEXT),
        pa.field("resource_name", TEXT),
        pa.field("arn", TEXT),
        pa.field("status", TEXT),  # OK, ResourceDiscovered, ResourceDeleted, …
        pa.field("state_id", TEXT),  # orders the items of one resource
        pa.field("item_version", TEXT),
        pa.field("resource_creation_time", TIMESTAMP),
        pa.field("delivery_time", TIMESTAMP),
        pa.field("recording_frequency", TEXT),  # CONTINUOUS or DAILY
        pa.field("related_events", pa.list_(TEXT)),  # event ids; empty since version 1.3
        pa.field("tags", TEXT),  # these four: JSON
        pa.field("relationships", TEXT),
        pa.field("configuration", TEXT),
        pa.field("supplementary_configuration", TEXT),
        pa.field("unknown_fields", TEXT),
        pa.field("delivered_by", TEXT),  # history, snapshot, notification, other
        pa.field("item_id", TEXT),  # of all that the item says, as it came
        pa.field("state_hash", TEXT),  # of configuration, tags and being there at all
        pa.field("relationships_hash", TEXT),
        pa.field("masked_paths", TEXT),
        pa.field("source_object", TEXT),
        pa.field("source_row", pa.int32()),  # place in the object, from 0
        pa.field("plan_id", pa.int64()),
    ]
)
"""Table `config_items`. Grain: item_id. Every snapshot repeats an item until it changes: one row."""

GONE: Final = frozenset(("ResourceDeleted", "ResourceDeletedNotRecorded"))
"""Values of `status` that mean that the resource is no more."""

_SPELLINGS: Final = {
    "capture_time": ("configurationItemCaptureTime",),
    "account_id": ("accountId", "awsAccountId"),
    "aws_region": ("awsRegion",),
    "availability_zone": ("availabilityZone", "availibilityZone"),
    "resource_type": ("resourceType",),
    "resource_id": ("resourceId",),
    "resource_name": ("resourceName",),
    "arn": ("arn", "ARN"),
    "status": ("configurationItemStatus",),
    "state_id": ("configurationStateId", "configurationStateID", "ConfigurationStateId"),
    "item_version": ("configurationItemVersion", "version", "snapshotVersion"),
    "resource_creation_time": ("resourceCreationTime",),
    "delivery_time": ("configurationItemDeliveryTime",),
    "recording_frequency": ("recordingFrequency",),
    "related_events": ("relatedEvents",),
    "tags": ("tags",),
    "relationships": ("relationships",),
    "configuration": ("configuration",),
    "supplementary_configuration": ("supplementaryConfiguration",),
}
_MEANINGLESS: Final = frozenset(("configurationItemMD5Hash", "configurationStateMd5Hash"))
"""Keys that are always empty since version 1.3 of the format."""
_KNOWN: Final = _MEANINGLESS.union(*_SPELLINGS.values())
_TIMES: Final = ("capture_time", "resource_creation_time", "delivery_time")
_JSON: Final = ("tags", "relationships", "configuration", "supplementary_configuration")
_SAID: Final = (
    "account_id",
    "aws_region",
    "resource_type",
    "resource_id",
    "resource_name",
    "arn",
    "status",
    "state_id",
)
"""Texts that make an item what it is, besides its time and its JSON."""
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A number this large can't be seconds since 1970: that would be the year 5138."""

Raw = msgspec.Raw
Head = dict[str, Raw]
_decode_head = msgspec.json.Decoder(Head).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class ItemFault:
    """Why a configuration item can't be a row."""

    reason: str
    detail: str
    json_path: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells an item apart; made from its text as it came, whatever is hidden later."""

    item_id: str
    state_hash: str
    relationships_hash: str


def spelled_out(text: bytes) -> bytes:
    """Turn a configuration that stands as text, as Config's API gives it, into the object it is.

    Raises:
        msgspec.DecodeError: the item is no JSON object.
    """
    head = _decode_head(text)
    inner = _inner(head.get("configuration"))
    if inner is None:
        return text
    head["configuration"] = Raw(inner)
    return msgspec.json.encode(head)


def _inner(value: Raw | None) -> bytes | None:
    if value is None or bytes(memoryview(value)[:2]) not in (b'"{', b'"['):
        return None
    try:
        found = _decode_text(value).encode()
        msgspec.json.decode(found, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


def read(text: bytes, account_id: str | None, aws_region: str | None) -> dict[str, Any] | ItemFault:
    """Return an item's columns but for its identity and origin, or why it can't be a row.

    Args:
        text: JSON of one item, from `spelled_out`.
        account_id, aws_region: what the object's key tells, for items that don't.
    """
    try:
        head = _decode_head(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return ItemFault("not_json", str(error))
    found = {name: _first(head, keys) for name, keys in _SPELLINGS.items()}
    row: dict[str, Any] = {
        name: _text(found[name]) for name in found if name not in (*_TIMES, *_JSON)
    }
    for name in ("resource_type", "resource_id"):
        if not row[name]:
            return ItemFault("not_config_item", f"it names no {_SPELLINGS[name][0]}", "$")
    row |= {name: _moment(found[name]) for name in _TIMES}
    row |= {name: _json(found[name]) for name in _JSON}
    row["account_id"] = row["account_id"] or account_id
    row["aws_region"] = row["aws_region"] or aws_region
    row["related_events"] = _texts(found["related_events"])
    others = {key: value for key, value in head.items() if key not in _KNOWN}
    row["unknown_fields"] = msgspec.json.encode(others).decode() if others else None
    return row


def identity(row: Mapping[str, Any]) -> Identity:
    """Return what tells an item apart from all others."""
    parts = {name: _canonical(row[name]) for name in _JSON}
    relationships = _sorted(parts.pop("relationships"))
    there = row["status"] not in GONE
    moment = row["capture_time"]
    said = [row[name] for name in _SAID]
    said += [moment.isoformat() if moment else None, parts, relationships]
    return Identity(_hash(said), _hash([there, parts]), _hash(relationships))


def _hash(value: Any) -> str:
    return hashlib.sha256(_encode_sorted(value)).hexdigest()[:32]


def _canonical(text: str | None) -> Any:
    """JSON as values; {} and null are the same to Config, which writes now one, now the other."""
    try:
        return msgspec.json.decode(text) or None if text else None
    except (msgspec.DecodeError, RecursionError):
        return text


def _sorted(relationships: Any) -> Any:
    # Their order means nothing, and changes from one item to the next.
    if isinstance(relationships, list):
        return sorted(_encode_sorted(each).decode() for each in relationships)
    return relationships


def _first(head: Head, keys: tuple[str, ...]) -> Raw | None:
    return next((head[key] for key in keys if key in head and bytes(head[key]) != b"null"), None)


def _text(value: Raw | None) -> str | None:
    """A text, or a number as the text it is written with."""
    if value is None:
        return None
    raw = bytes(value)
    if raw[:1] == b'"':
        return _decode_text(raw)
    return raw.decode() if raw[:1] not in (b"{", b"[") else None


def _texts(value: Raw | None) -> list[str]:
    try:
        found = msgspec.json.decode(value, type=list[Any]) if value is not None else []
    except msgspec.ValidationError:
        return []
    return [each for each in found if isinstance(each, str)]


def _json(value: Raw | None) -> str | None:
    return bytes(value).decode() if value is not None else None


def _moment(value: Raw | None) -> dt.datetime | None:
    """ISO text, or seconds or milliseconds since 1970; None for what is no time."""
    text = _text(value)
    if text is None:
        return None
    try:
        if bytes(value or b"")[:1] != b'"':
            seconds = float(text)
            seconds = seconds / 1_000 if seconds >= _MILLISECONDS_FROM else seconds
            return dt.datetime.fromtimestamp(seconds, dt.UTC)
        found = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None

"""One record read field by field: what fits goes to columns, what doesn't is kept as JSON text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from ctanalytics.lake import columns, json_text
from ctanalytics.lake.containers import Item
from ctanalytics.records import schema

Head = dict[str, msgspec.Raw]

_decode_head = msgspec.json.Decoder(Head).decode
_TEXT_KEYS = frozenset(("eventTime", *columns.STRINGS))
_FLAG_KEYS = frozenset(columns.BOOLS)
_FLAGS: Final = {True: True, False: False, "true": True, "false": False}
ORIGINALS: Final = "ctanalytics.originals"
"""Member of unknown_fields: the text that some columns had before it was made readable."""
_RAW_KEYS = frozenset((*columns.JSONS, "tlsDetails", "userIdentity"))


@dataclass(frozen=True, slots=True)
class RecordFault:
    """Why a record can't be a row."""

    reason: str
    detail: str
    json_path: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record's top-level keys and their JSON text."""

    head: Head
    text: bytes
    originals: dict[str, str] = field(default_factory=dict)
    """Text of the members in which half a surrogate pair was replaced to make them readable."""


def read(item: Item) -> Record | RecordFault:
    """Split a record into its top-level members, or tell why it can't be a row."""
    if item.reason:
        return RecordFault(item.reason, item.detail)
    try:
        item.text.decode("utf-8")
        record = Record(_decode_head(item.text), item.text)
    except UnicodeDecodeError as error:
        return RecordFault("not_utf8", str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        mended = _mended(item.text)
        if mended is None:
            return RecordFault("not_json", str(error))
        record = mended
    version = text(record.head, "eventVersion")
    if major(version) not in (None, 1):
        detail = f"eventVersion {version!r}: only major version 1 is known"
        return RecordFault("unknown_version", detail, "$.eventVersion")
    return record


def _mended(whole: bytes) -> Record | None:
    members = json_text.members(whole)
    if members is None:
        return None
    mended = {key: json_text.mended(member) for key, member in members.items()}
    return Record(
        {key: msgspec.Raw(member) for key, member in mended.items()},
        json_text.mended(whole),
        {key: members[key].decode() for key in mended if mended[key] != members[key]},
    )


def major(version: str | None) -> int | None:
    """Return the major number of an eventVersion; None when there is none to read."""
    number = (version or "").partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 9 else None


def kind_of(head: Head) -> str:
    """Tell a record's table by its content: log, insight or aggregated."""
    return kind_of_values(text(head, "eventCategory"), text(head, "eventType"))


def kind_of_values(category: str | None, event_type: str | None) -> str:
    """As `kind_of`, from the two fields that tell it."""
    if category == "Insight" or event_type == "AwsCloudTrailInsight":
        return "insight"
    if category == "Aggregated" or event_type == "AwsAggregatedEvent":
        return "aggregated"
    return "log"


def fit(record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values that fit the typed record, and the rest by key as JSON text."""
    values: dict[str, Any] = {}
    unfit: dict[str, Any] = {ORIGINALS: record.originals} if record.originals else {}
    for key, raw in record.head.items():
        if key in _RAW_KEYS:
            values[key] = msgspec.Raw(bytes(raw))
            continue
        value = _plain(raw)
        if value is None and bytes(raw) == b"null":
            continue
        if key in _TEXT_KEYS and isinstance(value, str):
            values[key] = value
        elif key == "eventTime" and isinstance(value, int | float) and not isinstance(value, bool):
            values[key] = str(value)
        elif key in _FLAG_KEYS and isinstance(value, str | bool) and value in _FLAGS:
            values[key] = _FLAGS[value]
        elif key == "sessionCredentialFromConsole" and isinstance(value, str | bool):
            values[key] = value
        else:
            unfit[key] = msgspec.Raw(bytes(raw))
    return values, unfit


def with_times(
    unfit: Sequence[str | None], times: Sequence[str | None], unreadable: npt.NDArray[np.bool_]
) -> list[str | None]:
    """Keep the text of event times that could not be read, beside what else fits no column."""
    made = list(unfit)
    for place in np.flatnonzero(unreadable).tolist():
        kept = msgspec.json.decode(made[place] or "{}", type=Head)
        kept["eventTime"] = msgspec.Raw(msgspec.json.encode(times[place]))
        made[place] = msgspec.json.encode(kept).decode()
    return made


def _plain(raw: msgspec.Raw) -> Any:
    """The value of a scalar; None for what is not one, or is no valid text."""
    if bytes(raw)[:1] in (b"{", b"["):
        return None
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:  # a number that no program holds
        return None


def text(head: Head, key: str) -> str | None:
    """Return a top-level string; None when it is absent or something else."""
    value = _plain(head[key]) if key in head else None
    return value if isinstance(value, str) else None


def insight(head: Head) -> dict[str, Any]:
    """An Insights event -> a row of schema.INSIGHTS, without its origin."""
    details = _object(head.get("insightDetails"))
    context = _sub(details, "insightContext")
    statistics = _sub(context, "statistics")
    moment = columns.moment(text(head, "eventTime"))
    return {
        "event_time": moment,
        "event_date": _date(moment),
        "event_id": text(head, "eventID"),
        "shared_event_id": text(head, "sharedEventID"),
        "account_id": text(head, "recipientAccountId"),
        "aws_region": text(head, "awsRegion"),
        "event_version": text(head, "eventVersion"),
        "state": _string(details, "state"),
        "insight_type": _string(details, "insightType"),
        "event_source": _string(details, "eventSource"),
        "event_name": _string(details, "eventName"),
        "error_code": _string(details, "errorCode"),
        "source_event_category": _string(details, "sourceEventCategory"),
        "baseline_average": _number(_sub(statistics, "baseline"), "average"),
        "insight_average": _number(_sub(statistics, "insight"), "average"),
        "insight_duration": _whole(statistics, "insightDuration"),
        "baseline_duration": _whole(statistics, "baselineDuration"),
        "insight_details": _json(head, "insightDetails"),
    }


def aggregated(head: Head) -> dict[str, Any]:
    """An aggregated event -> a row of schema.AGGREGATED, without its origin."""
    window = _object(head.get("timeWindow"))
    start = columns.moment(_string(window, "windowStart"))
    return {
        "window_start": start,
        "window_end": columns.moment(_string(window, "windowEnd")),
        "event_date": _date(start),
        "event_id": text(head, "eventId") or text(head, "eventID"),
        "account_id": text(head, "accountId") or text(head, "recipientAccountId"),
        "aws_region": text(head, "awsRegion"),
        "event_source": text(head, "eventSource"),
        "event_category": text(head, "eventCategory"),
        "summary": _json(head, "summary"),
    }


def _date(moment: dt.datetime | None) -> dt.date:
    return moment.date() if moment else schema.UNDATED


def _json(head: Head, key: str) -> str | None:
    return bytes(head[key]).decode() if key in head and bytes(head[key]) != b"null" else None


def _object(raw: msgspec.Raw | None) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw) if raw is not None else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _sub(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _string(parent: dict[str, Any], key: str) -> str | None:
    value = parent.get(key)
    return value if isinstance(value, str) else None


def _number(parent: dict[str, Any], key: str) -> float | None:
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _whole(parent: dict[str, Any], key: str) -> int | None:
    value = _number(parent, key)
    return int(value) if value is not None and abs(value) < 2**53 else None

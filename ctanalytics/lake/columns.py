"""Records -> Arrow columns of `events`: whole columns at a time, no Python per record but one tuple.

A chunk is about 2,000 records, so that its objects stay in the processor's cache. What many
records share (userIdentity, TLS details, source addresses, resources) is parsed once per distinct
value and spread by index. Texts that repeat stay dictionaries on their way to Parquet: that takes
870 bytes a row instead of 1,940, and every later copy, sort and encoding is as much cheaper.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.records import schema

Raw = msgspec.Raw
ABSENT = Raw(b"")
CHUNK = 2_000

_SECRET = uuid.uuid4().hex
_OURS: Final = ("unfit", "sha256", "masked_paths")

STRINGS = tuple(schema.STRING_FIELDS)
BOOLS = ("readOnly", "managementEvent")
JSONS = tuple(schema.JSON_FIELDS)

DISTINCT: Final = frozenset(
    (
        "event_id",
        "request_id",
        "shared_event_id",
        "request_parameters",
        "response_elements",
        "additional_event_data",
        "record_sha256",
    )
)
"""Texts of which nearly every row has its own: these are no dictionaries."""

_USUAL_ORDER: Final = (
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "requestID",
    "eventID",
    "readOnly",
    "resources",
    "eventType",
    "apiVersion",
    "managementEvent",
    "recipientAccountId",
    "serviceEventDetails",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "addendum",
    "sessionCredentialFromConsole",
    "eventContext",
    "edgeDeviceDetails",
    "tlsDetails",
)
"""Keys as AWS orders them. The parser looks for a key after the one before: 10 % less time."""

_FIRST_DATE = dt.date(2013, 11, 13)  # CloudTrail's first day
_MICROSECONDS = 1_000_000
_DAY = 86_400 * _MICROSECONDS
_YEAR_ONE = -62_135_596_800 * _MICROSECONDS  # before it there is no datetime


Parse = Callable[[bytes], tuple[Any, ...]]
"""JSON text -> the values of some columns; never an error."""


def record_struct(extra: Sequence[str] = ()) -> type[Any]:
    """Make the type that one record decodes to; other top-level keys than these are refused.

    Args:
        extra: unknown top-level keys seen before, kept as JSON text.
    """
    kinds: dict[str, tuple[Any, Any]] = dict.fromkeys(("eventTime", *STRINGS), (str | None, None))
    kinds |= dict.fromkeys(BOOLS, (bool | None, None))
    kinds["sessionCredentialFromConsole"] = (str | bool | None, None)
    kinds |= dict.fromkeys((*JSONS, "tlsDetails", "userIdentity"), (Raw, ABSENT))
    fields: list[tuple[str, Any, Any]] = [
        (name, *kinds[name]) for name in sorted(kinds, key=_USUAL_ORDER.index)
    ]
    # Not from JSON: set later, under keys that no file can guess.
    fields += [(name, str | None, None) for name in _OURS]
    fields += [(f"extra_{place}", Raw, ABSENT) for place in range(len(extra))]
    keys = {f"extra_{place}": key for place, key in enumerate(extra)}
    keys |= {name: f"{name} {_SECRET}" for name in _OURS}
    return msgspec.defstruct("Record", fields, gc=False, forbid_unknown_fields=True, rename=keys)


def parsed(
    texts: pa.DictionaryArray,
    parse: Parse,
    kinds: Collection[pa.DataType],
) -> list[pa.Array]:
    """Parse each distinct text once, and return a column for each member of the parsed tuples.

    Args:
        parse: takes the text's bytes; an empty one stands for null.
        kinds: the members' types.
    """
    distinct = texts.dictionary.cast(pa.binary())
    rows = texts.indices.fill_null(len(distinct))
    made = [
        _members(distinct[start : start + CHUNK].to_pylist(), parse, kinds)
        for start in range(0, len(distinct), CHUNK)
    ]
    made.append(_members([b""], parse, kinds))
    return [spread(pa.concat_arrays(column), rows) for column in zip(*made, strict=True)]


def _members(texts: list[bytes], parse: Parse, kinds: Collection[pa.DataType]) -> list[pa.Array]:
    members = zip(*map(parse, texts), strict=True)
    return [pa.array(values, kind) for values, kind in zip(members, kinds, strict=True)]


def spread(values: pa.Array, rows: pa.Array) -> pa.Array:
    """Give each row the value at its index; texts become a dictionary of distinct ones."""
    if values.type != schema.TEXT:
        return values.take(rows)
    distinct = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(rows), distinct.dictionary)


def with_dictionaries(rows: pa.Table) -> dict[str, pa.Array]:
    """Join the chunks of each column, and turn texts that repeat into dictionaries.

    That takes 15 ns a value, and nothing that follows costs less than with texts.
    """
    return {
        name: (
            column.dictionary_encode()
            if column.type == schema.TEXT and name not in DISTINCT
            else column
        ).combine_chunks()
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }


def plain(rows: pa.Table) -> pa.Table:
    """Turn dictionaries back into texts."""
    return rows.cast(
        pa.schema(
            [
                pa.field(column.name, column.type.value_type)
                if pa.types.is_dictionary(column.type)
                else column
                for column in rows.schema
            ]
        )
    )


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def parse_tls(text: bytes) -> tuple[Any, ...]:
    """Read tlsDetails into the values of schema.TLS_COLUMNS."""
    found = _loosely(text)
    keys = ("tlsVersion", "cipherSuite", "clientProvidedHostHeader", "keyExchange")
    return tuple(value if isinstance(value := found.get(key), str) else None for key in keys)


def _loosely(text: bytes) -> dict[str, Any]:
    if not text or text == b"null":
        return {}
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


class _Resource(msgspec.Struct, gc=False):
    arn: str | None = msgspec.field(default=None, name="ARN")
    prefix: str | None = msgspec.field(default=None, name="ARNPrefix")


_decode_resources = msgspec.json.Decoder(list[_Resource]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode


def parse_arns(text: bytes) -> tuple[list[str] | None]:
    """Read `resources` into the list of its ARNs (or ARN prefixes)."""
    if not text:
        return (None,)
    try:
        found = _decode_resources(text)
    except msgspec.ValidationError:
        return (_odd_arns(text),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (None,)
    return ([arn for entry in found if (arn := entry.arn or entry.prefix)] or None,)


def _odd_arns(text: bytes) -> list[str] | None:
    """The ARNs of a list with entries that are no resources, or of odd members."""
    try:
        entries = map(_loosely, _decode_list(text))
        found = [entry.get("ARN") or entry.get("ARNPrefix") for entry in entries]
    except msgspec.DecodeError:
        return None
    return [arn for arn in found if isinstance(arn, str)] or None


def parse_addendum(text: bytes) -> tuple[str | None]:
    """Read `addendum.reason`."""
    reason = _loosely(text).get("reason")
    return (reason if isinstance(reason, str) else None,)


def json_text(values: Sequence[Raw]) -> pa.Array:
    """Raw JSON values -> their text, one copy for all; absent and `null` become null."""
    count = len(values)
    if values.count(ABSENT) == count:  # told by identity, at a tenth of what joining nothing costs
        return pa.nulls(count, pa.string())
    data = b"".join(values)
    lengths = np.fromiter(map(len, values), np.int32, count)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    valid = lengths != 0
    four = np.flatnonzero(lengths == 4)
    if len(four):
        octets = np.frombuffer(data, np.uint8)
        words = octets[offsets[four][:, None] + np.arange(4)]
        valid[four[(words == np.frombuffer(b"null", np.uint8)).all(axis=1)]] = False
    nulls = int(count - np.count_nonzero(valid))
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(
        pa.string(), count, [bitmap, pa.py_buffer(offsets), pa.py_buffer(data)], nulls
    )


def times(values: Sequence[str | None]) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Event times -> timestamp[us, UTC], and which values were there but not readable."""
    try:
        read = pa.array(values, pa.string()).cast(schema.TIMESTAMP)
        if (pc.min(read.cast(pa.int64())).as_py() or 0) >= _YEAR_ONE:
            return read, np.zeros(len(values), np.bool_)
    except pa.ArrowInvalid:
        pass  # Arrow reads a part of what `moment` reads, and that alike, but the year 0
    found = [moment(value) for value in values]
    wrong = np.array(
        [value is not None and time is None for value, time in zip(values, found, strict=True)],
        np.bool_,
    )
    return pa.array(found, schema.TIMESTAMP), wrong


def moment(value: str | None) -> dt.datetime | None:
    """ISO 8601 of any kind, the guide's `YYYY-MM-DD HH:MM:SS`, or seconds or ms since 1970."""
    if not value:
        return None
    try:
        if value.replace(".", "", 1).isdigit():
            number = float(value)
            number = number / 1_000 if number > 1e11 else number
            return dt.datetime.fromtimestamp(number, dt.UTC)
        read = dt.datetime.fromisoformat(value)
        return read.replace(tzinfo=read.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def dates(
    event_time: pa.Array, unreadable: pa.Array, delivered: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Partition date, status of the time, hour and weekday.

    Args:
        event_time: timestamp[us, UTC] or null.
        unreadable: where a time was given but could not be read; it counts as missing.
        delivered: delivery of each record's file, microseconds since 1970 UTC.
    """
    missing = np.asarray(event_time.is_null()) | np.asarray(unreadable)
    micros = event_time.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    days = micros // _DAY
    past = ~missing & (days < (_FIRST_DATE - schema.UNDATED).days)
    future = ~missing & (days > delivered // _DAY + 1)
    usable = ~(missing | past | future)
    status = np.select([missing, past, future], [1, 2, 3], 0).astype(np.int8)
    names = pa.array(["ok", "missing", "past", "future"])
    unusable = ~usable
    return {
        "event_time_status": spread(names, pa.array(status)),
        "event_hour": pa.array(
            (micros % _DAY // (3_600 * _MICROSECONDS)).astype(np.int8), mask=unusable
        ),
        # 1970-01-01 was a Thursday, ISO weekday 4.
        "event_dow": pa.array(((days + 3) % 7 + 1).astype(np.int8), mask=unusable),
        "event_date": pa.array(np.where(usable, days, 0).astype(np.int32)).cast(pa.date32()),
    }


def address_kinds(addresses: pa.DictionaryArray) -> pa.Array:
    """Source addresses -> ipv4, ipv6, service, aws_internal, other; null stays null."""
    kinds = [_address_kind(value) for value in addresses.dictionary.to_pylist()]
    return spread(pa.array(kinds, pa.string()), addresses.indices)


@functools.lru_cache(maxsize=65_536)  # each day of each part meets the same addresses: 0.5 us a row
def _address_kind(value: str) -> str:
    if value.startswith("AWS Internal"):
        return "aws_internal"
    if value[:1].isdigit() or ":" in value:
        try:
            return f"ipv{ipaddress.ip_address(value.strip()).version}"
        except ValueError:
            return "other"
    # A service's DNS name: dots and no blanks, as in `autoscaling.amazonaws.com`.
    service = value.endswith(
        (".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal")
    )
    return "service" if service else "other"


def is_error(columns: pa.Table) -> pa.Array:
    """An error code or message, or a sign-in that failed (which has no code)."""
    failed = pc.or_(pc.is_valid(columns["error_code"]), pc.is_valid(columns["error_message"]))
    sign_in = pc.fill_null(pc.equal(columns["event_name"], "ConsoleLogin"), False)
    if not pc.any(sign_in).as_py():
        return failed
    refused = pc.match_substring_regex(
        columns["response_elements"], r'"ConsoleLogin"\s*:\s*"Failure"'
    )
    return pc.or_(failed, pc.and_(sign_in, pc.fill_null(refused, False)))


def flags(values: Sequence[str | bool | None]) -> pa.Array:
    """`sessionCredentialFromConsole`, which AWS writes as the text "true"."""
    if not any(values):
        return pa.nulls(len(values), pa.bool_())
    return pa.array([None if value is None else value in (True, "true") for value in values])


def unknown_fields(
    unfit: Sequence[str | None], keys: Sequence[str], values: Sequence[Sequence[Raw]]
) -> pa.Array:
    """Top-level keys without a column, as one JSON object for each record; null when none.

    Args:
        unfit: objects that the careful way made already.
        keys: the unknown keys that the typed parse has learned.
        values: for each of these keys the records' raw values.
    """
    made: list[str | None] = list(unfit)
    for place, row in enumerate(zip(*values, strict=True)):
        found = {key: raw for key, raw in zip(keys, row, strict=True) if len(raw)}
        if found:
            made[place] = msgspec.json.encode(found).decode()
    return pa.array(made, pa.string())

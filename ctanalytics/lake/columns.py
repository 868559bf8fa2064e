"""Records -> Arrow columns of `events`: whole columns at a time, no Python per record but one tuple.

A chunk is about 2,000 records, so that its objects stay in the processor's cache. What many
records share (userIdentity, TLS details, source addresses, resources) is parsed once per distinct
value and spread by index.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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

STRINGS = tuple(schema.STRING_FIELDS)
BOOLS = ("readOnly", "managementEvent")
JSONS = tuple(schema.JSON_FIELDS)

_FIRST_DATE = dt.date(2013, 11, 13)  # CloudTrail's first day
_MICROSECONDS = 1_000_000
_DAY = 86_400 * _MICROSECONDS


def record_struct(extra: Sequence[str] = ()) -> type[Any]:
    """Make the type that one record decodes to; other top-level keys than these are refused.

    Args:
        extra: unknown top-level keys seen before, kept as JSON text.
    """
    fields: list[tuple[str, Any, Any]] = [("eventTime", str | None, None)]
    fields += [(name, str | None, None) for name in STRINGS]
    fields += [(name, bool | None, None) for name in BOOLS]
    fields += [("sessionCredentialFromConsole", str | bool | None, None)]
    fields += [(name, Raw, ABSENT) for name in JSONS]
    fields += [("tlsDetails", Raw, ABSENT), ("userIdentity", Raw, ABSENT)]
    # Not from JSON: the careful way sets these two, under keys that no file can guess.
    fields += [("unfit", str | None, None), ("sha256", str | None, None)]
    fields += [(f"extra_{place}", Raw, ABSENT) for place in range(len(extra))]
    keys = {f"extra_{place}": key for place, key in enumerate(extra)}
    keys |= {name: f"{name} {_SECRET}" for name in ("unfit", "sha256")}
    return msgspec.defstruct("Record", fields, gc=False, forbid_unknown_fields=True, rename=keys)


@dataclass
class Spread:
    """Distinct values of a field, each parsed once, and the index of each record's value."""

    parse: Callable[[bytes], tuple[Any, ...]]
    known: dict[bytes, int] = field(default_factory=dict)

    def indices(self, values: Sequence[Raw]) -> npt.NDArray[np.int32]:
        """Return each value's place among the distinct ones."""
        known = self.known
        place = known.setdefault
        return np.fromiter(
            (place(value, len(known)) for value in map(bytes, values)), np.int32, len(values)
        )

    def columns(self, indices: pa.Array, kinds: Sequence[pa.DataType]) -> list[pa.Array]:
        """Return one column for each member of the parsed tuples."""
        rows = [self.parse(value) for value in self.known]
        parsed = list(zip(*rows, strict=True)) if rows else [() for _ in kinds]
        return [
            pa.array(values, kind).take(indices) for values, kind in zip(parsed, kinds, strict=True)
        ]

    def text(self, indices: pa.Array) -> pa.Array:
        """Return the values themselves as text; absent and `null` become null."""
        return json_text([Raw(value) for value in self.known]).take(indices)


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


def parse_arns(text: bytes) -> tuple[list[str] | None]:
    """Read `resources` into the list of its ARNs (or ARN prefixes)."""
    if not text or text == b"null":
        return (None,)
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (None,)
    if not isinstance(found, list):
        return (None,)
    arns = [
        arn
        for entry in found
        if isinstance(entry, dict)
        and isinstance(arn := entry.get("ARN") or entry.get("ARNPrefix"), str)
    ]
    return (arns or None,)


def json_text(values: Sequence[Raw]) -> pa.Array:
    """Raw JSON values -> their text, one copy for all; absent and `null` become null."""
    count = len(values)
    data = b"".join(values)
    if not data:
        return pa.nulls(count, pa.string())
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
        joined = "".join(values)  # type: ignore[arg-type]
    except TypeError:
        joined = ""
    count = len(values)
    if count and len(joined) == 20 * count and joined.isascii():
        parsed = _fixed_times(np.frombuffer(joined.encode(), np.uint8).reshape(-1, 20))
        if parsed is not None:
            return pa.array(parsed, pa.int64()).cast(schema.TIMESTAMP), np.zeros(count, np.bool_)
    read = [moment(value) for value in values]
    wrong = np.array(
        [value is not None and found is None for value, found in zip(values, read, strict=True)],
        np.bool_,
    )
    return pa.array(read, schema.TIMESTAMP), wrong


def _fixed_times(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64] | None:
    """`YYYY-MM-DDTHH:MM:SSZ`, all rows at once; None when any row is of another form."""
    marks = octets[:, (4, 7, 10, 13, 16, 19)] == np.frombuffer(b"--T::Z", np.uint8)
    digits = octets[:, (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)].astype(np.int64) - 48
    if not marks.all() or digits.min() < 0 or digits.max() > 9:
        return None
    pairs = digits[:, 0::2] * 10 + digits[:, 1::2]
    year = pairs[:, 0] * 100 + pairs[:, 1]
    month, day, hour, minute, second = (pairs[:, place] for place in range(2, 7))
    if year.min() < 1 or month.min() < 1 or month.max() > 12 or day.min() < 1 or day.max() > 31:
        return None
    if hour.max() > 23 or minute.max() > 59 or second.max() > 59:
        return None
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    if (
        day
        > ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    ).any():
        return None
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
    micros: npt.NDArray[np.int64] = seconds * _MICROSECONDS
    return micros


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
    event_time: pa.Array, unreadable: npt.NDArray[np.bool_], delivered: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Partition date, status of the time, hour and weekday.

    Args:
        event_time: timestamp[us, UTC] or null.
        unreadable: where a time was given but could not be read; it counts as missing.
        delivered: delivery of each record's file, microseconds since 1970 UTC.
    """
    missing = np.asarray(event_time.is_null()) | unreadable
    micros = event_time.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    days = micros // _DAY
    past = ~missing & (days < (_FIRST_DATE - schema.UNDATED).days)
    future = ~missing & (days > delivered // _DAY + 1)
    usable = ~(missing | past | future)
    status = np.select([missing, past, future], [1, 2, 3], 0).astype(np.int8)
    names = pa.array(["ok", "missing", "past", "future"])
    unusable = ~usable
    return {
        "event_time_status": names.take(pa.array(status)),
        "event_hour": pa.array(
            (micros % _DAY // (3_600 * _MICROSECONDS)).astype(np.int8), mask=unusable
        ),
        # 1970-01-01 was a Thursday, ISO weekday 4.
        "event_dow": pa.array(((days + 3) % 7 + 1).astype(np.int8), mask=unusable),
        "event_date": pa.array(np.where(usable, days, 0).astype(np.int32)).cast(pa.date32()),
    }


def address_kinds(addresses: pa.Array) -> pa.Array:
    """Source addresses -> ipv4, ipv6, service, aws_internal, other; null stays null."""
    encoded = addresses.dictionary_encode()
    kinds = pa.array(
        [_address_kind(value) for value in encoded.dictionary.to_pylist()], pa.string()
    )
    return kinds.take(encoded.indices)


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


def is_error(columns: dict[str, pa.Array]) -> pa.Array:
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


def addendum_reasons(addenda: pa.Array) -> pa.Array:
    """`addendum.reason` of the few records that have one."""
    if addenda.null_count == len(addenda):
        return pa.nulls(len(addenda), pa.string())
    reasons = [
        reason
        if text and isinstance(reason := _loosely(text.encode()).get("reason"), str)
        else None
        for text in addenda.to_pylist()
    ]
    return pa.array(reasons, pa.string())


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

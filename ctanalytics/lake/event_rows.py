"""Collects typed records of many files and turns them into the table `events`."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from ctanalytics.lake import columns, loose
from ctanalytics.lake.redact_records import PATHS_SEPARATOR
from ctanalytics.records import identity, schema
from ctanalytics.records.object_key import ObjectKey

_MAX_EXTRA: Final = 64
"""Unknown top-level keys that the typed parse learns; a file with still others is read slowly."""

_UNKNOWN_FIELD = re.compile(r"unknown field `(.+)` - at `\$\.Records\[\.\.\.\]`$", re.S)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_@.:-]{1,64}")
_OTHER_RECORDS = frozenset(("insightDetails", "timeWindow", "summary", "eventId", "accountId"))
"""Keys of Insights and aggregated events, which are no rows of `events`."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_MAX_DAYS: Final = 64
"""Days whose rows are collected apart; of a group of objects with more, the rest goes together."""
_MAX_WAITING: Final = 16_000
"""Records that wait for their day's chunk to fill, at most: about 80 MB."""

_PARSED: Final[tuple[tuple[str, columns.Parse, dict[str, pa.DataType]], ...]] = (
    ("user_identity", identity.parse, schema.IDENTITY_COLUMNS),
    ("_tls", columns.parse_tls, dict.fromkeys(schema.TLS_COLUMNS, schema.TEXT)),
    ("resources", columns.parse_arns, {"resource_arns": pa.list_(schema.TEXT)}),
    ("addendum", columns.parse_addendum, {"addendum_reason": schema.TEXT}),
)
"""Columns of JSON text with what is read from them, once per distinct text."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that records come from."""

    bucket: str
    key: str
    parsed: ObjectKey
    now: dt.datetime

    @property
    def name(self) -> str:
        """What the column source_object holds."""
        return f"{self.bucket}/{self.key}"

    @property
    def delivered_micros(self) -> int:
        """Delivery time, microseconds since 1970; now when the key doesn't tell."""
        return ((self.parsed.stamp or self.now) - _EPOCH) // dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring records of one object."""

    origin: Origin
    count: int
    first: int


@dataclass
class _Day:
    """Rows of one day on their way into columns; the day is the first ten characters of a time."""

    records: list[Any] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)
    chunks: list[pa.RecordBatch] = field(default_factory=list)


@dataclass
class EventRows:
    """Records in, one Arrow table out. Columns are made each time a chunk is full.

    Days are kept apart from the first, since they go to files of their own: cutting a finished
    table costs 0.5 us a row, asking a file for its first and last time 0.1.
    """

    _extra: list[str] = field(default_factory=list)
    _days: dict[str, _Day] = field(default_factory=dict)
    _waiting: int = 0

    def __post_init__(self) -> None:
        self._set_types()

    def _set_types(self) -> None:
        self._type = columns.record_struct(self._extra)
        file = msgspec.defstruct("File", [("Records", list[self._type])], gc=False)  # type: ignore[name-defined]  # made at run time
        self._decode = msgspec.json.Decoder(file).decode

    def parse(self, content: bytes) -> list[Any] | None:
        """Decode `{"Records": [...]}`; None when the text is not exactly that, well typed.

        A top-level key that no documentation names is learned, so that the day on which AWS adds
        one does not send every file down the slow way.
        """
        while True:
            try:
                return self._decode(content).Records  # type: ignore[attr-defined,no-any-return]  # of the same
            except msgspec.ValidationError as error:
                match = _UNKNOWN_FIELD.search(str(error))
                if match is None or not self._learn(match[1]):
                    return None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return None

    def _learn(self, key: str) -> bool:
        if (
            key in self._extra
            or key in _OTHER_RECORDS
            or len(self._extra) >= _MAX_EXTRA
            or not _PLAIN_KEY.fullmatch(key)
        ):
            return False
        self._flush()  # what waits has the narrower type
        self._extra.append(key)
        self._set_types()
        return True

    def make(self, found: loose.Record, text: bytes, masked: Sequence[str] = ()) -> Any:
        """Build one record of what fits its type; the rest goes to unknown_fields.

        Args:
            text: the record as it came.
            masked: paths whose values are hidden in `found`.
        """
        values, unfit = loose.fit(found)
        record = self._type(**values)
        if unfit:
            record.unfit = msgspec.json.encode(unfit).decode()
        if masked:
            record.masked_paths = PATHS_SEPARATOR.join(masked)
        if masked or not record.eventID:
            record.sha256 = hashlib.sha256(text).hexdigest()
        return record

    def take(self, origin: Origin, records: list[Any], *, first: int = 0) -> None:
        """Keep records of one object; `first` is the place of the first one in it."""
        for name, some in _by_day(records):
            day = self._day(name)
            day.records += some
            day.runs.append(_Run(origin, len(some), first))
            first += len(some)
            self._waiting += len(some)
            if len(day.records) >= columns.CHUNK:
                self._flush_day(day)
        if self._waiting >= _MAX_WAITING:
            self._flush()

    def table(self, plan_id: int) -> pa.Table:
        """Return all rows, those of a day together, in schema.EVENTS' columns.

        Texts that repeat are dictionaries, each day's its own; `columns.plain` undoes that.
        """
        self._flush()
        tables = [self._table_of(day, plan_id) for day in self._days.values()]
        return pa.concat_tables(tables) if tables else schema.EVENTS.empty_table()

    def _day(self, name: str) -> _Day:
        if name not in self._days and len(self._days) >= _MAX_DAYS:
            name = ""
        return self._days.setdefault(name, _Day())

    def _table_of(self, day: _Day, plan_id: int) -> pa.Table:
        rows = pa.Table.from_batches(day.chunks)
        day.chunks.clear()
        made = columns.with_dictionaries(rows)
        made["is_error"] = columns.is_error(rows)
        for name, parse, kinds in _PARSED:
            made |= zip(kinds, columns.parsed(made[name], parse, kinds.values()), strict=True)
        made["source_ip_kind"] = columns.address_kinds(made["source_ip_address"])
        made |= _origins(day.runs)
        made |= columns.dates(made["event_time"], made.pop("_unreadable"), made.pop("_delivered"))
        made["account_id"] = _accounts(
            made["recipient_account_id"], made.pop("_path_account"), made["identity_account_id"]
        )
        made["plan_id"] = pa.array(np.full(len(rows), plan_id), pa.int64())
        return pa.table({name: made[name] for name in schema.EVENTS.names})

    def _flush(self) -> None:
        for day in self._days.values():
            self._flush_day(day)

    def _flush_day(self, day: _Day) -> None:
        if day.records:
            day.chunks.append(self._chunk(day.records))
            self._waiting -= len(day.records)
            day.records.clear()

    def _chunk(self, records: list[Any]) -> pa.RecordBatch:
        names = self._type.__struct_fields__
        values = dict(zip(names, zip(*map(astuple, records), strict=True), strict=True))
        event_time, unreadable = columns.times(values["eventTime"])
        made: dict[str, pa.Array] = {"event_time": event_time, "_unreadable": pa.array(unreadable)}
        for name, column in schema.STRING_FIELDS.items():
            made[column] = pa.array(values[name], pa.string())
        for name in columns.BOOLS:
            made[schema.BOOL_FIELDS[name]] = pa.array(values[name], pa.bool_())
        made["session_credential_from_console"] = columns.flags(
            values["sessionCredentialFromConsole"]
        )
        for name, column in schema.JSON_FIELDS.items():
            made[column] = columns.json_text(values[name])
        made["_tls"] = columns.json_text(values["tlsDetails"])
        made["user_identity"] = columns.json_text(values["userIdentity"])
        unfit = loose.with_times(values["unfit"], values["eventTime"], unreadable)
        extra = [values[f"extra_{place}"] for place in range(len(self._extra))]
        made["unknown_fields"] = columns.unknown_fields(unfit, self._extra, extra)
        made["record_sha256"] = pa.array(values["sha256"], pa.string())
        made["masked_paths"] = pa.array(values["masked_paths"], pa.string())
        return pa.RecordBatch.from_arrays(list(made.values()), list(made))


def _by_day(records: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Records in runs of one day, as their times' texts tell it; most files are one run."""
    if not records:
        return
    try:
        moments = [record.eventTime for record in records]
        day = min(moments)[:10]
        # What lies between two texts with one beginning begins so too.
        if max(moments)[:10] == day:
            yield day, records
            return
    except TypeError:  # a record without a time
        pass
    for day, run in groupby(records, key=lambda record: (record.eventTime or "")[:10]):
        yield day, list(run)


def _accounts(*candidates: pa.Array) -> pa.Array:
    """The first account that is told, for each row."""
    if not candidates[0].null_count:
        return candidates[0]
    texts = [candidate.cast(schema.TEXT) for candidate in candidates]
    return pc.coalesce(*texts).dictionary_encode()


def _origins(runs: list[_Run]) -> dict[str, pa.Array]:
    counts = np.fromiter((run.count for run in runs), np.int64, len(runs))
    places = np.repeat(np.arange(len(runs), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    firsts = np.fromiter((run.first for run in runs), np.int64, len(runs))
    rows = np.arange(len(places)) + np.repeat(firsts - starts, counts)
    names = pa.array([run.origin.name for run in runs], pa.string())
    accounts = pa.array([run.origin.parsed.account_id for run in runs], pa.string())
    delivered = np.fromiter((run.origin.delivered_micros for run in runs), np.int64, len(runs))
    return {
        "source_object": columns.spread(names, pa.array(places)),
        "source_row": pa.array(rows.astype(np.int32)),
        "_path_account": columns.spread(accounts, pa.array(places)),
        "_delivered": delivered[places],
    }

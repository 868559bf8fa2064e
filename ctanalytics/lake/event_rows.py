"""Collects typed records of many files and turns them into the table `events`."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from ctanalytics.lake import columns, loose
from ctanalytics.records import identity, schema
from ctanalytics.records.object_key import ObjectKey

_MAX_EXTRA: Final = 64
"""Unknown top-level keys that the typed parse learns; a file with still others is read slowly."""

_UNKNOWN_FIELD = re.compile(r"unknown field `(.+)` - at `\$\.Records\[\.\.\.\]`$", re.S)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_@.:-]{1,64}")
_OTHER_RECORDS = frozenset(("insightDetails", "timeWindow", "summary", "eventId", "accountId"))
"""Keys of Insights and aggregated events, which are no rows of `events`."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_IDENTITY_KINDS = tuple(schema.IDENTITY_COLUMNS.values())
_TLS_KINDS = (schema.TEXT,) * len(schema.TLS_COLUMNS)


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
class EventRows:
    """Records in, one Arrow table out. Columns are made each time a chunk is full."""

    _extra: list[str] = field(default_factory=list)
    _records: list[Any] = field(default_factory=list)
    _runs: list[_Run] = field(default_factory=list)
    _chunks: list[pa.RecordBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._identity = columns.Spread(identity.parse)
        self._tls = columns.Spread(columns.parse_tls)
        self._resources = columns.Spread(columns.parse_arns)
        self._set_types()

    def _set_types(self) -> None:
        self._type = columns.record_struct(self._extra)
        file = msgspec.defstruct("File", [("Records", list[self._type])], gc=False)  # type: ignore[name-defined]
        self._decode = msgspec.json.Decoder(file).decode

    def parse(self, content: bytes) -> list[Any] | None:
        """Decode `{"Records": [...]}`; None when the text is not exactly that, well typed.

        A top-level key that no documentation names is learned, so that the day on which AWS adds
        one does not send every file down the slow way.
        """
        while True:
            try:
                return self._decode(content).Records  # type: ignore[attr-defined,no-any-return]
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

    def make(self, found: loose.Record, text: bytes) -> Any:
        """Build one record of what fits its type; the rest goes to unknown_fields."""
        values, unfit = loose.fit(found)
        record = self._type(**values)
        if unfit:
            record.unfit = msgspec.json.encode(unfit).decode()
        if not record.eventID:
            record.sha256 = hashlib.sha256(text).hexdigest()
        return record

    def take(self, origin: Origin, records: list[Any], *, first: int = 0) -> None:
        """Keep records of one object; `first` is the place of the first one in it."""
        if not records:
            return
        self._records += records
        self._runs.append(_Run(origin, len(records), first))
        if len(self._records) >= columns.CHUNK:
            self._flush()

    def table(self, plan_id: int) -> pa.Table:
        """Return all rows, in schema.EVENTS' columns."""
        self._flush()
        if not self._chunks:
            return schema.EVENTS.empty_table()
        rows = pa.Table.from_batches(self._chunks).combine_chunks()
        made = {name: rows[name].chunk(0) for name in rows.column_names}
        made |= zip(
            schema.IDENTITY_COLUMNS,
            self._identity.columns(made["_identity"], _IDENTITY_KINDS),
            strict=True,
        )
        made |= zip(schema.TLS_COLUMNS, self._tls.columns(made["_tls"], _TLS_KINDS), strict=True)
        (made["resource_arns"],) = self._resources.columns(
            made["_resources"], (pa.list_(schema.TEXT),)
        )
        made["user_identity"] = self._identity.text(made["_identity"])
        made["account_id"] = pc.coalesce(
            made["recipient_account_id"], made["_path_account"], made["identity_account_id"]
        )
        made["source_ip_kind"] = columns.address_kinds(made["source_ip_address"])
        made["is_error"] = columns.is_error(made)
        made["addendum_reason"] = columns.addendum_reasons(made["addendum"])
        made["plan_id"] = pa.array(np.full(len(rows), plan_id), pa.int64())
        return pa.table([made[name] for name in schema.EVENTS.names], schema=schema.EVENTS)

    def _flush(self) -> None:
        if not self._records:
            return
        values = list(zip(*map(astuple, self._records), strict=True))
        fields = iter(values)
        times = next(fields)
        event_time, unreadable = columns.times(times)
        made: dict[str, pa.Array] = {"event_time": event_time}
        for column in schema.STRING_FIELDS.values():
            made[column] = pa.array(next(fields), pa.string())
        for name in columns.BOOLS:
            made[schema.BOOL_FIELDS[name]] = pa.array(next(fields), pa.bool_())
        made["session_credential_from_console"] = columns.flags(next(fields))
        for column in schema.JSON_FIELDS.values():
            raw = next(fields)
            made[column] = columns.json_text(raw)
            if column == "resources":
                made["_resources"] = pa.array(self._resources.indices(raw))
        made["_tls"] = pa.array(self._tls.indices(next(fields)))
        made["_identity"] = pa.array(self._identity.indices(next(fields)))
        unfit, sha256 = loose.with_times(next(fields), times, unreadable), next(fields)
        made["unknown_fields"] = columns.unknown_fields(unfit, self._extra, list(fields))
        made["record_sha256"] = pa.array(sha256, pa.string())
        made |= _origins(self._runs)
        delivered = made.pop("_delivered").to_numpy()
        made |= columns.dates(event_time, unreadable, delivered)
        self._chunks.append(pa.RecordBatch.from_arrays(list(made.values()), list(made)))
        self._records.clear()
        self._runs.clear()


def _origins(runs: Sequence[_Run]) -> dict[str, pa.Array]:
    counts = np.fromiter((run.count for run in runs), np.int64, len(runs))
    spread = pa.array(np.repeat(np.arange(len(runs), dtype=np.int32), counts))
    starts = np.cumsum(counts) - counts
    rows = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    rows += np.repeat(np.fromiter((run.first for run in runs), np.int64, len(runs)), counts)
    accounts = pa.array([run.origin.parsed.account_id for run in runs], pa.string())
    delivered = pa.array([run.origin.delivered_micros for run in runs], pa.int64())
    return {
        "source_object": pa.array([run.origin.name for run in runs], pa.string()).take(spread),
        "source_row": pa.array(rows.astype(np.int32)),
        "_path_account": accounts.take(spread),
        "_delivered": delivered.take(spread),
    }

"""The decode kernel: bytes of log files -> Arrow tables, and what could not become rows.

Most files take the fast path: one typed parse of the whole file. A file that is not exactly
`{"Records": [...]}` with fields of their documented types is read again record by record, so that
one odd record costs none of its neighbours.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import pyarrow as pa

from ctanalytics.lake import containers, loose
from ctanalytics.lake.columns import plain
from ctanalytics.lake.config_file import Cutter, DamagedError, Unpacked
from ctanalytics.lake.config_rows import ConfigRows, Spill
from ctanalytics.lake.drop import Dropped
from ctanalytics.lake.event_rows import EventRows, Origin
from ctanalytics.lake.treatment import Treatment
from ctanalytics.lake.unpack import unpack
from ctanalytics.records import object_key, schema

_MAX_TAIL: Final = 65_536
"""Bytes kept of what follows the first gzip member."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one object is read."""

    max_decompressed_bytes: int = 1024 * 1024 * 1024
    max_expansion: int = 1_100


@dataclass(frozen=True, slots=True)
class Fault:
    """What could not become a row: a record, or (record is None) a whole object or its tail."""

    bucket: str
    key: str
    record: int | None
    json_path: str | None
    reason: str
    detail: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object; the ledger's columns of the same names."""

    kind: str
    state: str
    reason: str | None
    records: int
    records_quarantined: int
    bytes_decompressed: int
    sha256: str | None


@dataclass
class Decoded:
    """What `Decoder.finish` hands out: rows by table, and faults."""

    events: pa.Table
    """Rows of a day together, texts that repeat as dictionaries; see `EventRows.table`."""
    insights: pa.Table
    aggregated: pa.Table
    config_items: pa.Table
    """Of AWS Config, but for those that `Decoder.spill` was given."""
    faults: list[Fault]
    dropped: Dropped
    """What rules of the settings and erasure requests have left out."""

    def in_file_order(self) -> Decoded:
        """The same of one file, its events in the file's order and in schema.EVENTS' own types."""
        events = plain(self.events).sort_by("source_row")
        return replace(self, events=events.cast(schema.EVENTS))


class _Size(NamedTuple):
    bytes_decompressed: int
    sha256: str | None


@dataclass
class Decoder:
    """Takes objects one by one, and gives all their rows as Arrow tables.

    Use one for a group of objects (a few MiB compressed): what they share is parsed once.
    """

    limits: Limits = field(default_factory=Limits)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    plan_id: int = 0
    treatment: Treatment = field(default_factory=Treatment)
    """What is hidden and left out; nothing unless told."""
    spill: Spill | None = None
    """Takes configuration items of a file that has too many to hold them all."""
    faults: list[Fault] = field(default_factory=list)
    _rows: EventRows = field(default_factory=EventRows)
    _insights: list[dict[str, Any]] = field(default_factory=list)
    _aggregated: list[dict[str, Any]] = field(default_factory=list)
    _config: ConfigRows = field(init=False)

    def __post_init__(self) -> None:
        self._config = ConfigRows(self.treatment, self.plan_id, self.spill)

    def add(self, bucket: str, key: str, data: bytes) -> Outcome:
        """Take one object, gzip or plain; nothing it holds raises an error."""
        origin = Origin(bucket, key, object_key.parse(key), self.now)
        if origin.parsed.kind == "config":
            outcome = self._config_file(origin, data)
            if outcome is not None:
                return outcome
        cap = min(
            self.limits.max_decompressed_bytes,
            max(len(data), 1_024) * self.limits.max_expansion,
        )
        inflated = unpack(data, max_bytes=cap)
        if inflated.reason is None:
            return self._content(origin, inflated.content)
        if inflated.reason != "trailing_data":
            return self._refused(origin, inflated.reason, inflated.detail)
        tail = self.treatment.set_aside(inflated.trailing[:_MAX_TAIL])
        self.faults.append(Fault(bucket, key, None, None, inflated.reason, inflated.detail, tail))
        outcome = self._content(origin, inflated.content)
        reason = "; ".join(filter(None, (inflated.detail, outcome.reason)))
        return replace(
            outcome,
            state="partial" if outcome.state in ("ingested", "empty") else outcome.state,
            reason=reason,
        )

    def finish(self) -> Decoded:
        """Hand out all rows taken so far."""
        events, dropped = self.treatment.keep(self._rows.table(self.plan_id))
        items = self._config.table()
        dropped.by_rule += self._config.dropped.by_rule
        dropped.by_object += self._config.dropped.by_object
        return Decoded(
            events=events,
            insights=_table(self._insights, schema.INSIGHTS, self.plan_id),
            aggregated=_table(self._aggregated, schema.AGGREGATED, self.plan_id),
            config_items=items,
            faults=self.faults,
            dropped=dropped,
        )

    def _content(self, origin: Origin, content: bytes) -> Outcome:
        size = _Size(len(content), hashlib.sha256(content).hexdigest())
        if origin.parsed.kind in ("digest", "companion"):
            return _skipped(origin.parsed.kind, size)
        records = self._fast(content)
        if records is None:
            return self._slow(origin, content, size)
        self.treatment.hide(content, records)
        self._rows.take(origin, records)
        kind = _told(["log"] if records else [], origin.parsed.kind)
        state = "ingested" if records else "empty"
        return Outcome(_kind(kind), state, None, len(records), 0, *size)

    def _config_file(self, origin: Origin, data: bytes) -> Outcome | None:
        """Take a file of AWS Config piece by piece; None when it turns out to be none."""
        unpacked, cutter = Unpacked(data), Cutter()
        damage: DamagedError | None = None
        items = refused = 0
        try:
            for piece in unpacked.pieces():
                for text in cutter.feed(piece):
                    refused += self._config_item(origin, items, text)
                    items += 1
        except DamagedError as error:
            damage = error
        if not cutter.found:
            return None
        fault = cutter.fault()
        if damage is None and fault:
            damage = DamagedError("not_json", fault)
        elif damage is None and cutter.too_large:
            damage = DamagedError("too_large", f"{cutter.too_large} items are too large")
        if damage is not None:
            what = (None, None, damage.reason, damage.detail, None)
            self.faults.append(Fault(origin.bucket, origin.key, *what))
        return _config_outcome(items, refused, damage, unpacked)

    def _config_item(self, origin: Origin, place: int, text: bytes) -> bool:
        """Take one configuration item; tells whether it is set aside."""
        found = self._config.take(origin, place, text)
        if found is None:
            return False
        kept = self.treatment.set_aside(text)
        what = (place, found.json_path, found.reason, found.detail, kept)
        self.faults.append(Fault(origin.bucket, origin.key, *what))
        return True

    def _fast(self, content: bytes) -> list[Any] | None:
        """The whole file in one typed parse; None when it needs the careful way."""
        if not content.isascii() and not _is_utf8(content):
            return None
        records = self._rows.parse(content)
        if records is None:
            return None
        if any(not record.eventID for record in records):
            return None
        kinds = {
            (record.eventVersion, record.eventCategory, record.eventType) for record in records
        }
        return records if all(_is_plain(*kind) for kind in kinds) else None

    def _slow(self, origin: Origin, content: bytes, size: _Size) -> Outcome:
        contents = containers.read(content)
        if contents.kind in ("digest", "companion"):
            return _skipped(contents.kind, size)
        if contents.kind == "config":
            outcome = self._config_file(origin, content)
            return outcome or _skipped("config", size)
        items = contents.items
        if items and all(item.reason == "not_cloudtrail" for item in items):
            return self._refused(origin, "not_cloudtrail", items[0].detail, size)
        if contents.kind == "unknown":
            return self._refused(origin, "not_json", items[0].detail, size)
        kinds = [self._one(origin, place, item) for place, item in enumerate(items)]
        refused = kinds.count("refused")
        kind = _told(kinds, origin.parsed.kind)
        if not refused:
            state = "ingested" if items else "empty"
            return Outcome(_kind(kind), state, None, len(items), 0, *size)
        state = "quarantined" if refused == len(items) else "partial"
        reason = f"{refused} of {len(items)} records are set aside"
        return Outcome(_kind(kind), state, reason, len(items), refused, *size)

    def _one(self, origin: Origin, place: int, item: containers.Item) -> str:
        """Take one record; tells which kind of row it became, or "refused"."""
        hidden = self.treatment.hidden(item.text)
        text, masked = hidden or (item.text, ())
        found = loose.read(replace(item, text=text))
        if hidden is None and isinstance(found, loose.Record):
            found = loose.RecordFault("not_json", "what has to be hidden in it can't be found")
        if isinstance(found, loose.RecordFault):
            self.faults.append(
                Fault(
                    origin.bucket,
                    origin.key,
                    place,
                    found.json_path,
                    found.reason,
                    found.detail,
                    self.treatment.set_aside(item.text),
                )
            )
            return "refused"
        kind = loose.kind_of(found.head)
        if kind == "log":
            self._rows.take(origin, [self._rows.make(found, item.text, masked)], first=place)
            return kind
        row = loose.insight(found.head) if kind == "insight" else loose.aggregated(found.head)
        row["account_id"] = row["account_id"] or origin.parsed.account_id
        row["aws_region"] = row["aws_region"] or origin.parsed.aws_region
        row |= {
            "record": found.text.decode(),
            "source_object": origin.name,
            "source_row": place,
        }
        (self._insights if kind == "insight" else self._aggregated).append(row)
        return kind

    def _refused(
        self, origin: Origin, reason: str, detail: str, size: _Size | None = None
    ) -> Outcome:
        self.faults.append(Fault(origin.bucket, origin.key, None, None, reason, detail, None))
        found = size or _Size(0, None)
        return Outcome(origin.parsed.kind, "quarantined", f"{reason}: {detail}", 0, 0, *found)


def decode(data: bytes, *, key: str = "") -> Decoded:
    """Decode one log file, gzip or plain: rows as Arrow tables, and what could not become rows.

    Args:
        data: the object as it lies in the bucket.
        key: its S3 key or path, which may tell the account and the delivery time.
    """
    decoder = Decoder()
    decoder.add("file", key, data)
    return decoder.finish().in_file_order()


def _skipped(kind: str, size: _Size) -> Outcome:
    return Outcome(kind, "skipped", f"a {kind} file holds no events", 0, 0, *size)


def _config_outcome(
    items: int, refused: int, damage: DamagedError | None, unpacked: Unpacked
) -> Outcome:
    # Of a file that ends early what came before is true all the same.
    reason = f"{refused} of {items} configuration items are set aside" if refused else None
    if damage is not None:
        reason = "; ".join(filter(None, (f"{damage.reason}: {damage.detail}", reason)))
    state = "ingested" if items else "empty"
    if reason:
        state = "partial" if items > refused else "quarantined"
    sha256 = unpacked.sha256 if damage is None else None
    return Outcome("config", state, reason, items, refused, unpacked.size, sha256)


def _told(kinds: list[str], by_key: str) -> str:
    """What a file's records say it is; `by_key` where they differ or can't tell more than the key."""
    only = kinds[0] if len(set(kinds)) == 1 else "refused"
    silent = only == "refused" or (only == "log" and by_key == "network_activity")
    return by_key if silent else only


def _kind(kind: str) -> str:
    """What a file turned out to be: one whose key told nothing, but that held records, is a log."""
    return "log" if kind == "unknown" else kind


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_plain(version: str | None, category: str | None, event_type: str | None) -> bool:
    """Whether records of these values are rows of `events`, of a version that we can read."""
    known = loose.major(version) in (None, 1)
    return known and loose.kind_of_values(category, event_type) == "log"


def _table(rows: list[dict[str, Any]], columns: pa.Schema, plan_id: int) -> pa.Table:
    return pa.Table.from_pylist([row | {"plan_id": plan_id} for row in rows], columns)

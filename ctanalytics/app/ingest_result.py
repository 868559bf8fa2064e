"""What an ingest came to: its counts, which always add up, and what a person should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.app.ingest_estimate import Estimate
from ctanalytics.app.ingest_plan import PlanDone
from ctanalytics.errors import LakeError
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES, RECORD_TABLES
from ctanalytics.sources.base import Source

_DONE: Final = ("ingested", "partial", "empty")


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did. `records_read` is always the sum of the four counts below it."""

    objects_listed: int = 0
    objects_ingested: int = 0
    objects_skipped: int = 0
    """Known from an earlier ingest, or digest and marker files."""
    objects_quarantined: int = 0
    objects_deferred: int = 0
    """Denied, gone or changed under our hands: the next ingest tries again."""
    objects_archived: int = 0
    messages_received: int = 0
    messages_ignored: int = 0
    """Deleted: tests, deletions, and objects that are not among the chosen ones."""
    messages_parked: int = 0
    """Not understood, or of a bucket that no source names: kept in `quarantine`, then deleted."""
    messages_kept: int = 0
    """Left in the queue, because their objects could not be read: they come again."""
    records_read: int = 0
    records_written: int = 0
    records_duplicate: int = 0
    records_filtered: int = 0
    records_quarantined: int = 0
    bytes_read: int = 0
    bytes_decompressed: int = 0
    list_requests: int = 0
    get_requests: int = 0
    seconds: float = 0.0
    dates: list[str] = field(default_factory=list)
    filtered_by_rule: dict[str, int] = field(default_factory=dict)
    """Records that rules of `[[ingest.drop]]` left out, by the name of the rule."""
    rows_by_table: dict[str, int] = field(default_factory=dict)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    """The first objects and records that could not become rows: object, record, reason, detail."""
    notes: list[str] = field(default_factory=list)
    estimate: Estimate | None = None
    """Of a dry run: what the ingest would ask of AWS."""

    @property
    def complete(self) -> bool:
        """Whether nothing was set aside and nothing waits for another try."""
        # What is set aside may also be of a plan that this run has finished for another.
        return not (
            self.objects_quarantined
            or self.objects_deferred
            or self.messages_parked
            or self.messages_kept
            or self.records_quarantined
            or self.set_aside
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is; handed to the caller now and then."""

    objects: int
    records: int
    bytes_read: int
    objects_total: int | None = None
    """Of the source under way and those before it; None: more than were listed ahead."""
    bytes_total: int | None = None
    listed: int = 0
    """Objects to read that a listing under way has found so far."""


Report = Callable[[Progress], None]

Agree = Callable[[Estimate], bool]
"""Asks whoever pays whether an ingest of so many objects is meant."""


@dataclass
class Counts:
    """Running sums of one ingest."""

    states: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    listed: int = 0
    known: int = 0
    archived: int = 0
    """Of the known ones: still in an archive."""
    records: int = 0
    quarantined: int = 0
    duplicates: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    """Records left out, by the rule that took them."""
    bytes_read: int = 0
    bytes_decompressed: int = 0
    gets: int = 0
    rewritten: int = 0
    dates: set[str] = field(default_factory=set)
    todo: int = 0
    todo_bytes: int = 0
    received: int = 0
    ignored: int = 0
    parked: int = 0
    kept: int = 0
    plan_ids: list[int] = field(default_factory=list)
    """Plans in which something was set aside or waits for another try."""

    def state(self, *names: str) -> int:
        """How many objects ended in one of some states."""
        return sum(self.states.get(name, 0) for name in names)

    def add(self, done: PlanDone) -> None:
        """Add what a plan came to."""
        for part in done.parts:
            for state, count in part["states"].items():
                self.states[state] = self.state(state) + count
            self.records += part["records"]
            self.quarantined += part["records_quarantined"]
            self.filtered.update(part["filtered_by_rule"])
            self.bytes_read += part["bytes_read"]
            self.bytes_decompressed += part["bytes_decompressed"]
            self.gets += part["gets"]
            self.rewritten += part["rewritten"]
        for name, count in done.rows.items():
            self.rows[name] = self.rows.get(name, 0) + count
        self.duplicates += done.duplicates
        self.dates |= {add["partition"] for add in done.adds.get("events", [])}


def result(
    counts: Counts,
    lake: Lake | None,
    sources: Sequence[Source],
    said: Sequence[str],
    seconds: float,
) -> IngestResult:
    """Add up, and check that every record is accounted for."""
    written = sum(counts.rows.get(name, 0) for name in RECORD_TABLES)
    filtered = counts.filtered.total()
    accounted = written + counts.duplicates + filtered + counts.quarantined
    if counts.records != accounted:
        raise LakeError(
            f"{counts.records} records were read, but {accounted} are accounted for",
            where=lake.uri if lake else "",
            mend="this is a fault of ctanalytics: please report it with this message",
        )
    noted = [note for source in sources for note in source.notes.texts]
    return IngestResult(
        objects_listed=counts.listed,
        objects_ingested=counts.state(*_DONE),
        objects_skipped=counts.known - counts.archived + counts.state("skipped"),
        objects_quarantined=counts.state("quarantined"),
        objects_deferred=counts.state(*ledgers.AGAIN),
        objects_archived=counts.archived + counts.state("archived"),
        messages_received=counts.received,
        messages_ignored=counts.ignored,
        messages_parked=counts.parked,
        messages_kept=counts.kept,
        records_read=counts.records,
        records_written=written,
        records_duplicate=counts.duplicates,
        records_filtered=filtered,
        records_quarantined=counts.quarantined,
        bytes_read=counts.todo_bytes or counts.bytes_read,
        bytes_decompressed=counts.bytes_decompressed,
        list_requests=sum(source.requests.lists for source in sources),
        get_requests=counts.gets + sum(source.requests.gets for source in sources),
        seconds=round(seconds, 3),
        dates=sorted(counts.dates),
        filtered_by_rule=dict(counts.filtered),
        rows_by_table={name: counts.rows[name] for name in INGEST_TABLES if name in counts.rows},
        set_aside=_set_aside(lake, counts.plan_ids),
        notes=[*said, *noted, *_told(counts, explained=bool(noted))],
    )


def _told(counts: Counts, *, explained: bool) -> Iterator[str]:
    """Say what a person should know, above all why nothing came."""
    if counts.rewritten:
        yield (
            f"{counts.rewritten} objects have other content than when they were read before; "
            "log files never change: compare them with their digests. The old rows stay "
            "(select * from ingest_files where reason like '%another%')"
        )
    new = counts.listed - counts.known
    if counts.parked:
        yield (
            f"{counts.parked} messages of the queue are parked: they can't be understood, or name a "
            "bucket that is no source (select * from quarantined where bucket = 'sqs')"
        )
    if not counts.listed:
        if not counts.received and not explained:
            yield "nothing was listed: no object lies in the chosen span, accounts, regions"
    elif not new:
        yield f"all {counts.known} objects are known from earlier ingests"
    elif new == counts.state("denied"):
        yield f"none of the {new} new objects may be read: each is denied, by whom is in set_aside"
    elif new == counts.state("archived"):
        yield (
            f"all {new} new objects lie in an archive storage class: `--restore DAYS` asks S3 for "
            "them, a later ingest takes them"
        )


def _set_aside(lake: Lake | None, plan_ids: list[int], limit: int = 50) -> list[dict[str, Any]]:
    if lake is None or not plan_ids:
        return []
    with lake.engine() as engine:
        rows = engine.run("lake/set_aside", plans=plan_ids, limit=limit)
    found: list[dict[str, Any]] = rows.to_pylist()
    return found

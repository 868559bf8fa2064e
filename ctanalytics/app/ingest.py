"""Ingest: list, leave out what the ledger knows, decode, deduplicate, commit, count.

The work goes in plans of bounded size (`lake.plans`). A crash anywhere leaves a plan that the
next ingest of any process finishes; so rows come exactly once, whoever does the work.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ctanalytics.app import ingest_plan
from ctanalytics.app.ingest_part import listed
from ctanalytics.app.ingest_plan import PlanDone
from ctanalytics.engines.executor import Executor
from ctanalytics.engines.local import LocalExecutor, cores
from ctanalytics.errors import LakeError, LakeMissing, SourceError
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake import plans
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES
from ctanalytics.settings import Settings
from ctanalytics.sources.base import Selection, Source, open_source

_RECORD_TABLES: Final = ("events", "event_conflicts", "aws_insights", "aggregated_events")
_DONE: Final = ("ingested", "partial", "empty")
_WAIT_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did. `records_read` is always the sum of the four counts below it."""

    objects_listed: int = 0
    objects_ingested: int = 0
    objects_skipped: int = 0
    """Known from an earlier ingest, or digest, Config and marker files."""
    objects_quarantined: int = 0
    objects_deferred: int = 0
    """Denied, gone or changed under our hands: the next ingest tries again."""
    objects_archived: int = 0
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
    rows_by_table: dict[str, int] = field(default_factory=dict)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    """The first objects and records that could not become rows: object, record, reason, detail."""
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing was set aside and nothing waits for another try."""
        # What is set aside may also be of a plan that this run has finished for another.
        return not (
            self.objects_quarantined
            or self.objects_deferred
            or self.records_quarantined
            or self.set_aside
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is; handed to the caller now and then."""

    objects: int
    records: int
    bytes_read: int


Report = Callable[[Progress], None]


@dataclass
class _Counts:
    """Running sums of one ingest."""

    states: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    listed: int = 0
    known: int = 0
    records: int = 0
    quarantined: int = 0
    duplicates: int = 0
    bytes_read: int = 0
    bytes_decompressed: int = 0
    gets: int = 0
    rewritten: int = 0
    dates: set[str] = field(default_factory=set)
    plan_ids: list[int] = field(default_factory=list)
    """Plans in which something was set aside or waits for another try."""

    def state(self, *names: str) -> int:
        return sum(self.states.get(name, 0) for name in names)

    def add(self, done: PlanDone) -> None:
        """Add what a plan came to."""
        for part in done.parts:
            for state, count in part["states"].items():
                self.states[state] = self.state(state) + count
            self.records += part["records"]
            self.quarantined += part["records_quarantined"]
            self.bytes_read += part["bytes_read"]
            self.bytes_decompressed += part["bytes_decompressed"]
            self.gets += part["gets"]
            self.rewritten += part["rewritten"]
        for name, count in done.rows.items():
            self.rows[name] = self.rows.get(name, 0) + count
        self.duplicates += done.duplicates
        self.dates |= {add["partition"] for add in done.adds.get("events", [])}


def ingest(
    sources: Sequence[str],
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    retry: bool = False,
    dry_run: bool = False,
    executor: Executor | None = None,
    progress: Report | None = None,
) -> IngestResult:
    """Bring the log files of the sources into the lake, each event once.

    Args:
        sources: folders, files, or s3://bucket[/prefix].
        lake: where the lake is; it is made when there is none.
        since: take only objects that can hold events of this time on (chosen objects are taken
            whole).
        until: take only objects delivered for events before this time.
        accounts: only these account ids; empty: all.
        regions: only these regions; empty: all.
        retry: also take again what was set aside before.
        dry_run: list and count only.

    Raises:
        SourceError: a source can't be listed.
        LakeError: the lake can't be opened or written.
    """
    settings = settings or Settings()
    started = time.monotonic()
    opened = [open_source(text, settings.source_aws) for text in sources]
    here = lake if isinstance(lake, Lake) else _lake(lake, settings, dry_run=dry_run)
    selection = Selection(
        since=since,
        until=until,
        accounts=frozenset(accounts),
        regions=frozenset(regions),
        slack_days=settings.ingest.delivery_slack_days,
    )
    own = None if executor else LocalExecutor(settings.ingest.workers or cores())
    run = _Run(here, settings, executor or own or LocalExecutor(1), retry, dry_run, progress)
    try:
        run.settle()
        for source in opened:
            run.take(source, run.bounded(source, selection))
    finally:
        if own:
            own.close()
    return run.result(opened, time.monotonic() - started)


def _lake(uri: str, settings: Settings, *, dry_run: bool) -> Lake | None:
    if not dry_run:
        return Lake.create(uri, settings.lake_aws)
    try:
        return Lake.open(uri, settings.lake_aws)
    except LakeMissing:
        return None


class _Run:
    """One ingest under way."""

    def __init__(
        self,
        lake: Lake | None,
        settings: Settings,
        executor: Executor,
        retry: bool,
        dry_run: bool,
        progress: Report | None,
    ) -> None:
        self.place = lake
        self.settings = settings
        self.executor = executor
        self.retry = retry
        self.dry_run = dry_run
        self.progress = progress
        self.counts = _Counts()
        self.notes: list[str] = []
        self.known = ledgers.Ledger(lake) if lake else None
        self.settings_hash = _hash(settings)

    @property
    def lake(self) -> Lake:
        """The lake; a dry run over a place without one never asks."""
        if self.place is None:
            raise LakeError("there is no lake", mend="ingest without --dry-run makes it")
        return self.place

    def settle(self) -> None:
        """Finish what an earlier ingest has left, and wait for one that is at work."""
        if self.place is None or self.dry_run:
            return
        while True:
            plan_id = plans.roll_forward(self.lake)
            plans.sweep(self.lake)
            if plans.pending(self.lake, plan_id) is None:
                return
            with self.lake.lease(plans.lease_name(plan_id), wait_seconds=_WAIT_SECONDS):
                # Whoever held the lease may have ended the plan meanwhile.
                plan = plans.pending(self.lake, plan_id)
                if plan is not None and plans.version(self.lake) < plan_id:
                    self._run_plan(plan, own=False)

    def bounded(self, source: Source, selection: Selection) -> Selection:
        """An S3 source that was never read and no --since: the last weeks, said aloud."""
        first = self.settings.ingest.first_days
        in_s3 = source.name.startswith("s3://")
        if not in_s3 or selection.since or (self.known and not self.known.is_empty()):
            return selection
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=first)
        self.notes.append(
            f"{source.name}: first ingest without --since takes the last {first} days "
            f"(from {since:%Y-%m-%d}); give --since for more"
        )
        return replace(selection, since=since)

    def take(self, source: Source, selection: Selection) -> None:
        """Ingest one source, plan by plan."""
        for objects in self._plans_of(source, selection):
            if self.dry_run or self.known is None:
                self.counts.bytes_read += sum(found["size_bytes"] for found in objects)
                self.counts.states["todo"] = self.counts.state("todo") + len(objects)
                continue
            while not self._ended(source, objects):
                # Another ingest had the number; what it leaves has to be settled first.
                self.settle()

    def _plans_of(self, source: Source, selection: Selection) -> Iterator[list[dict[str, Any]]]:
        """Unknown objects, in groups that fit one plan."""
        limits = self.settings.ingest
        waiting: list[dict[str, Any]] = []
        size = 0
        for batch in source.list(selection):
            objects = [listed(obj) for obj in batch]
            self.counts.listed += len(objects)
            todo = self.known.unknown(objects, retry=self.retry) if self.known else objects
            self.counts.known += len(objects) - len(todo)
            for found in todo:
                if waiting and (
                    size + found["size_bytes"] > limits.plan_bytes
                    or len(waiting) >= limits.plan_objects
                ):
                    yield waiting
                    waiting, size = [], 0
                waiting.append(found)
                size += found["size_bytes"]
        if waiting:
            yield waiting

    def _ended(self, source: Source, objects: list[dict[str, Any]]) -> bool:
        """Claim the next plan number for these objects and run it; False when it was taken."""
        plan_id = plans.roll_forward(self.lake)
        name = plans.lease_name(plan_id)
        with self.lake.lease(name, wait_seconds=_WAIT_SECONDS) as lease:
            # Since they were listed, another ingest may have read some of them.
            todo = self.known.unknown(objects, retry=self.retry) if self.known else objects
            plan = {
                "plan_id": plan_id,
                "owner": lease.holder,
                "source": source.spec(),
                "settings_hash": self.settings_hash,
                "objects": todo,
            }
            if todo and not plans.claim(self.lake, plan):
                return False
            self.counts.known += len(objects) - len(todo)
            if todo:
                self._run_plan(plan, own=True)
        return True

    def _run_plan(self, plan: plans.Plan, *, own: bool) -> None:
        plan_id = plan["plan_id"]
        try:
            done = ingest_plan.run(
                plan, self.lake, self.executor, self.settings.ingest, self._reported()
            )
        except SourceError as error:
            if own:
                raise
            self._defer(plan, error.what)
            return
        if not done.won:
            self.notes.append(f"plan {plan_id} was finished by another ingest meanwhile")
            return
        if done.set_aside:
            self.counts.plan_ids.append(plan_id)
        if own:
            self.counts.add(done)
            return
        set_aside = sum(part["records_quarantined"] for part in done.parts)
        self.notes.append(
            f"finished plan {plan_id} of an earlier ingest: {done.rows.get('events', 0)} events "
            f"of {len(plan['objects'])} objects, {set_aside} records set aside"
        )

    def _defer(self, plan: plans.Plan, reason: str) -> None:
        ingest_plan.defer(plan, self.lake, reason)
        self.counts.plan_ids.append(plan["plan_id"])
        self.notes.append(
            f"plan {plan['plan_id']} of an earlier ingest is closed without rows, because its "
            f"source can't be opened here ({reason}); its {len(plan['objects'])} objects come "
            "with the next ingest of that source"
        )

    def _reported(self) -> Callable[[dict[str, Any]], None]:
        """What tells the caller how far the ingest is, part by part of a plan."""
        objects, records = sum(self.counts.states.values()), self.counts.records
        size = self.counts.bytes_read

        def seen(part: dict[str, Any]) -> None:
            nonlocal objects, records, size
            objects += sum(part["states"].values())
            records += part["records"]
            size += part["bytes_read"]
            if self.progress:
                self.progress(Progress(objects, records, size))

        return seen

    def result(self, sources: Sequence[Source], seconds: float) -> IngestResult:
        """Add up, and check that every record is accounted for."""
        counts = self.counts
        written = sum(counts.rows.get(name, 0) for name in _RECORD_TABLES)
        accounted = written + counts.duplicates + counts.quarantined
        if counts.records != accounted:
            raise LakeError(
                f"{counts.records} records were read, but {accounted} are accounted for",
                where=self.lake.uri,
                mend="this is a fault of ctanalytics: please report it with this message",
            )
        notes = self.notes + [note for source in sources for note in source.notes.texts]
        if counts.rewritten:
            notes.append(
                f"{counts.rewritten} objects have other content than when they were read before; "
                "log files never change: compare them with their digests. The old rows stay "
                "(select * from ingest_files where reason like '%another%')"
            )
        if not counts.listed:
            notes.append("nothing was listed: no object lies in the chosen span, accounts, regions")
        elif counts.known == counts.listed:
            notes.append(f"all {counts.known} objects are known from earlier ingests")
        return IngestResult(
            objects_listed=counts.listed,
            objects_ingested=counts.state(*_DONE),
            objects_skipped=counts.known + counts.state("skipped"),
            objects_quarantined=counts.state("quarantined"),
            objects_deferred=counts.state(*ledgers.AGAIN),
            objects_archived=counts.state("archived"),
            records_read=counts.records,
            records_written=written,
            records_duplicate=counts.duplicates,
            records_quarantined=counts.quarantined,
            bytes_read=counts.bytes_read,
            bytes_decompressed=counts.bytes_decompressed,
            list_requests=sum(source.requests.lists for source in sources),
            get_requests=counts.gets,
            seconds=round(seconds, 3),
            dates=sorted(counts.dates),
            rows_by_table={
                name: counts.rows[name] for name in INGEST_TABLES if name in counts.rows
            },
            set_aside=_set_aside(self.place, counts.plan_ids),
            notes=notes,
        )


def _hash(settings: Settings) -> str:
    """What of the settings shapes rows; a ledger row tells with which it was made."""
    limits = settings.ingest
    shape = (limits.max_object_bytes, limits.max_decompressed_bytes, limits.max_expansion)
    return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]


def _set_aside(lake: Lake | None, plan_ids: list[int], limit: int = 50) -> list[dict[str, Any]]:
    if lake is None or not plan_ids:
        return []
    with lake.engine() as engine:
        rows = engine.run("lake/set_aside", plans=plan_ids, limit=limit)
    found: list[dict[str, Any]] = rows.to_pylist()
    return found

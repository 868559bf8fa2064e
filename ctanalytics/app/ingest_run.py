"""One ingest under way: what was left is settled, objects are claimed plan by plan, all is counted."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from ctanalytics.app import ingest_plan
from ctanalytics.app.ingest_part import listed
from ctanalytics.app.ingest_result import Counts, Progress, Report
from ctanalytics.engines.executor import Executor
from ctanalytics.errors import LakeError, SourceError
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake import plans
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources.base import Selection, Source

_WAIT_SECONDS: Final = 24 * 3600.0


class Run:
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
        self.counts = Counts()
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


def _hash(settings: Settings) -> str:
    """What of the settings shapes rows; a ledger row tells with which it was made."""
    limits = settings.ingest
    shape = (limits.max_object_bytes, limits.max_decompressed_bytes, limits.max_expansion)
    return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]

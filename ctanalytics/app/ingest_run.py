"""One ingest under way: what was left is settled, objects are claimed plan by plan, all is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ctanalytics.app import ingest_estimate, ingest_park, ingest_payload, ingest_plan
from ctanalytics.app.ingest_ahead import Ahead
from ctanalytics.app.ingest_part import listed
from ctanalytics.app.ingest_payload import Payload
from ctanalytics.app.ingest_plan import PlanDone
from ctanalytics.app.ingest_result import Agree, Counts, Progress, Report
from ctanalytics.app.ingest_staged import SPEC
from ctanalytics.engines.executor import Executor
from ctanalytics.engines.local import cores
from ctanalytics.errors import LakeError, SourceError, UsageError
from ctanalytics.lake import drop, plans, treatment
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources.base import LogObject, Source

_WAIT_SECONDS: Final = 24 * 3600.0


class Run:
    """An ingest under way, of one pass or of many."""

    def __init__(
        self,
        lake: Lake | None,
        settings: Settings,
        executor: Executor,
        *,
        retry: bool = False,
        reingest: bool = False,
        dry_run: bool = False,
        progress: Report | None = None,
        agree: Agree | None = None,
    ) -> None:
        self.place = lake
        self.settings = settings
        self.executor = executor
        self.retry = retry
        self.reingest = reingest
        self.dry_run = dry_run
        self.progress = progress
        self.agree = agree
        self.known = ledgers.Ledger(lake) if lake else None
        treatment.from_spec(treatment.spec(settings))  # what is wrong with it is told at once
        self.settings_hash = treatment.digest(settings)
        self.begin()

    def begin(self) -> None:
        """Count anew, for the next pass."""
        self.counts = Counts()
        self.notes: list[str] = list(drop.warnings(self.settings.ingest.drop))
        self._totals: tuple[int, int] | None = (0, 0)

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

    def take(self, source: Source, batches: Iterable[Sequence[LogObject]]) -> None:
        """Ingest what a source lists, plan by plan.

        Raises:
            UsageError: it is more than was agreed to; nothing of it was read.
        """
        with Ahead(self._unknown(batches), self._limit(), self._listed) as ahead:
            if self.dry_run or self.known is None:
                for found in ahead:
                    self.counts.todo += 1
                    self.counts.todo_bytes += found["size_bytes"]
                return
            if not ahead.complete:
                self._ask(source, ahead)
            if self._totals:
                objects, size = self._totals
                known = (objects + ahead.count, size + ahead.size)
                self._totals = known if ahead.complete else None
            for group in self.grouped(ahead):
                self.take_objects(source, group)

    def take_objects(self, source: Source, objects: list[dict[str, Any]]) -> None:
        """Ingest objects that fit one plan."""
        while not self._ended(source, objects):
            # Another ingest had the number; what it leaves has to be settled first.
            self.settle()

    def take_payloads(self, payloads: Sequence[Payload]) -> None:
        """Ingest what was fetched already; it waits in the lake for whoever finishes the plan."""
        if not payloads:
            return
        self.counts.listed += len(payloads)
        work = ingest_payload.described(payloads)

        def stage(plan_id: int, todo: Sequence[dict[str, Any]]) -> None:
            ingest_payload.stage(self.lake.store, plan_id, payloads, todo)

        while not self._claimed(SPEC, work, "objects", stage):
            self.settle()

    def park(self, source: dict[str, Any], messages: list[dict[str, Any]]) -> None:
        """Set messages aside that can't be understood.

        Args:
            source: spec of the queue.
            messages: as `ingest_park.run` takes them.
        """
        while not self._claimed(source, messages, "parked"):
            self.settle()

    def grouped(self, objects: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Yield objects in groups that fit one plan."""
        limits = self.settings.ingest
        waiting: list[dict[str, Any]] = []
        size = 0
        for found in objects:
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

    def _unknown(self, batches: Iterable[Sequence[LogObject]]) -> Iterator[dict[str, Any]]:
        """Yield the objects of a listing that have to be read."""
        for batch in batches:
            objects = [listed(obj) for obj in batch]
            self.counts.listed += len(objects)
            todo = self._to_read(objects)
            self.counts.known += len(objects) - len(todo)
            self.counts.archived += sum(found["archived"] for found in objects)
            self.counts.archived -= sum(found["archived"] for found in todo)
            yield from todo

    def _to_read(self, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.known is None:
            return objects
        return self.known.unknown(objects, retry=self.retry, every=self.reingest)

    def _limit(self) -> int:
        # A dry run reads nothing, so nothing has to be kept.
        return 0 if self.dry_run else self.settings.ingest.ask_above

    def _ask(self, source: Source, ahead: Ahead) -> None:
        estimate = ingest_estimate.of_ingest(
            objects=ahead.count,
            size=ahead.size,
            lists=source.requests.lists,
            in_s3=source.name.startswith("s3://"),
            workers=self.settings.ingest.workers or cores(),
            complete=False,
        )
        if self.agree and not self.agree(estimate):
            raise UsageError(
                f"more than {self._limit():,} objects are to be read",
                where=source.name,
                mend="see --dry-run for what that costs; then go on with --yes, or take less with "
                "--since, --until, --account or --region",
            )

    def _ended(self, source: Source, objects: list[dict[str, Any]]) -> bool:
        """Claim the next plan number for these objects and run it; False when it was taken."""
        return self._claimed(source.spec(), objects, "objects")

    def _claimed(
        self,
        source: dict[str, Any],
        work: list[dict[str, Any]],
        name: str,
        stage: Callable[[int, Sequence[dict[str, Any]]], None] | None = None,
    ) -> bool:
        plan_id = plans.roll_forward(self.lake)
        with self.lake.lease(plans.lease_name(plan_id), wait_seconds=_WAIT_SECONDS) as lease:
            # Since they were listed, another ingest may have read some of them.
            todo = self._to_read(work)
            if stage and todo:
                if plans.version(self.lake) >= plan_id:
                    return False
                stage(plan_id, todo)
            plan = {
                "plan_id": plan_id,
                "owner": lease.holder,
                "source": source,
                "settings_hash": self.settings_hash,
                "objects": [],
                "reingest": self.reingest,
            } | {name: todo}
            if todo and not plans.claim(self.lake, plan):
                return False
            self.counts.known += len(work) - len(todo)
            if todo:
                self._run_plan(plan, own=True)
        return True

    def _run_plan(self, plan: plans.Plan, *, own: bool) -> None:
        plan_id = plan["plan_id"]
        if plan.get("parked"):
            self._count_parked(plan, ingest_park.run(plan, self.lake), own=own)
            return
        try:
            done = ingest_plan.run(plan, self.lake, self.executor, self.settings, self._reported())
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

    def _count_parked(self, plan: plans.Plan, done: PlanDone, *, own: bool) -> None:
        self.counts.plan_ids.append(plan["plan_id"])
        if own and done.won:
            self.counts.parked += len(plan["parked"])
            for name, count in done.rows.items():
                self.counts.rows[name] = self.counts.rows.get(name, 0) + count

    def _defer(self, plan: plans.Plan, reason: str) -> None:
        ingest_plan.defer(plan, self.lake, reason)
        self.counts.plan_ids.append(plan["plan_id"])
        self.notes.append(
            f"plan {plan['plan_id']} of an earlier ingest is closed without rows, because its "
            f"source can't be opened here ({reason}); its {len(plan['objects'])} objects come "
            "with the next ingest of that source"
        )

    def _listed(self, objects: int) -> None:
        if self.progress:
            counts = self.counts
            done = sum(counts.states.values())
            self.progress(Progress(done, counts.records, counts.bytes_read, listed=objects))

    def _reported(self) -> Callable[[dict[str, Any]], None]:
        """What tells the caller how far the ingest is, part by part of a plan."""
        objects, records = sum(self.counts.states.values()), self.counts.records
        size = self.counts.bytes_read
        total, total_bytes = self._totals or (None, None)

        def seen(part: dict[str, Any]) -> None:
            nonlocal objects, records, size
            objects += sum(part["states"].values())
            records += part["records"]
            size += part["bytes_read"]
            if self.progress:
                self.progress(Progress(objects, records, size, total, total_bytes))

        return seen

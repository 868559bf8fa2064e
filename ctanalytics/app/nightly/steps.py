"""The steps of a night, each a verb of its own; what is wrong with one is its result, no end."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.app.audit import audit
from ctanalytics.app.audit_accounts import audit_organization
from ctanalytics.app.detect import detect
from ctanalytics.app.emit import emit
from ctanalytics.app.incidents.build import build_incidents
from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.app.nightly import reports
from ctanalytics.app.nightly.records import Past, StepResult, identity
from ctanalytics.app.validate import validate
from ctanalytics.detectors import DETECTORS
from ctanalytics.errors import CtanalyticsError
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

_NO_DIGESTS: Final = "lookup-events"


@dataclass(frozen=True, slots=True)
class Night:
    """What a step works on."""

    lake: Lake
    settings: Settings
    day: dt.datetime
    """Midnight at the start of the UTC day that is reported."""
    now: dt.datetime
    output: str
    """Where reports go: a folder or s3://bucket/prefix."""
    before: list[Past]
    """The nights before, the newest first."""
    failed: tuple[str, ...] = ()
    """Steps of this night that failed."""


def _ingest(night: Night) -> StepResult:
    """Bring new log files in, source by source: one that is denied holds up no other."""
    settings = night.settings
    # A queue announces the objects of all sources, and parks those of a bucket that none names.
    groups = [settings.sources] if settings.ingest.queue else [[one] for one in settings.sources]
    results: list[IngestResult] = []
    errors: list[str] = []
    for group in groups:
        try:
            results.append(ingest(group, night.lake, settings=settings, now=night.now))
        except CtanalyticsError as error:
            errors.append(str(error))
    counts: Counter[str] = Counter()
    for result in results:
        counts.update({name: getattr(result, name) for name in _INGESTED})
    identities = [
        identity(
            "records read = written + duplicate + filtered + quarantined",
            counts["records_read"],
            counts["records_written"]
            + counts["records_duplicate"]
            + counts["records_filtered"]
            + counts["records_quarantined"],
        )
    ]
    complete = not errors and all(result.complete for result in results)
    state = "done" if complete else "part" if results else "failed"
    return StepResult(
        "ingest",
        state,
        {name: counts[name] for name in _INGESTED},
        identities,
        "\n".join(errors) or None,
        [note for result in results for note in result.notes],
    )


_INGESTED: Final = (
    "objects_listed",
    "objects_ingested",
    "objects_skipped",
    "objects_quarantined",
    "objects_deferred",
    "objects_archived",
    "records_read",
    "records_written",
    "records_duplicate",
    "records_filtered",
    "records_quarantined",
    "bytes_read",
    "list_requests",
    "get_requests",
)


def _validate(night: Night) -> StepResult:
    """Check the digests that were delivered since the day began, of every source that has some."""
    sources = [one for one in night.settings.sources if not one.startswith(_NO_DIGESTS)]
    if not night.settings.nightly.validate:
        return StepResult("validate", "skipped", notes=["nightly.validate is off"])
    counts: Counter[str] = Counter()
    notes: list[str] = []
    for source in sources:
        found = validate(
            source, settings=night.settings, since=night.day, lake=night.lake, now=night.now
        )
        counts.update({f"digests_{name}": number for name, number in found.digests.items()})
        counts.update({f"log_files_{name}": number for name, number in found.log_files.items()})
        counts["findings"] += found.finding_count
        notes += found.notes
        notes += [f"{one.verdict}: {one.key}" for one in found.findings[:5]]
    return StepResult(
        "validate", "part" if counts["findings"] else "done", dict(counts), notes=notes
    )


def _audit(night: Night) -> StepResult:
    """Audit how trails are set up, and keep the findings, which the report tells of."""
    care = night.settings.nightly
    if not care.audit:
        return StepResult("audit", "skipped", notes=["nightly.audit is off"])
    told: dict[str, Any] = {"settings": night.settings, "lake": night.lake, "now": night.now}
    found = audit_organization(care.audit_role, **told) if care.audit_role else audit(**told)
    counts = found.counts | {"accounts": len(found.accounts), "unreached": len(found.unreached)}
    grave = Counter(one.severity for one in found.findings if one.status == "fail")
    notes = [f"{one.account_id} was not reached: {one.why}" for one in found.unreached[:5]]
    return StepResult(
        "audit",
        "part" if found.unreached else "done",
        {**counts, "failing_by_severity": dict(sorted(grave.items()))},
        notes=notes,
    )


def _detect(night: Night) -> StepResult:
    names = night.settings.nightly.detectors or list(DETECTORS)
    found = detect(night.lake, settings=night.settings, detectors=names, now=night.now)
    severities = Counter(found.anomalies["severity"].to_pylist())
    counts = {
        "anomalies": found.anomalies.num_rows,
        "new": found.new,
        "updated": found.updated,
        "withdrawn": found.withdrawn,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "by_severity": dict(sorted(severities.items())),
    }
    return StepResult("detect", "done", counts, notes=found.notes)


def _incidents(night: Night) -> StepResult:
    found = build_incidents(night.lake, settings=night.settings, now=night.now)
    counts = dataclasses.asdict(found)
    del counts["seconds"]
    return StepResult("incidents", "done", counts)


def _emit(night: Night) -> StepResult:
    if not night.settings.emit.targets:
        return StepResult("emit", "skipped", notes=["emit.targets names none"])
    found = emit(night.lake, settings=night.settings, now=night.now, went_well=not night.failed)
    targets = [dataclasses.asdict(one) for one in found.targets]
    names = ("sent", "suppressed", "held", "failed", "dead")
    counts = {name: sum(one[name] for one in targets) for name in names}
    reasons = [f"{one['target']}: {one['reason']}" for one in targets if one["reason"]]
    return StepResult(
        "emit",
        "done" if found.complete else "part",
        {**counts, "targets": [one["target"] for one in targets]},
        error="\n".join(reasons) or None,
    )


def _report(night: Night) -> StepResult:
    """Write the report of the day, and again of earlier days that changed since theirs."""
    settings = night.settings
    plan_id = night.lake.ingest_version("events")
    again = reports.changed_days(
        night.lake, night.day, night.before, night.now, settings.nightly.again_days
    )
    written = [
        reports.write(night.lake, settings, night.output, day, night.now)
        for day in (*again, night.day)
    ]
    counts = {
        "days": [f"{day:%Y-%m-%d}" for day in (*again, night.day)],
        "plan_id": plan_id,
        "report": written[-1].location,
    }
    return StepResult("report", "done", counts, notes=[written[-1].headline])


def _care(night: Night) -> StepResult:
    """Compact what is due, and delete unused files once in a while."""
    care = night.settings.nightly
    counts: dict[str, Any] = {}
    complete = True
    if care.compact:
        compacted = compact(night.lake, settings=night.settings, now=night.now)
        counts |= {"pieces_compacted": len(compacted.done), "rows_compacted": compacted.rows}
        complete = compacted.complete
    if _vacuum_is_due(night):
        vacuumed = vacuum(night.lake, settings=night.settings)
        counts |= {"files_deleted": vacuumed.files, "bytes_deleted": vacuumed.size_bytes}
    state = "done" if complete else "part"
    return StepResult("care", state if counts else "skipped", counts)


def _vacuum_is_due(night: Night) -> bool:
    days = night.settings.nightly.vacuum_days
    if not days:
        return False
    last = (maintenance.remembered(night.lake, "vacuum") or {}).get("at")
    try:
        return not last or night.now - dt.datetime.fromisoformat(last) >= dt.timedelta(days=days)
    except (ValueError, TypeError):
        return True  # a note that can't be read tells nothing


STEPS: Final[dict[str, Callable[[Night], StepResult]]] = {
    "ingest": _ingest,
    "validate": _validate,
    "audit": _audit,
    "detect": _detect,
    "incidents": _incidents,
    "emit": _emit,
    "report": _report,
    "care": _care,
}
"""In their order. None needs the one before it to have gone well: each does what there is."""


def chosen(begin: str | None, only: list[str]) -> Iterator[str]:
    """Yield the names of steps to do, in their order."""
    names = list(STEPS)
    start = names.index(begin) if begin else 0
    for name in names[start:]:
        if not only or name in only:
            yield name

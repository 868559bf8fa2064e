"""Audit: read how an account's trail is set up, and judge it; keep the findings in a lake."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics.app.audit_lake import Seens, keep, seen_of
from ctanalytics.errors import UsageError
from ctanalytics.findings import severity_rank
from ctanalytics.lake.lake import Lake
from ctanalytics.posture import CHECKS, recorded
from ctanalytics.posture.catalogue import About, about
from ctanalytics.posture.check import Check, Wanting, run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.reading import Elsewhere, take
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from ctanalytics.settings import Aws, Settings

_NEEDS: Final = {
    "lake": "no lake is named, or it has no events",
    "lake_buckets": "no lake or report is in a bucket",
}


@dataclass(frozen=True, slots=True)
class Unreached:
    """An account of the organization that was not audited, and why."""

    account_id: str
    why: str


@dataclass(frozen=True)
class AuditResult:
    """What an audit found."""

    audit_id: str
    audited_at: dt.datetime
    """When the newest of the accounts was read."""
    accounts: list[str]
    findings: list[Finding]
    """Ordered by status, severity and check."""
    recorded: list[dict[str, str]]
    """What is recorded where: account_id, aws_region, events, extent, left_out; of all checks only."""
    not_run: dict[str, str]
    """Checks that were left out, each with the reason."""
    unreached: list[Unreached] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by status."""
        found = Counter(one.status for one in self.findings)
        return {status: found[status] for status in ("fail", "unknown", "pass")}

    def at_least(self, severity: str) -> list[Finding]:
        """Findings of a severity or above that do not pass; what is unknown is no pass."""
        least = severity_rank(severity)
        return [
            one
            for one in self.findings
            if one.status != "pass" and severity_rank(one.severity) >= least
        ]


@dataclass(frozen=True)
class Job:
    """What an audit of one account needs to know."""

    settings: Settings
    checks: Mapping[str, Check]
    expected: Expected
    regions: tuple[str, ...]
    now: dt.datetime

    @property
    def whole(self) -> bool:
        """Whether all checks are run: only such audits can be compared."""
        return len(self.checks) == len(CHECKS)


def audit(
    *,
    settings: Settings | None = None,
    checks: Sequence[str] = (),
    regions: Sequence[str] = (),
    snapshot: str | Path | None = None,
    source: str | Path | None = None,
    lake: str | Path | Lake | None = None,
    now: dt.datetime | None = None,
) -> AuditResult:
    """Audit the account that the credentials belong to, or one that was read before.

    Nothing is changed: every call reads. Findings of an audit of all checks are kept in the lake.

    Args:
        checks: ids of those to run, * for any characters; else all.
        regions: those to audit; else those of the settings, else all that are opted in to.
        snapshot: a file to save all answers of AWS in.
        source: such a file, or a folder of them, to judge instead of asking AWS.
        lake: held against what trails say they record; keeps the findings.

    Raises:
        UsageError: an argument is wrong, or a file is no snapshot.
        SourceError: AWS can't be reached, or no credentials are there.
    """
    job = job_of(settings or Settings(), checks=checks, regions=regions, lake=lake, now=now)
    if source is not None:
        snapshots = [Snapshot.load(path) for path in _files(Path(source))]
    else:
        with ThreadPoolExecutor(job.settings.audit.workers, "ctanalytics-audit") as pool:
            snapshots = [read(job, job.settings.audit_aws, pool=pool)]
        if snapshot is not None:
            snapshots[0].save(Path(snapshot))
    return judge(job, snapshots, lake=lake)


def job_of(
    settings: Settings,
    *,
    checks: Sequence[str] = (),
    regions: Sequence[str] = (),
    lake: str | Path | Lake | None = None,
    now: dt.datetime | None = None,
) -> Job:
    """Bring together what is expected, from the settings and the lake's place."""
    place = lake.uri if isinstance(lake, Lake) else str(lake or settings.lake)
    return Job(
        settings=settings,
        checks=_chosen(checks),
        expected=_expected(settings, place),
        regions=tuple(regions or settings.audit.regions),
        now=(now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC),
    )


def read(
    job: Job,
    aws: Aws,
    *,
    pool: ThreadPoolExecutor,
    elsewhere: Elsewhere | None = None,
) -> Snapshot:
    """Read an account: all that the checks look for."""

    wanted = Wanting(job.checks, job.expected, recorded.matrix if job.whole else None)
    return take(aws, wanted, pool=pool, regions=job.regions, now=job.now, elsewhere=elsewhere)


def judge(
    job: Job,
    snapshots: Sequence[Snapshot],
    *,
    lake: str | Path | Lake | None = None,
    unreached: Sequence[Unreached] = (),
) -> AuditResult:
    """Run the checks on what was read, and keep what they say."""
    here = _lake(lake, job.settings)
    seens = seen_of(here, days=job.settings.audit.seen_days) if here else Seens({})
    checks, not_run = _runnable(job, bool(seens.by_account))
    findings: list[Finding] = []
    matrix: list[dict[str, str]] = []
    for snapshot in snapshots:
        view = View(snapshot, job.expected, seens.of(snapshot.account_id))
        findings += run(view, checks)
        if not job.whole:
            continue
        matrix += [{"account_id": snapshot.account_id, **row} for row in recorded.matrix(view)]
    audited = {snapshot.account_id for snapshot in snapshots}
    result = AuditResult(
        audit_id=uuid.uuid4().hex,
        audited_at=max((one.taken_at for one in snapshots), default=job.now),
        accounts=sorted(audited),
        findings=sorted(once(findings, audited), key=_order),
        recorded=matrix,
        not_run=not_run,
        unreached=list(unreached),
    )
    if here and job.whole:
        keep(here, result.audit_id, result.findings)
    return result


def once(findings: Sequence[Finding], audited: set[str]) -> list[Finding]:
    """Leave out what is said of a resource that its owner's audit, or another's, says better."""
    best: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        owner = one.resource.split(":")[4] if one.resource.count(":") > 4 else ""
        if owner and owner != one.account_id and owner in audited:
            continue
        key = (one.check_id, one.aws_region, one.resource)
        known = best.get(key)
        if known is None or (known.status == "unknown" and one.status != "unknown"):
            best[key] = one
    return list(best.values())


def policy_apis() -> list[str]:
    """Every API call that some check may make."""
    return sorted({api for words in about().values() for api in words.reads} | {"s3:ListBuckets"})


def listing() -> list[About]:
    """All checks in words."""
    return [about()[name] for name in CHECKS]


def _order(one: Finding) -> tuple[Any, ...]:
    places = list(CHECKS)
    return (
        ("fail", "unknown", "pass").index(one.status),
        -severity_rank(one.severity),
        places.index(one.check_id),
        one.account_id,
        one.aws_region,
        one.resource,
    )


def _chosen(patterns: Sequence[str]) -> dict[str, Check]:
    from fnmatch import fnmatchcase

    if not patterns:
        return dict(CHECKS)
    unknown = [one for one in patterns if not any(fnmatchcase(name, one) for name in CHECKS)]
    if unknown:
        raise UsageError(
            f"there is no check {', '.join(sorted(unknown))}",
            where="--check",
            mend="`ctanalytics audit --list` shows all",
        )
    return {
        name: check
        for name, check in CHECKS.items()
        if any(fnmatchcase(name, one) for one in patterns)
    }


def _expected(settings: Settings, lake: str) -> Expected:
    given = settings.audit
    buckets = {
        found[0]
        for place in (lake, settings.report.output)
        if (found := amazon.bucket_of(place)) is not None
    }
    return Expected(
        retention_days=given.retention_days,
        trail_admins=tuple(given.trail_admins),
        most_trail_admins=given.most_trail_admins,
        auditors=tuple(given.auditors),
        log_deleters=tuple(given.log_deleters),
        log_writers=tuple(given.log_writers),
        trusted_accounts=tuple(given.trusted_accounts),
        delegated_admins=tuple(given.delegated_admins),
        lake_buckets=tuple(sorted(buckets | set(given.lake_buckets))),
        network_sources=tuple(given.network_sources),
        wants_replication=given.wants_replication,
        wants_topic=given.wants_topic,
        metric_namespaces=tuple(given.metric_namespaces),
    )


def _runnable(job: Job, has_seen: bool) -> tuple[list[tuple[str, Check]], dict[str, str]]:
    """The checks that have what they need, and why others do not."""
    there = {"": True, "lake": has_seen, "lake_buckets": bool(job.expected.lake_buckets)}
    checks, not_run = [], {}
    for name, check in job.checks.items():
        needs = about()[name].needs
        if there[needs]:
            checks.append((name, check))
        else:
            not_run[name] = _NEEDS[needs]
    return checks, not_run


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(place.glob("*.json"))
    if not found:
        raise UsageError(
            "the folder holds no snapshot",
            where=str(place),
            mend="name one that `ctanalytics audit --organization --snapshot FOLDER` wrote",
        )
    return found


def _lake(lake: str | Path | Lake | None, settings: Settings) -> Lake | None:
    if isinstance(lake, Lake):
        return lake
    place = str(lake or settings.lake)
    return Lake.open(place, settings.lake_aws) if place else None

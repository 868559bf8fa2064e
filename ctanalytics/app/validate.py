"""Validate: is the log itself whole, from its digests to every log file they list."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctanalytics import whole
from ctanalytics.app import validate_threads
from ctanalytics.app.validate_kept import Kept
from ctanalytics.engines.executor import LOCAL, Executor, chosen
from ctanalytics.errors import UsageError
from ctanalytics.integrity import trails
from ctanalytics.integrity.cell import Job
from ctanalytics.integrity.journal import Journal
from ctanalytics.integrity.keys import AwsKeys, KeyFiles, Keys
from ctanalytics.integrity.place import Place, open_place
from ctanalytics.integrity.trails import Cell, Wanted
from ctanalytics.integrity.verdict import Checked
from ctanalytics.records.digest import PUBLIC_KEYS_FILE, build_public_keys
from ctanalytics.settings import Settings

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

MOST_FINDINGS: Final = 10_000
"""Findings that a result holds; all of them are told to `report` and counted."""

_DAYS: Final = 7
_ARN: Final = re.compile(
    r"arn:[a-z-]+:cloudtrail:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):trail/(?P<name>[\w.-]{3,128})"
)

Report = Callable[[Checked], None]


@dataclass(frozen=True)
class ValidateResult:
    """What a validation came to."""

    source: str
    since: dt.datetime | None
    """None: each chain from its oldest digest on."""
    until: dt.datetime
    found_since: dt.datetime | None
    """From where to where digests hold; None when none does."""
    found_until: dt.datetime | None
    keys: str
    """Where the public keys came from, which is what all of it is trusted for."""
    digests: dict[str, int]
    """Digest files by verdict."""
    backfill_digests: dict[str, int]
    log_files: dict[str, int]
    """Log files by verdict."""
    gaps: list[Checked]
    findings: list[Checked]
    """What is not in order, gaps among it; at most MOST_FINDINGS."""
    chains: int
    """Accounts and regions that were looked at."""
    notes: list[str]
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether nothing at all is wrong or without a digest."""
        return not self.findings

    @property
    def finding_count(self) -> int:
        """How many findings there are in all."""
        counts = Counter(self.digests) + Counter(self.backfill_digests) + Counter(self.log_files)
        return len(self.gaps) + sum(
            count for verdict, count in counts.items() if verdict not in ("valid", "pending")
        )


def validate(
    source: str | Path,
    *,
    settings: Settings | None = None,
    trail_arn: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    public_keys: Sequence[str | Path] = (),
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    original_location: str | None = None,
    lake: str | Path | Lake | None = None,
    resume: str | Path | None = None,
    save_keys: str | Path | None = None,
    report: Report | None = None,
    now: dt.datetime | None = None,
    workers: int = 16,
    executor: Executor | None = None,
) -> ValidateResult:
    """Check the digests and log files of a trail, of all accounts and regions that are there.

    Args:
        source: s3://bucket/prefix, or a folder that is a copy of it.
        trail_arn: the one trail to validate; else all that are found.
        since, until: span of delivery times. Without since, a bucket is validated for the last
            seven days, a folder from its oldest digest on. Without until, a bucket is validated up
            to now, a folder up to the end of its newest digest.
        public_keys: files with AWS's public keys; without any, a folder's own `public-keys.json`,
            else CloudTrail is asked.
        original_location: s3://bucket/prefix that the source is a replica of.
        lake: a lake that keeps the verdict of every file.
        resume: a file that keeps what was checked, so that a run that was broken off goes on.
        save_keys: a file to write the public keys to that CloudTrail gave.
        report: is told every row as it comes.
        workers: files that are read at a time.
        executor: validates accounts and regions elsewhere; else the one that the settings name,
            where it is not the local one: what mostly waits for files, threads do best.

    Raises:
        UsageError: an argument is wrong.
        SourceError: the source, or the public keys, can't be read.
    """
    started = time.monotonic()
    settings = settings or Settings()
    now = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    place = open_place(str(source), settings.source_aws)
    wanted = _wanted(trail_arn, accounts, regions)
    keys = _keys(place, public_keys, settings)
    notes = _key_notes(keys, public_keys)
    original = _original(original_location)
    found = trails.cells(place, wanted)
    if since is None and place.bucket != "file":
        since = now - dt.timedelta(days=_DAYS)
        notes.append(f"without --since the last {_DAYS} days are validated")
    end = _end(place, found, since, until, now)
    tally = _Tally()
    kept = Kept(_lake(lake, settings), keys.origin, now)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(workers, "ctanalytics-validate"))
        journal = stack.enter_context(Journal(Path(resume))) if resume else None
        job = Job(
            place=place,
            pool=pool,
            keys=keys,
            wanted=wanted,
            since=since,
            until=end,
            as_of=now if until else end,
            open_end=until is None and place.bucket == "file",
            original=original,
            journal=journal,
        )
        for row in _told(stack, job, found, executor, str(source), settings, workers, kept.lake):
            tally.add(row)
            kept.add(row)
            if report:
                report(row)
    kept.flush()
    if save_keys and isinstance(keys, AwsKeys):
        _save(Path(save_keys), keys)
    if trail_arn and not tally.digests and not tally.backfill:
        notes.append("no digest of this trail is there: check its name, or whether it validates")
    return ValidateResult(
        source=str(source),
        since=since,
        until=end,
        found_since=tally.since,
        found_until=tally.until,
        keys=keys.origin,
        digests=dict(sorted(tally.digests.items())),
        backfill_digests=dict(sorted(tally.backfill.items())),
        log_files=dict(sorted(tally.logs.items())),
        gaps=tally.gaps,
        findings=tally.findings,
        chains=len(found),
        notes=notes,
        seconds=round(time.monotonic() - started, 3),
    )


@dataclass
class _Tally:
    digests: Counter[str] = field(default_factory=Counter)
    backfill: Counter[str] = field(default_factory=Counter)
    logs: Counter[str] = field(default_factory=Counter)
    gaps: list[Checked] = field(default_factory=list)
    findings: list[Checked] = field(default_factory=list)
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def add(self, row: Checked) -> None:
        if row.kind == "gap":
            self.gaps.append(row)
        elif row.kind == "log":
            self.logs[row.verdict] += 1
        else:
            (self.backfill if row.backfill else self.digests)[row.verdict] += 1
            if row.verdict == "valid" and row.since and row.until:
                self.since = min(row.since, self.since or row.since)
                self.until = max(row.until, self.until or row.until)
        if row.is_finding and len(self.findings) < MOST_FINDINGS:
            self.findings.append(row)


def _lake(lake: str | Path | Lake | None, settings: Settings) -> Lake | None:
    if lake is None:
        return None
    from ctanalytics.lake.lake import Lake

    if isinstance(lake, Lake):
        return lake
    return Lake.open(lake, settings.lake_aws)


def _save(path: Path, keys: AwsKeys) -> None:
    try:
        with whole.replacing(path) as file:
            file.write(build_public_keys(keys.seen()))
    except OSError as error:
        raise UsageError(
            f"the keys can't be written: {error.strerror}",
            where=str(path),
            mend="name another file with --save-keys",
        ) from error


def _told(
    stack: ExitStack,
    job: Job,
    found: Sequence[Cell],
    executor: Executor | None,
    source: str,
    settings: Settings,
    workers: int,
    lake: Lake | None,
) -> Iterator[Checked]:
    """Rows of all cells in the order of the cells, by threads here or by an executor."""
    if executor is None:
        if settings.execution.executor == LOCAL:
            return validate_threads.rows(job, found)
        executor = stack.enter_context(chosen(settings.execution))
    # Loaded only where it is of use: a plain check need not pay for Arrow.
    from ctanalytics.app import validate_spread

    return validate_spread.rows(
        job, found, executor, source=source, aws=settings.source_aws, workers=workers, lake=lake
    )


def _wanted(trail_arn: str | None, accounts: Sequence[str], regions: Sequence[str]) -> Wanted:
    chosen = frozenset(accounts)
    if trail_arn is None:
        return Wanted(chosen, frozenset(regions))
    match = _ARN.fullmatch(trail_arn)
    if match is None:
        raise UsageError(
            f"{trail_arn!r} is no trail",
            where="--trail-arn",
            mend="arn:PARTITION:cloudtrail:HOME-REGION:ACCOUNT:trail/NAME",
        )
    # The trail of an organization delivers for all its accounts: the account is no limit.
    return Wanted(chosen, frozenset(regions), match["name"], match["region"])


def _keys(place: Place, files: Sequence[str | Path], settings: Settings) -> Keys:
    if files:
        return KeyFiles.read([Path(file) for file in files])
    beside = Path(place.root) / PUBLIC_KEYS_FILE
    if place.bucket == "file" and beside.is_file():
        return KeyFiles.read([beside])
    return AwsKeys(settings.source_aws)


def _key_notes(keys: Keys, files: Sequence[str | Path]) -> list[str]:
    if files or isinstance(keys, AwsKeys):
        return []
    return [
        f"the public keys come from {keys.origin}, beside the files they prove: whoever can write "
        "there can forge both; give --public-keys FILE from elsewhere"
    ]


def _original(text: str | None) -> tuple[str, str] | None:
    from ctanalytics.aws import bucket_of

    if text is None:
        return None
    found = bucket_of(text)
    if found is None or not found[0]:
        raise UsageError(
            f"{text!r} is no bucket", where="--original-location", mend="s3://BUCKET/PREFIX"
        )
    return found


def _end(
    place: Place,
    found: Sequence[Cell],
    since: dt.datetime | None,
    until: dt.datetime | None,
    now: dt.datetime,
) -> dt.datetime:
    """Where a validation ends; the start has to lie before it."""
    end = until or (_newest(place, found, now) if place.bucket == "file" else now)
    if since is not None and since >= end:
        raise UsageError(
            "the span is empty", where="--since, --until", mend="give a start before the end"
        )
    return end


def _newest(place: Place, found: Sequence[Cell], now: dt.datetime) -> dt.datetime:
    """Where the newest digest of a folder ends, by the names; times to come are no evidence."""
    ends = [
        trails.stamp_of(entries[-1])
        for cell in found
        for key, entries in trails.digests(place, cell, None, now).chains.items()
        if not key.backfill
    ]
    return max(ends, default=now)

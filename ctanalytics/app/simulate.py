"""Simulate: write an organization's log files, with labelled incidents and signed digests."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctanalytics.engines.local import LocalExecutor, cores
from ctanalytics.errors import CtanalyticsError, UsageError
from ctanalytics.simulator.attacks import ATTACKS
from ctanalytics.simulator.organization import partitions
from ctanalytics.simulator.plan import ALL_DIGESTS, Plan
from ctanalytics.simulator.simulation import LABELS_FILE, run

START: Final = dt.date(2025, 10, 1)
"""Default start: a fixed date, so that the same command gives the same files on any day."""

_MOST_DAYS: Final = 3_660
_MOST_ACCOUNTS: Final = 10_000
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True)
class SimulateResult:
    """What a simulation wrote."""

    records: int
    """Delivered, duplicates among them."""
    files: int
    digests: int
    bytes: int
    """Of log files, digests and their metadata, as they lie on disk."""
    bytes_decompressed: int
    """Of log files."""
    seconds: float
    incidents: int
    """Labelled and malicious."""
    episodes: int
    """Labelled in all."""
    labels: str
    """Path of labels.jsonl."""
    config_files: int = 0
    """Of AWS Config, with labels of their own in config_labels.jsonl."""


def simulate(
    out: Path,
    *,
    days: int = 35,
    accounts: int = 2,
    events_per_day: int = 20_000,
    seed: int = 7,
    start: dt.date = START,
    incidents: Sequence[str] = ("all",),
    partition: str = "aws",
    regions: Sequence[str] = (),
    organization_id: str | None = None,
    digests: str = "all",
    file_minutes: int = 5,
    config_history: bool = False,
    workers: int = 0,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SimulateResult:
    """Write a simulated organization's CloudTrail files into a folder.

    The same arguments give the same files, byte for byte, with any number of workers.

    Args:
        out: made when it is missing; must be empty unless `force`, which deletes nothing.
        events_per_day: of all accounts together, about.
        incidents: kinds of attack, or "all", or "none".
        regions: open regions, the home region first; none: the partition's own choice.
        organization_id: stands in the keys, as in those of an organization trail.
        digests: "all", "none", or the number of days at the end that have digest files.
        file_minutes: a log file is written at most so often for an account and region.
        config_history: also write AWS Config's histories and snapshots of what the calls change.
        workers: processes; 0: one for each core.
        progress: told how many days are written, after each.

    Raises:
        UsageError: naming every wrong argument at once.
    """
    plan = Plan(
        seed=seed,
        start=start,
        days=days,
        accounts=accounts,
        events_per_day=events_per_day,
        incidents=_kinds(incidents),
        partition=partition,
        regions=tuple(regions),
        organization_id=organization_id,
        digest_days=_digest_days(digests),
        file_minutes=file_minutes,
        config_history=config_history,
    )
    faults = [*_faults(plan, workers), *_folder_faults(out, force=force)]
    if faults:
        raise UsageError(
            "arguments that can't be used: " + "; ".join(faults),
            where="simulate",
            mend="correct them; `ctanalytics simulate --help` tells what each takes",
        )
    began = time.perf_counter()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with LocalExecutor(workers or cores()) as executor:
            totals = run(plan, out, executor, progress)
    except OSError as error:
        raise CtanalyticsError(
            f"the files can't be written: {error.strerror or error}",
            where=str(error.filename or out),
            mend="give a folder that can be written to, with enough room",
        ) from error
    return SimulateResult(
        records=totals.records,
        files=totals.files,
        digests=totals.digests,
        bytes=totals.size_bytes,
        bytes_decompressed=totals.content_bytes,
        seconds=time.perf_counter() - began,
        incidents=totals.attacks,
        episodes=totals.episodes,
        labels=str(out / LABELS_FILE),
        config_files=totals.config_files,
    )


def _kinds(incidents: Sequence[str]) -> tuple[str, ...]:
    if "all" in incidents:
        return tuple(ATTACKS)
    return tuple(dict.fromkeys(kind for kind in incidents if kind != "none"))


def _digest_days(digests: str) -> int:
    if digests in ("all", "none"):
        return ALL_DIGESTS if digests == "all" else 0
    return int(digests) if re.fullmatch(r"\d{1,5}", digests) else _NOT_A_NUMBER


_NOT_A_NUMBER: Final = -2


def _faults(plan: Plan, workers: int) -> Iterator[str]:
    yield from (
        f"incident {kind}: there is no such kind; there are {', '.join(ATTACKS)}, all and none"
        for kind in plan.incidents
        if kind not in ATTACKS
    )
    for name, value, least, most in (
        ("days", plan.days, 1, _MOST_DAYS),
        ("accounts", plan.accounts, 1, _MOST_ACCOUNTS),
        ("events-per-day", plan.events_per_day, 1, 10**9),
        ("file-minutes", plan.file_minutes, 1, _DAY_MINUTES),
        ("workers", workers, 0, 1_024),
    ):
        if not least <= value <= most:
            yield f"{name} {value}: must lie between {least} and {most}"
    if plan.digest_days == _NOT_A_NUMBER:
        yield "digests: must be all, none or a number of days"
    if plan.organization_id is not None and not re.fullmatch(
        r"o-[a-z0-9]{10,32}", plan.organization_id
    ):
        yield "organization-id: must look like o-a1b2c3d4e5"
    if not dt.date(2013, 11, 13) <= plan.start <= dt.date(2100, 1, 1):
        yield f"start {plan.start}: must lie between 2013-11-13, CloudTrail's first day, and 2100"
    known = partitions().get(plan.partition)
    if known is None:
        yield f"partition {plan.partition}: must be one of {', '.join(partitions())}"
        return
    yield from (
        f"region {region}: not a region of {plan.partition}"
        for region in plan.regions
        if region not in known.regions
    )


def _folder_faults(out: Path, *, force: bool) -> Iterator[str]:
    if out.exists() and not out.is_dir():
        yield f"{out}: is not a folder"
    elif not force and out.is_dir() and any(out.iterdir()):
        yield f"{out}: is not empty (--force writes there all the same and deletes nothing)"

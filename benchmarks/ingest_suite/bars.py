"""The bars that ingest is held to, each with its figure and whether it is met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest_suite import figures
from ingest_suite.measuring import Run
from ingest_suite.sides import OURS


@dataclass(frozen=True)
class Bar:
    """One promise, and what was measured of it."""

    what: str
    bar: str
    figure: str
    met: bool | None
    """None: this run did not measure it."""


def judged(found: dict[str, Any]) -> list[Bar]:
    """All bars, in the order of their promises."""
    runs = [Run(**run) for run in found.get("runs", [])]
    memory = [Run(**run) for run in found.get("memory_runs", [])]
    bars = [*_peers(runs), *_memory(memory), *_cpu(runs), *_size(runs)]
    bars += [*_small(runs, found), *_s3(found), *_listing(found), *_scaling(found)]
    return bars


def _peers(runs: list[Run]) -> Iterator[Bar]:
    promises = [
        ("duckdb", 1, 1.4, "gate 1.2"),
        ("duckdb", 2, 2.0, "gate 1.7"),
        ("polars", 1, 4.0, ""),
        ("polars", 2, 4.0, ""),
        ("plain python", 1, 5.0, ""),
    ]
    for peer, workers, least, gate in promises:
        slow = figures.of(runs, peer, "typical", workers)
        found = figures.ratio(slow, figures.of(runs, OURS, "typical", workers))
        what = f"speed against {peer}, {workers} core{'s' * (workers > 1)}"
        bar = f">= {least:g} x" + (f" ({gate})" if gate else "")
        if found is None:
            yield Bar(what, bar, "not measured", None)
            continue
        yield Bar(
            what,
            bar,
            f"{found.of_medians:.2f} x (rounds {found.lowest:.2f} to {found.highest:.2f}; "
            f"of CPU time {found.of_cpu:.2f})",
            found.of_medians >= least,
        )


def _memory(runs: list[Run]) -> Iterator[Bar]:
    for workers in (1, 2):
        own = figures.of(runs, OURS, "typical", workers)
        peer = figures.of(runs, "duckdb", "typical", workers)
        what = f"peak memory against duckdb, {workers} core{'s' * (workers > 1)}"
        if not own or not peer:
            yield Bar(what, "<= 1/5", "not measured", None)
            continue
        ours, theirs = (max(run.peak_bytes for run in side) for side in (own, peer))
        yield Bar(
            what,
            "<= 1/5",
            f"1/{theirs / ours:.1f} ({ours / 1e6:,.0f} of {theirs / 1e6:,.0f} MB)",
            ours <= theirs / 5,
        )


def _cpu(runs: list[Run]) -> Iterator[Bar]:
    what, bar = "CPU for an event at 500 records a file", "<= 16 us"
    own = figures.of(runs, OURS, "typical", 1)
    if not own:
        yield Bar(what, bar, "not measured", None)
        return
    cpu = statistics.median(map(figures.cpu_micros, own))
    yield Bar(what, bar, f"{cpu:.1f} us", cpu <= 16)


def _size(runs: list[Run]) -> Iterator[Bar]:
    own = [run for run in runs if run.side == OURS and run.corpus == "typical"]
    what = "lake bytes for an event, before compaction"
    if not own:
        yield Bar(what, "<= 150", "not measured", None)
        return
    size = statistics.median(run.out_bytes / run.rows for run in own)
    yield Bar(what, "<= 150", f"{size:.0f}", size <= 150)


def _small(runs: list[Run], found: dict[str, Any]) -> Iterator[Bar]:
    name = next((n for n in ("small-long", "small") if any(r.corpus == n for r in runs)), "small")
    for workers in (1, 2):
        small = figures.of(runs, OURS, name, workers)
        rate = figures.ratio(figures.of(runs, OURS, "typical", workers), small)
        files = f"{found['corpora'][name]['files']:,} " if small else ""
        what = (
            f"{files}files of 20 records, rate of the typical, {workers} core{'s' * (workers > 1)}"
        )
        if rate is None:
            yield Bar(what, ">= 60 %", "not measured", None)
            continue
        yield Bar(
            what,
            ">= 60 %",
            f"{rate.of_medians:.0%} (rounds {rate.lowest:.0%} to {rate.highest:.0%})",
            rate.of_medians >= 0.6,
        )
    most = found.get("files_per_date_and_batch")
    what = "Parquet files of one date and batch"
    if most is None:
        yield Bar(what, "<= 1", "not measured", None)
    else:
        yield Bar(what, "<= 1", f"{most} at most", most <= 1)


def _s3(found: dict[str, Any]) -> Iterator[Bar]:
    s3 = found.get("s3")
    what, bar = "rate from S3, of the disk's", ">= 70 %"
    if not s3:
        yield Bar(what, bar, "not measured", None)
        yield Bar("LIST for an account-region-day; HEAD", "<= 1; 0", "not measured", None)
        return
    runs = [Run(**run) for run in s3["runs"]]
    disk = [run for run in runs if run.side == OURS]
    remote = [run for run in runs if run.side != OURS]
    rate = figures.ratio(disk, remote)
    assert rate is not None
    yield Bar(
        f"{what}, {s3['in_flight']} in flight ({s3['server']})",
        bar,
        f"{rate.of_medians:.0%} (rounds {rate.lowest:.0%} to {rate.highest:.0%}; "
        f"of CPU time {rate.of_cpu:.0%})",
        rate.of_medians >= 0.7,
    )
    lists, heads = remote[-1].facts["lists"], s3["requests_seen"].get("HEAD", 0)
    days = s3["region_days"]
    yield Bar(
        "LIST for an account-region-day; HEAD of objects",
        "<= 1; 0",
        f"{lists} LIST for {days} account-region-days; {heads} HEAD for "
        f"{remote[-1].facts['objects']:,} objects (server: {s3['requests_seen'] or 'does not count'})",
        # The bucket's region is asked once by HEAD.
        lists <= days and heads <= 1,
    )


def _listing(found: dict[str, Any]) -> Iterator[Bar]:
    listing = found.get("listing")
    what, bar = "100,000 objects listed", "< 15 s, server permitting"
    if not listing:
        yield Bar(what, bar, "not measured", None)
        return
    median = statistics.median
    seconds = median(one["seconds"] for one in listing["rounds"])
    bare = median(one["bare_seconds"] for one in listing["rounds"])
    last = listing["rounds"][-1]
    yield Bar(
        what,
        bar,
        f"{seconds:.1f} s ({last['cpu_seconds']:.1f} s of our CPU), bare pages one after another "
        f"{bare:.1f} s ({listing['server']}); {last['lists']} LIST for "
        f"{listing['region_days']:,} account-region-days",
        # A server that needs longer for nothing but its pages does not permit it.
        seconds < max(15.0, bare),
    )


def _scaling(found: dict[str, Any]) -> Iterator[Bar]:
    runs = [Run(**run) for run in found.get("scaling", [])]
    least, most = "growth of time with events (exponent)", "growth of peak memory"
    if not runs:
        yield Bar(least, "<= 1.05", "not measured", None)
        yield Bar(most, "<= 1.2 x", "not measured", None)
        return
    sizes = sorted({run.rows for run in runs})
    few, many = ([run for run in runs if run.rows == size] for size in (sizes[0], sizes[-1]))
    median = statistics.median
    times = [median(run.seconds for run in some) for some in (few, many)]
    span = f"{sizes[0] / 1e6:.1f} to {sizes[-1] / 1e6:.1f} M events"
    exponent = math.log(times[1] / times[0]) / math.log(sizes[-1] / sizes[0])
    yield Bar(least, "<= 1.05", f"{exponent:.3f} from {span}", exponent <= 1.05)
    peaks = [max(run.peak_bytes for run in some) for some in (few, many)]
    yield Bar(
        most,
        "<= 1.2 x",
        f"{peaks[1] / peaks[0]:.2f} x from {span} ({peaks[0] / 1e6:,.0f}, {peaks[1] / 1e6:,.0f} MB)",
        peaks[1] <= 1.2 * peaks[0],
    )

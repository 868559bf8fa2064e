"""From runs to figures: medians, ranges, ratios of runs that took turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ingest_suite.measuring import Run


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one side was as another, of the medians and round by round."""

    of_medians: float
    lowest: float
    highest: float
    of_cpu: float
    """The same of CPU seconds, which a busy machine disturbs less."""


def of(runs: Iterable[Run], side: str, corpus: str, workers: int) -> list[Run]:
    """The runs of one side, in the order of the rounds."""
    return [r for r in runs if (r.side, r.corpus, r.workers) == (side, corpus, workers)]


def micros(run: Run) -> float:
    """Microseconds of the clock for one event."""
    return run.seconds / run.rows * 1e6


def cpu_micros(run: Run) -> float:
    """Microseconds of CPU time for one event."""
    return run.cpu_seconds / run.rows * 1e6


def ratio(slow: Sequence[Run], fast: Sequence[Run]) -> Ratio | None:
    """How many times as fast the second are; None when either has no runs."""
    if not slow or not fast:
        return None
    pairs = [micros(s) / micros(f) for s, f in zip(slow, fast, strict=False)]
    median = statistics.median
    return Ratio(
        median(map(micros, slow)) / median(map(micros, fast)),
        min(pairs),
        max(pairs),
        median(map(cpu_micros, slow)) / median(map(cpu_micros, fast)),
    )


def summary(runs: Sequence[Run], memory: Sequence[Run]) -> dict[str, Any]:
    """One side's line in the table."""
    each = [micros(run) for run in runs]
    return {
        "side": runs[0].side,
        "corpus": runs[0].corpus,
        "workers": runs[0].workers,
        "rounds": len(runs),
        "events_per_second": 1e6 / statistics.median(each),
        "micros_per_event": statistics.median(each),
        "micros_lowest": min(each),
        "micros_highest": max(each),
        "cpu_micros_per_event": statistics.median(map(cpu_micros, runs)),
        "bytes_per_event": statistics.median(run.out_bytes / run.rows for run in runs),
        "peak_bytes": max((run.peak_bytes for run in memory), default=0),
        "peak_private_bytes": max((run.peak_private_bytes for run in memory), default=0),
    }

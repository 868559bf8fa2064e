"""Our own detectors' scores of every minute, taken from the code that pages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.detection.rate_simulation import DAYS, TEST_FROM, Calls
from ctanalytics.detectors import drops, stops, surges
from ctanalytics.detectors.series import DAY, KEYS, Series, expect

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LOOKS: Final = surges.LOOKS
_START: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)  # a Monday
_LEAST: Final = 2.0
"""Lower scores are never within a budget."""


@dataclass(frozen=True)
class Scores:
    """Minutes with a score worth looking at, by series, then minute; higher = more abnormal."""

    series: Ints
    minute: Ints
    score: Floats


def scores(series: Ints, minute: Ints, score: Floats, least: float = _LEAST) -> Scores:
    """Keep what is at least some score, in order."""
    kept = np.flatnonzero(score >= least)
    order = np.lexsort((minute[kept], series[kept]))
    kept = kept[order]
    return Scores(series[kept], minute[kept], score[kept])


def as_series(calls: Calls) -> Series:
    """The simulated calls as the detectors take them."""
    names = {name: [""] * calls.count for name in KEYS} | {
        "event_name": [f"{number:06d}" for number in range(calls.count)]
    }
    logged = np.zeros(calls.count, np.int64)
    return Series(
        pl.DataFrame(names), calls.series, calls.minute, calls.calls, _START, DAYS, logged
    )


def surges_alone(calls: Calls) -> Scores:
    """The surge score of each minute with a call, where its guards hold."""
    series = as_series(calls)
    masked = np.zeros((series.count, DAYS), np.bool_)
    looks = surges.look(series, expect(series, masked), masked, first_day=TEST_FROM)
    fires = surges.firing(series, looks, _LEAST)
    each = np.stack([looks.scores[window] for window in surges.WINDOWS])
    best = np.where(fires, each, 0.0).max(axis=0)
    best[series.day < TEST_FROM] = 0.0
    return scores(series.series, series.minute, best)


def ours(calls: Calls) -> Scores:
    """Surges, stops and drops together; all are -log10 p, and a page is a page."""
    series = as_series(calls)
    masked = np.zeros((series.count, DAYS), np.bool_)
    span = {"first_day": TEST_FROM, "end_minute": DAYS * DAY}
    found = [
        surges_alone(calls),
        stops.look(series, masked, **span),
        *drops.look(series, expect(series, masked), masked, **span),
    ]
    return scores(
        *(
            np.concatenate([getattr(looks, name) for looks in found])
            for name in ("series", "minute", "score")
        )
    )

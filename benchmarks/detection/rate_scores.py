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
from ctanalytics.detectors.history import AXIS_DAYS, History, from_minutes
from ctanalytics.detectors.series import DAY, Axis, Keys, Minutes
from ctanalytics.records.series_tables import KEYS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LOOKS: Final = surges.LOOKS
_START: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)  # a Monday
_EARLIER: Final = AXIS_DAYS - TEST_FROM
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


def as_history(calls: Calls) -> History:
    """The simulated calls as the detectors take them, after weeks in which nothing was logged."""
    axis = Axis(_START - dt.timedelta(days=_EARLIER), DAYS + _EARLIER)
    names = [f"{number:06d}" for number in range(calls.count)]
    blank = {name: pl.Series([""] * calls.count) for name in KEYS}
    frame = pl.DataFrame(blank | {"event_name": names}).with_row_index("series")
    minutes = Minutes(calls.series, calls.minute + _EARLIER * DAY, calls.calls, axis.days)
    age = np.tile(np.maximum(np.arange(axis.days) - _EARLIER, 0), (calls.count, 1))
    masked = np.zeros(age.shape, np.bool_)
    return from_minutes(
        Keys(frame), axis, minutes, first_day=TEST_FROM + _EARLIER, age=age, masked=masked
    )


def surges_alone(calls: Calls) -> Scores:
    """The surge score of each minute with a call, where its guards hold."""
    return _surges(as_history(calls))


def _surges(history: History) -> Scores:
    judged = surges.judge(history)
    chosen = np.flatnonzero((judged.scores.max(axis=0) >= _LEAST).any(axis=1))
    looks = surges.look(judged, chosen, history.of(chosen))
    needed = np.full((len(chosen), history.axis.days - history.first_day), _LEAST)
    fires = surges.firing(looks, needed, history.first_day)
    each = np.stack([looks.scores[window] for window in surges.WINDOWS])
    best = np.where(fires, each, 0.0).max(axis=0)
    return scores(chosen[looks.series], looks.minute - _EARLIER * DAY, best)


def ours(calls: Calls) -> Scores:
    """Surges, stops and drops together; all are -log10 p, and a page is a page."""
    history = as_history(calls)
    found = [_surges(history)] + [
        scores(looks.series, looks.minute - _EARLIER * DAY, looks.score)
        for looks in (stops.look(history), *drops.look(history))
    ]
    return scores(
        *(
            np.concatenate([getattr(looks, name) for looks in found])
            for name in ("series", "minute", "score")
        )
    )

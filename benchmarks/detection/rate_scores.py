"""Our own detectors' scores of every minute, taken from the code that pages."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.detection.rate_simulation import DAYS, TEST_FROM, Calls
from ctanalytics.detectors import drops, stops, surges
from ctanalytics.detectors.fewer import Fewer
from ctanalytics.detectors.history import AXIS_DAYS, History, from_minutes
from ctanalytics.detectors.series import DAY, SURGE_WINDOWS, Axis, Keys, Minutes
from ctanalytics.records.series_tables import KEYS
from ctanalytics.settings import Detect

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LOOKS: Final = surges.LOOKS
_START: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)  # a Monday
EARLIER_DAYS: Final = AXIS_DAYS - TEST_FROM
"""Days of the axis before the simulated ones, without a log."""

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


def as_history(calls: Calls, accounts: Sequence[str] | None = None) -> History:
    """The simulated calls as the detectors take them, after weeks in which nothing was logged.

    Args:
        accounts: of each series, ascending; else all are of one.
    """
    axis = Axis(_START - dt.timedelta(days=EARLIER_DAYS), DAYS + EARLIER_DAYS)
    names = [f"{number:06d}" for number in range(calls.count)]
    blank = {name: pl.Series([""] * calls.count) for name in KEYS}
    named = {"account_id": list(accounts or blank["account_id"]), "event_name": names}
    frame = pl.DataFrame(blank | named).with_row_index("series")
    earlier = EARLIER_DAYS * DAY
    minutes = Minutes(calls.series, calls.minute + earlier, calls.calls, axis.days)
    age = np.tile(np.maximum(np.arange(axis.days) - EARLIER_DAYS, 0), (calls.count, 1))
    masked = np.zeros(age.shape, np.bool_)
    return from_minutes(
        Keys(frame), axis, minutes, first_day=TEST_FROM + EARLIER_DAYS, age=age, masked=masked
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
    each = np.stack([looks.scores[window] for window in SURGE_WINDOWS])
    best = np.where(fires, each, 0.0).max(axis=0)
    return scores(chosen[looks.series], looks.minute - EARLIER_DAYS * DAY, best)


def ours(calls: Calls) -> Scores:
    """Surges, stops and drops together, as far apart as their thresholds are at any one budget."""
    history = as_history(calls)
    found = [_surges(history)] + [
        scores(looks.series, looks.minute - EARLIER_DAYS * DAY, looks.score + _ahead(history))
        for looks in (stops.look(history), *drops.look(history))
    ]
    return scores(
        *(
            np.concatenate([getattr(looks, name) for looks in found])
            for name in ("series", "minute", "score")
        )
    )


def _ahead(history: History) -> float:
    """By how much the threshold of stops and drops is lower than that of surges.

    Either part of the budget is spread over its own looks: all series in five windows, and those that
    can stop or drop. Calls and errors are in one history here, so that surges have all their part.
    """
    settings = Detect()
    looks = LOOKS * history.active(history.axis.days - 1)
    fewer = float(np.median(Fewer.of(history).looks))
    return math.log10(settings.share_stop / fewer) - math.log10(settings.share_surge / looks)

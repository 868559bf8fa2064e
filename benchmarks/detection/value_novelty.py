"""A streaming score for series of any values: how far is this from all that was ever seen?

The rate detectors count calls; metrics of a machine are levels that jump, drift and spike. What
carries over is the principle: a point is judged against the record of its own series. The deviation
here is the distance to the nearest value seen before, in three views: the value, its mean over an
hour, its logarithm (for spikes that are small beside the largest). Each is compared with the
largest such distance of the last four days; a regular spike has been seen, and so is at no
distance. For half a day after a high score only a higher one counts: an alarm is raised once.
"""

from __future__ import annotations

import bisect
import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_HOUR: Final = 12
"""Points of five minutes."""
_BURN_IN: Final = 100
_RECORD: Final = 4 * 24 * _HOUR
_ONCE: Final = 12 * _HOUR
_PSEUDO: Final = 0.3
_REPEATED: Final = 9.0


def novelty(values: Floats) -> Floats:
    """Score each point by the points up to it; higher = more abnormal.

    Args:
        values: one each five minutes, in order of time.
    """
    scale = _scale(values)
    hourly = np.convolve(np.concatenate((np.full(_HOUR - 1, values[0]), values)), np.ones(_HOUR))
    mean = hourly[_HOUR - 1 : _HOUR - 1 + len(values)] / _HOUR
    views = (
        _nearest(values) / scale,
        _nearest(mean) / scale,
        _nearest(np.log(np.abs(values) + 0.05 * scale)),
    )
    score = np.max([_against_record(view) for view in views], axis=0)
    return np.where(score > _largest_before(score, _ONCE), score, score - _REPEATED)


def _scale(values: Floats) -> Floats:
    """The usual range of the values so far, renewed each hour."""
    made = np.empty(len(values))
    for start in range(0, len(values), _HOUR):
        past = values[: max(start, 2 * _HOUR)]
        low, middle, high = np.quantile(past, (0.05, 0.5, 0.95))
        spread = high - low + 0.05 * (past.max() - past.min()) + 0.02 * abs(middle)
        made[start : start + _HOUR] = spread + 1e-9
    return made


def _nearest(values: Floats) -> Floats:
    """The distance of each value to the nearest one before it."""
    seen: list[float] = []
    found = np.zeros(len(values))
    for place, value in enumerate(values.tolist()):
        at = bisect.bisect(seen, value)
        below = value - seen[at - 1] if at else math.inf
        above = seen[at] - value if at < len(seen) else math.inf
        if seen:
            found[place] = min(below, above)
        seen.insert(at, value)
    return found


def _against_record(distance: Floats) -> Floats:
    known = distance.copy()
    known[:_BURN_IN] = 0.0  # in the beginning everything is new
    record = np.maximum(_largest_before(known, _RECORD), 0.0)
    return np.log((known + _PSEUDO) / (record + _PSEUDO))


def _largest_before(values: Floats, count: int) -> Floats:
    """The largest of the `count` values before each; -inf before the first."""
    padded = np.concatenate((np.full(count, -np.inf), values))
    return np.lib.stride_tricks.sliding_window_view(padded, count).max(axis=1)[: len(values)]

"""The standard profile of the Numenta Anomaly Benchmark, written from its published description.

A detector gives each point of a series a score; what reaches the threshold is an alarm. In each
labelled window the best-placed alarm counts, by a sigmoid that is near 1 at the window's start and
falls to 0 at its end; an alarm outside counts against, the more the farther it lies behind the
last window; a window without an alarm counts -1. Points of the probation (the first 15 %, at most
750) count neither way. 100 is all windows found at their start and no other alarm, 0 is silence.

Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
Benchmark" (2015), sections II B to D.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FALSE_POSITIVE: Final = 0.11
FALSE_NEGATIVE: Final = 1.0
_PROBATION: Final = 0.15
_LONGEST_PROBATION: Final = 750


@dataclass(frozen=True)
class Weighed:
    """What an alarm at each point of one series is worth."""

    counts: npt.NDArray[np.bool_]
    """Whether the point is past the probation."""
    window: Ints
    """Number of the window that holds it, -1 outside."""
    worth: Floats
    """In a window its part of a hit, 0 to 1; outside the part of a false alarm, -1 to 0."""
    windows: int


def weigh(length: int, windows: Sequence[tuple[int, int]]) -> Weighed:
    """Weigh the points of a series.

    Args:
        windows: first and last point of each, ascending.
    """
    place = np.arange(length)
    window = np.full(length, -1, np.int64)
    worth = np.full(length, -1.0)
    for number, (first, last) in enumerate(windows):
        inside = slice(first, last + 1)
        width = last - first + 1
        window[inside] = number
        worth[inside] = _sigmoid((place[inside] - last - 1) / width) / _sigmoid(np.array(-1.0))
        until = windows[number + 1][0] if number + 1 < len(windows) else length
        behind = slice(last + 1, until)
        worth[behind] = _sigmoid((place[behind] - last) / max(width - 1, 1))
    probation = min(int(_PROBATION * length), _LONGEST_PROBATION)
    return Weighed(place >= probation, window, worth, len(windows))


def _sigmoid(distance: Floats) -> Floats:
    """1 a window before its end, 0 at its end, -1 beyond three windows behind it."""
    value = 2 / (1 + np.exp(5 * np.minimum(distance, 3.0))) - 1
    return np.where(distance > 3, -1.0, value)


@dataclass(frozen=True)
class Curve:
    """The raw score of some series at every threshold, falling."""

    thresholds: Floats
    raw: Floats
    windows: int
    silent: float
    """The raw score without an alarm; a window inside the probation costs nothing."""

    def best(self) -> float:
        """Return the threshold with the highest score; infinity when silence is better."""
        if not len(self.raw) or self.raw.max() <= self.silent:
            return float("inf")
        return float(self.thresholds[int(np.argmax(self.raw))])

    def at(self, threshold: float) -> float:
        """Return the raw score at a threshold."""
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return float(self.raw[place]) if place >= 0 else self.silent


def curve(series: Iterable[tuple[Floats, Weighed]]) -> Curve:
    """Score series together, at all thresholds in one sweep.

    Args:
        series: each one's scores (higher = more abnormal) and weights.
    """
    scores, windows, worths = [], [], []
    total = 0
    for values, weighed in series:
        chosen = weighed.counts
        scores.append(values[chosen])
        worths.append(weighed.worth[chosen])
        windows.append(np.where(weighed.window >= 0, weighed.window + total, -1)[chosen])
        total += weighed.windows
    score, window, worth = map(np.concatenate, (scores, windows, worths))
    order = np.argsort(-score, kind="stable")
    score, window, worth = score[order], window[order], worth[order]
    gain = np.where(window < 0, worth * FALSE_POSITIVE, 0.0)
    best: dict[int, float] = {}
    for place in np.flatnonzero(window >= 0).tolist():
        number = int(window[place])
        known = best.get(number, -FALSE_NEGATIVE)
        if worth[place] > known:
            gain[place] = worth[place] - known
            best[number] = float(worth[place])
    silent = -FALSE_NEGATIVE * len(best)
    raw = silent + np.cumsum(gain)
    last = np.append(score[1:] != score[:-1], True)
    return Curve(score[last], raw[last], total, silent)


def normalised(raw: float, windows: int) -> float:
    """Return a raw score on the scale from 0 (silence) to 100 (perfect)."""
    if not windows:
        return 0.0
    return 100 * (raw + FALSE_NEGATIVE * windows) / ((1 + FALSE_NEGATIVE) * windows)

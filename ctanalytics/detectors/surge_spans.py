"""Where a surge begins and ends, and which looks that fire are one surge.

Every rule is explained in docs/detection.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.history import History
from ctanalytics.detectors.peaks import LEAST_CALLS, LEAST_RATIO
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, Bools, Floats, Ints, Minutes
from ctanalytics.detectors.series import SURGE_WINDOWS as WINDOWS

PROVISIONAL_DAYS: Final = 14
_QUIET_MINUTES: Final = 30
_REOPEN_MINUTES: Final = 60
_LONGEST_MINUTES: Final = DAY
_ONSET_RATIO: Final = 1.5
_END_WINDOW: Final = 15


@dataclass(frozen=True, slots=True)
class Surge:
    """A span of one series that is too busy. Minutes count from the axis' start."""

    series: int
    start: int
    end: int
    """Exclusive; for a surge that goes on, where the logs end."""
    fired: int
    """The minute whose calls made it an alarm."""
    is_open: bool
    score: float
    window: int
    """The shortest window that fires."""
    peak: int
    """The most calls in that window."""
    record: int
    """The most calls in such a window in the 28 days before."""
    provisional: bool
    level_shift: bool


@dataclass(frozen=True)
class Looks:
    """Per entry and by window: counts, expectations, deviations, scores."""

    minutes: Minutes
    series: Ints
    """(entries,) in the order of the entries."""
    minute: Ints
    sums: dict[int, Ints]
    expected: dict[int, Floats]
    y: dict[int, Floats]
    scores: dict[int, Floats]


class Spans:
    """Start, end and merge the surges of one series."""

    def __init__(
        self, history: History, found: Looks, fires: Bools, entries: Ints, most: Ints
    ) -> None:
        self.history, self.first_day = history, history.first_day
        self.number = int(found.series[entries[0]])
        self.minutes = found.minute[entries]
        self.all_minutes = found.minutes
        self.own = fires[:, entries]
        self.fired: Bools = np.logical_or.reduce(self.own, axis=0)
        self.sums = {window: found.sums[window][entries] for window in WINDOWS}
        self.expected = {window: found.expected[window][entries] for window in WINDOWS}
        self.scores = {window: found.scores[window][entries] for window in WINDOWS}
        self.most = most
        """(windows, days from 28 before the first that is judged)."""
        # Windows of an hour and more stay high long after a burst is over: they don't tell its end.
        self.busy = np.zeros(len(entries), np.bool_)
        for window in WINDOWS:
            if window <= _END_WINDOW:
                self.busy |= found.y[window][entries] > math.log(2)

    def surges(self, series: int) -> list[Surge]:
        """Return them in their order, under the number that the series has among all."""
        spans: list[list[int]] = []
        for place in np.flatnonzero(self.fired).tolist():
            if spans and place <= spans[-1][1]:
                continue
            if spans and self.minutes[place] - self.minutes[spans[-1][1]] <= _REOPEN_MINUTES:
                if self._is_news(spans, place):
                    spans[-1][1] = place
                continue
            if spans and not self._is_news(spans, place):
                continue
            spans.append([place, self._last(place)])
        return [self._surge(series, first, last) for first, last in spans]

    def _last(self, place: int) -> int:
        """The last entry of a span that begins at a place."""
        last = place
        for following in range(place + 1, len(self.minutes)):
            if self.minutes[following] - self.minutes[last] > _QUIET_MINUTES:
                break
            if self.busy[following] or (
                self.fired[following] and self._is_news([[place, last]], following)
            ):
                last = following
            if self.minutes[last] - self.minutes[place] >= _LONGEST_MINUTES:
                break
        return last

    def _is_news(self, spans: list[list[int]], place: int) -> bool:
        """Whether an entry fires by more than the calls of spans that were told already.

        The long windows hold a burst for hours after it ended; they fire anew only for what came
        since.
        """
        minute = int(self.minutes[place])
        for row in np.flatnonzero(self.own[:, place]).tolist():
            window = WINDOWS[row]
            told = 0
            for first, last in spans:
                after = max(self._start(first) - 1, minute - window)
                through = int(self.minutes[last])
                if through > after:
                    told += self._calls(after, through)
            rest = int(self.sums[window][place]) - told
            record = self._record(row, int(self.minutes[spans[0][0]]))
            if told == 0 or (
                rest >= LEAST_CALLS
                and rest >= LEAST_RATIO * self.expected[window][place]
                and rest > record
            ):
                return True
        return False

    def _calls(self, after: int, through: int) -> int:
        one = np.array([self.number])
        found = self.all_minutes.calls_in(one, np.array([after]), np.array([through]))
        return int(found[0])

    def _record(self, row: int, before: int) -> int:
        """The most calls in a window that ends before a minute, in the 28 days before its day."""
        day = before // DAY - self.first_day
        known = int(self.most[row, day : day + HISTORY_DAYS].max(initial=0))
        earlier = (self.minutes < before) & (self.minutes >= before // DAY * DAY)
        return max(known, int(self.sums[WINDOWS[row]][earlier].max(initial=0)))

    def _surge(self, series: int, first: int, last: int) -> Surge:
        inside = slice(first, last + 1)
        scores = np.stack([self.scores[window][inside] for window in WINDOWS])
        scores = np.where(self.own[:, inside], scores, 0.0)
        # The shortest window that fires says it best: "84 in 5 minutes", not "97 in a day".
        row = int(np.flatnonzero(scores.any(axis=1))[0])
        start, fired = self._start(first), int(self.minutes[first])
        end = int(self.minutes[last]) + 1
        age = int(self.history.age[self.number, fired // DAY])
        return Surge(
            series=series,
            start=start,
            end=end,
            fired=fired,
            is_open=self.history.end_minute - end < _QUIET_MINUTES,
            score=round(float(scores.max()), 6),
            window=WINDOWS[row],
            peak=int(self.sums[WINDOWS[row]][inside].max()),
            record=self._record(row, start),
            provisional=age < PROVISIONAL_DAYS,
            level_shift=end - start >= _LONGEST_MINUTES,
        )

    def _start(self, first: int) -> int:
        """The first minute of the firing window whose five minutes run clearly above expectation."""
        window = min(WINDOWS[row] for row in np.flatnonzero(self.own[:, first]).tolist())
        fired = int(self.minutes[first])
        above = self.sums[5] > _ONSET_RATIO * np.maximum(self.expected[5], 1.0)
        within = (self.minutes > fired - window) & (self.minutes <= fired) & above
        return int(self.minutes[within][0]) if within.any() else fired

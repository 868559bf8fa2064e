"""Surges: a series runs above its expectation and above its own record, in five windows at once.

Every formula is explained in docs/detection.md; names here are the ones used there.

A day is judged by its largest deviations, which are part of the state. Only series of which one is
too large are looked at minute by minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.calibration import MIN_POOL, Nulls, default_pool
from ctanalytics.detectors.history import PEAK_DAYS, History
from ctanalytics.detectors.peaks import LEAST_CALLS, LEAST_RATIO, looks
from ctanalytics.detectors.series import (
    DAY,
    HISTORY_DAYS,
    POOL_DAYS,
    SURGE_WINDOWS,
    WARM_DAYS,
    Bools,
    Floats,
    Ints,
    Minutes,
)

WINDOWS: Final = SURGE_WINDOWS
LOOKS: Final = len(WINDOWS)
BURSTS: Final = (
    "under 8 calls in 15 minutes",
    "8 to 29",
    "30 to 119",
    "120 and more",
)
"""The coarse strata, by the most calls of 28 days."""

_LEAST_SPREAD: Final = 0.3
_LEAST_SCALE: Final = 0.3
"""Of the pool's tail, in units of u."""
_OFTEN: Final = 0.01
_LEAST_DAYS: Final = 1_000
_BLOCK_VALUES: Final = 16_384
_MOST_SHIFT: Final = 1.0
_PROVISIONAL_DAYS: Final = 14
_PROVISIONAL_MARGIN: Final = 0.5
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
class _Own:
    """One window's deviations, against each series' own record."""

    first: int
    """The day of the first column: POOL_DAYS before the first that is judged."""
    u: Floats
    """(series, days) the day's largest; NaN without a record and on masked days."""
    normal: Floats
    """The same of days that teach what is normal; NaN on others."""
    held: Floats
    """(series, days) the largest of looks that could page."""
    record: Floats
    scale: Floats


@dataclass(frozen=True)
class Judged:
    """What the days of a window show, before any minute of them is looked at."""

    history: History
    own: dict[int, _Own]
    scores: Floats
    """(windows, series, days from the first that is judged) -log10 p of each day."""
    strata: list[tuple[Ints, Ints]]
    """By day, each series' stratum, fine and coarse."""
    shifts: Floats
    """By day, what the scores are moved by: see `_shift`."""

    @property
    def p_values(self) -> Floats:
        """(series, days) of each day, over all windows; 1 where nothing could page."""
        found: Floats = np.minimum(LOOKS * 10.0 ** -self.scores.max(axis=0), 1.0)
        return found

    def looks(self, day: int) -> Floats:
        """(windows, series) -log10 p of a day's largest deviations, whether or not they could page."""
        strata = self.strata[day - self.history.first_day]
        return np.stack(
            [
                self.nulls(window, day).surprise(own.u[:, day - own.first], strata)
                for window, own in self.own.items()
            ]
        )

    def is_known(self, day: int) -> Bools:
        """(series,) whether a day was judged at all: there is a record, and no hole in the logs."""
        own = self.own[WINDOWS[0]]
        found: Bools = ~np.isnan(own.u[:, day - own.first])
        return found

    def most(self, place: int, day: int) -> Floats:
        """(series,) the most calls in a window of a day."""
        return self.history.peak("most", place, day)[:, 0]

    def nulls(self, window: int, day: int) -> Nulls:
        """Return the pools that a day is judged by."""
        own, strata = self.own[window], self.strata[day - self.history.first_day]
        days = slice(day - own.first - POOL_DAYS, day - own.first)
        pool = own.normal[:, days].ravel()
        repeated = [np.repeat(stratum, POOL_DAYS) for stratum in strata]
        if int(np.isfinite(pool).sum()) < MIN_POOL:
            shipped = default_pool(f"surge_{window}")
            pool = np.concatenate((pool, shipped))
            # No series is of the stratum -1: they widen the pool of everything alone.
            nobody = np.full(len(shipped), -1, np.int64)
            repeated = [np.concatenate((one, nobody)) for one in repeated]
        return Nulls(pool, repeated, least_scale=_LEAST_SCALE)


def judge(history: History) -> Judged:
    """Score each series' days from the first day to judge on."""
    first, days = history.first_day, history.axis.days
    strata = [_strata(history, day) for day in range(first, days)]
    own = {window: _own(history, place) for place, window in enumerate(WINDOWS)}
    scores = np.zeros((LOOKS, history.count, days - first))
    judged = Judged(history, own, scores, strata, np.zeros(days - first))
    for day in range(first, days):
        column, pools = day - first, {window: judged.nulls(window, day) for window in WINDOWS}
        judged.shifts[column] = _shift(judged, pools, day)
        for place, window in enumerate(WINDOWS):
            values = own[window].held[:, day - own[window].first]
            found = pools[window].surprise(values, strata[column])
            scores[place, :, column] = moved(found, judged.shifts[column])
    return judged


def _shift(judged: Judged, pools: dict[int, Nulls], day: int) -> float:
    """What brings the scores of a day to what they promise.

    A union bound over windows that overlap, and looks without calls enough to page, make alarms
    rarer than p says. How much, the days of the pool tell: the score that one series-day in a
    hundred reaches is moved to where one in a hundred is promised. 0 where there are too few days.
    """
    strata = [np.repeat(one, POOL_DAYS) for one in judged.strata[day - judged.history.first_day]]
    best = np.zeros(judged.history.count * POOL_DAYS)
    for window, own in judged.own.items():
        days = slice(day - own.first - POOL_DAYS, day - own.first)
        known = np.isfinite(own.normal[:, days]).ravel()
        held = np.where(known, own.held[:, days].ravel(), np.nan)
        best = np.maximum(best, pools[window].surprise(held, strata))
    if known.sum() < _LEAST_DAYS:
        return 0.0
    usual = float(np.quantile(best[known], 1 - _OFTEN))
    return float(np.clip(math.log10(LOOKS / _OFTEN) - usual, -_MOST_SHIFT, _MOST_SHIFT))


def moved(scores: Floats, shift: float) -> Floats:
    """Return scores moved by a shift; what could not page stays at 0."""
    return np.where(scores > 0, np.maximum(scores + shift, 0.0), 0.0)


def _own(history: History, place: int) -> _Own:
    start = history.first_day - PEAK_DAYS
    y = history.peak("surge", place, start)
    held = history.peak("held", place, start)
    record, scale = _records(history, y, start)
    first = start + HISTORY_DAYS
    unknown = ~np.isfinite(record) | history.masked[:, first:]
    found = [
        np.where(unknown, np.nan, deviation(values[:, HISTORY_DAYS:], record, scale))
        for values in (y, held)
    ]
    found[1][np.isneginf(held[:, HISTORY_DAYS:])] = -np.inf
    normal = np.where(history.unlearned[:, first:], np.nan, found[0])
    return _Own(first, found[0], normal, found[1], record, scale)


def deviation(y: Floats, record: Floats, scale: Floats) -> Floats:
    """Return u: how far y lies above a series' own record; above 0 is a new one."""
    with np.errstate(invalid="ignore"):
        found: Floats = (np.exp((y - record) / 2) - 1) / scale
    return found


def daily(history: History, place: int) -> Floats:
    """(series, days) the largest u of each day of the pool and the window, of all that have one."""
    return _own(history, place).normal


def _records(history: History, y: Floats, start: int) -> tuple[Floats, Floats]:
    """(series, days from `start` + 28) the record of the 28 daily maxima before, and the scale."""
    return records(
        np.where(history.unlearned[:, start:], np.nan, y), history.age[:, start + HISTORY_DAYS :]
    )


def records(y: Floats, age: Ints) -> tuple[Floats, Floats]:
    """Return the record and the scale of each day, of the 28 daily maxima before it.

    Maxima are cut at what those before them make believable, so that one attack does not raise the
    bar for the next; the oldest one, with none before it, at what the others do. All of it is taken
    from the 28 days alone, so that a day's record is the same wherever the logs are read from.

    Args:
        y: (series, 28 + days) daily maxima; NaN are left out.
        age: (series, days) days of logs before each; the maxima of an account's first week are left
            out.

    Returns:
        (series, days) each; the record is -inf where there is no history at all.
    """
    record, scale = np.empty(age.shape), np.empty(age.shape)
    # Of so many series at a time, all sums stay in a processor's cache.
    step = max(_BLOCK_VALUES // max(age.shape[1], 1), 1)
    for start in range(0, len(age), step):
        part = slice(start, start + step)
        record[part], scale[part] = _records_in(y[part], age[part])
    return record, scale


def _records_in(y: Floats, age: Ints) -> tuple[Floats, Floats]:
    width = y.shape[1] - HISTORY_DAYS
    past = [
        np.where(age - (HISTORY_DAYS - place) >= WARM_DAYS, y[:, place : place + width], np.nan)
        for place in range(HISTORY_DAYS)
    ]
    others: Floats = np.full(age.shape, -np.inf)
    for values in past[1:]:
        others = np.fmax(others, values)
    record: Floats = np.full(age.shape, -np.inf)
    count, mean, square = (np.zeros(age.shape) for _ in range(3))
    ceiling = np.where(np.isfinite(others), others + 3 * _LEAST_SPREAD, np.inf)
    for values in past:
        kept = np.minimum(values, ceiling)
        known = np.isfinite(kept)
        count += known
        step = np.where(known, kept - mean, 0.0)
        mean += step / np.maximum(count, 1)
        square += step * np.where(known, kept - mean, 0.0)
        record = np.fmax(record, kept)
        spread = np.sqrt(square / np.maximum(count, 1))
        ceiling = np.where(count > 0, record + 3 * (spread + _LEAST_SPREAD), np.inf)
    return record, 0.3 * spread + _LEAST_SPREAD


def _strata(history: History, day: int) -> tuple[Ints, Ints]:
    """(series,) the fine stratum of a day (rate and burstiness) and the coarse one (burstiness)."""
    start = day - HISTORY_DAYS
    most = history.peak("most", WINDOWS.index(15), start)[:, :HISTORY_DAYS].max(axis=1)
    burst = np.digitize(most, (8, 30, 120)).astype(np.int64)
    level = history.levels(day)
    rate = np.clip(np.floor(np.log10(level + 0.1)), -1, 3).astype(np.int64) + 1
    return rate * 4 + burst, burst


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


def find(judged: Judged, theta: Floats | float) -> list[Surge]:
    """Find the surges that fire on the days that were judged.

    Args:
        theta: the score that fires, of all days or of each.
    """
    history = judged.history
    width = history.axis.days - history.first_day
    needed = np.broadcast_to(np.asarray(theta, np.float64), (width,)) + margin(history)
    chosen = np.flatnonzero((judged.scores.max(axis=0) >= needed).any(axis=1))
    if not len(chosen):
        return []
    part = history.of(chosen)
    found = look(judged, chosen, part)
    fires = firing(found, needed[chosen], history.first_day)
    surges: list[Surge] = []
    most = np.stack(
        [part.peak("most", place, history.first_day - HISTORY_DAYS) for place in range(LOOKS)]
    )
    for number in np.unique(found.series[fires.any(axis=0)]).tolist():
        entries = np.flatnonzero(found.series == number)
        spans = _Spans(part, found, fires, entries, most[:, number].astype(np.int64))
        surges += spans.surges(int(chosen[number]))
    return surges


def margin(history: History) -> Floats:
    """(series, days that are judged) what young accounts need beyond the threshold."""
    young = history.age[:, history.first_day :] < _PROVISIONAL_DAYS
    return np.where(young, _PROVISIONAL_MARGIN, 0.0)


def look(judged: Judged, chosen: Ints, part: History) -> Looks:
    """Score every entry of some series in every window, from the first day to judge on.

    Args:
        part: the history of the chosen series alone.
    """
    first, days = part.first_day, part.axis.days
    minutes = part.minutes(first - 2, days)
    expected = part.expected(first - 1, days)
    entries, seen_by_window = looks(minutes, expected, first)
    who, day = minutes.series[entries], minutes.day[entries]
    found = Looks(minutes, who, minutes.minute[entries], {}, {}, {}, {})
    for window, seen in seen_by_window:
        own = judged.own[window]
        column = day - own.first
        y = np.round(seen.y, 9)
        u = deviation(y, own.record[chosen][who, column], own.scale[chosen][who, column])
        u[np.isnan(own.u[chosen][who, column])] = np.nan
        scores = np.zeros(len(entries))
        for today in np.unique(day).tolist():
            at = np.flatnonzero(day == today)
            strata = [one[chosen[who[at]]] for one in judged.strata[today - first]]
            told = judged.nulls(window, today).surprise(u[at], strata)
            scores[at] = moved(told, float(judged.shifts[today - first]))
        found.sums[window], found.expected[window] = seen.sums, seen.expected
        found.y[window], found.scores[window] = y, scores
    return found


def firing(found: Looks, needed: Floats, first_day: int) -> Bools:
    """(windows, entries) whether a window's look fires.

    Args:
        needed: (series, days from `first_day` on) the score that does.
    """
    least = needed[found.series, found.minute // DAY - first_day]
    return np.stack(
        [
            (found.scores[window] >= least)
            & (found.sums[window] >= LEAST_CALLS)
            & (found.sums[window] >= LEAST_RATIO * found.expected[window])
            for window in WINDOWS
        ]
    )


class _Spans:
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
            provisional=age < _PROVISIONAL_DAYS,
            level_shift=end - start >= _LONGEST_MINUTES,
        )

    def _start(self, first: int) -> int:
        """The first minute of the firing window whose five minutes run clearly above expectation."""
        window = min(WINDOWS[row] for row in np.flatnonzero(self.own[:, first]).tolist())
        fired = int(self.minutes[first])
        above = self.sums[5] > _ONSET_RATIO * np.maximum(self.expected[5], 1.0)
        within = (self.minutes > fired - window) & (self.minutes <= fired) & above
        return int(self.minutes[within][0]) if within.any() else fired

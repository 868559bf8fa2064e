"""Made-up calls per minute of many APIs over weeks, with labelled incidents in the last part.

Eight kinds of series (sparse, human, steady, cron, batch, deploy, error, silent) of the shapes that
real accounts show: office hours and weekends, sessions of a few calls, over-dispersed traffic that
drifts, jobs on the clock, nightly batches, heavy-tailed deployments, and a benign level shift now
and then. Incidents are of seven kinds; each changes one series at a time of the test weeks. The
distributions are frozen: the same seed gives the same calls and labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAY: Final = 1_440
DAYS: Final = 35
TEST_FROM: Final = 21
"""The first day on which an incident may begin."""

_KINDS: Final = {
    "sparse": 0.28,
    "human": 0.14,
    "steady": 0.10,
    "cron": 0.12,
    "batch": 0.08,
    "deploy": 0.10,
    "error": 0.12,
    "silent": 0.06,
}
_INCIDENTS: Final = {
    "steady": ("surge x3", "surge x10", "drop", "stop"),
    "human": ("surge x3", "surge x10", "drop", "stop"),
    "sparse": ("silent burst", "drip"),
    "silent": ("silent burst", "drip"),
    "error": ("error burst", "drip"),
    "cron": ("stop", "stop", "burst x3 of record"),
    "batch": ("burst x3 of record",),
    "deploy": ("burst x3 of record",),
}
_INCIDENT_SHARE: Final = 0.12


@dataclass(frozen=True, slots=True)
class Incident:
    """A labelled span of one series; minutes count from the start, `end` is exclusive."""

    series: int
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Calls:
    """Sparse calls per minute: one entry for each minute with a call, by series, then minute."""

    series: Ints
    minute: Ints
    calls: Ints
    kinds: list[str]
    incidents: list[Incident]

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self.kinds)

    def dense(self, number: int) -> Ints:
        """Calls of each minute of one series."""
        first, last = np.searchsorted(self.series, [number, number + 1])
        made = np.zeros(DAYS * DAY, np.int64)
        made[self.minute[first:last]] = self.calls[first:last]
        return made


def simulate(count: int, seed: int) -> Calls:
    """Make the calls of `count` series over 35 days that begin on a Monday."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(_KINDS), count, p=list(_KINDS.values())).tolist()
    incidents, sparse = [], []
    for number, kind in enumerate(kinds):
        calls = _SHAPES[kind](rng)
        if kind in ("human", "steady") and rng.random() < 0.08:
            _shift(calls, rng)
        if rng.random() < _INCIDENT_SHARE:
            found = _incident(number, kind, calls, rng)
            if found:
                incidents.append(found)
        minutes = np.flatnonzero(calls)
        sparse.append((np.full(len(minutes), number), minutes, calls[minutes]))
    series, minute, calls = (np.concatenate(column) for column in zip(*sparse, strict=True))
    return Calls(series, minute, calls, kinds, incidents)


def _office_hours() -> Floats:
    """How busy people are, by minute."""
    minute = np.arange(DAYS * DAY)
    of_day, weekday = minute % DAY, minute // DAY % 7
    bell = np.exp(-0.5 * ((of_day - 13.5 * 60) / 170) ** 2)
    return bell * np.where(weekday < 5, 1.0, 0.12) + 0.03


_OFFICE: Final = _office_hours()
_OFFICE_MEAN_1: Final = _OFFICE / _OFFICE.mean()


def _burst(calls: Ints, start: int, count: float, minutes: float, rng: np.random.Generator) -> None:
    """Spread calls over some minutes, more of them at the beginning."""
    length = max(1, int(minutes))
    places = start + np.floor(length * rng.beta(1, 1.5, max(int(count), 0))).astype(np.int64)
    np.add.at(calls, np.minimum(places, len(calls) - 1), 1)


def _sessions(lowest: float, highest: float) -> Callable[[np.random.Generator], Ints]:
    """Short sessions of a few calls; the exponents bound the sessions a day."""

    def make(rng: np.random.Generator) -> Ints:
        calls = np.zeros(DAYS * DAY, np.int64)
        a_minute = 10 ** rng.uniform(lowest, highest) / DAY
        weight = _OFFICE_MEAN_1 if rng.random() < 0.6 else np.ones(len(calls))
        starts = np.flatnonzero(rng.random(len(calls)) < a_minute * weight)
        sizes = np.minimum(1 + rng.pareto(2.0, len(starts)), 25)
        for start, size in zip(starts, sizes, strict=True):
            _burst(
                calls, start, max(1, round(size * rng.choice([1, 1, 2]))), rng.integers(1, 8), rng
            )
        return calls

    return make


def _human(rng: np.random.Generator) -> Ints:
    busy = 10 ** rng.uniform(-1, 0.8) * _OFFICE * np.repeat(rng.lognormal(0, 0.35, DAYS), DAY)
    shape = 10 ** rng.uniform(-0.3, 0.7)
    return rng.poisson(busy * np.repeat(rng.gamma(shape, 1 / shape, DAYS * DAY // 10), 10))


def _steady(rng: np.random.Generator) -> Ints:
    level, swing = 10 ** rng.uniform(-0.3, 2.3), rng.uniform(0, 0.5)
    steps = rng.normal(0, 0.12, DAYS * 24)
    drift = np.zeros(len(steps))
    for hour in range(1, len(steps)):
        drift[hour] = 0.97 * drift[hour - 1] + steps[hour]
    busy = level * (1 + swing * (_OFFICE / _OFFICE.max() - 0.5))
    shape = 10 ** rng.uniform(0.5, 1.7)
    noise = rng.gamma(shape, 1 / shape, DAYS * DAY)
    return rng.poisson(busy * np.exp(np.repeat(drift, 60) * 0.6) * noise)


def _cron(rng: np.random.Generator) -> Ints:
    calls = np.zeros(DAYS * DAY, np.int64)
    period = int(rng.choice([5, 15, 60, 360, 1_440], p=[0.2, 0.25, 0.3, 0.1, 0.15]))
    size = 10 ** rng.uniform(0, 1.7)
    for start in range(int(rng.integers(0, period)), len(calls) - 3, period):
        if rng.random() < 0.985:
            late = int(rng.integers(0, 2))
            _burst(calls, start + late, max(1, rng.poisson(size)), rng.integers(1, 3), rng)
    return calls


def _batch(rng: np.random.Generator) -> Ints:
    calls = np.zeros(DAYS * DAY, np.int64)
    hour, size = int(rng.integers(0, DAY - 200)), 10 ** rng.uniform(1, 3.3)
    weekly, weekday = rng.random() < 0.25, int(rng.integers(0, 7))
    for day in range(DAYS):
        if (weekly and day % 7 != weekday) or rng.random() < 0.04:
            continue
        early = int(rng.integers(-15, 30)) if day or hour > 20 else 0
        start = max(day * DAY + hour + early, 0)
        _burst(calls, start, size * rng.lognormal(0, 0.45), rng.uniform(8, 90), rng)
    return calls


def _deploy(rng: np.random.Generator) -> Ints:
    calls = np.zeros(DAYS * DAY, np.int64)
    a_minute = 10 ** rng.uniform(-0.7, 0.5) / DAY
    median = 10 ** rng.uniform(0.8, 2.2)
    for start in np.flatnonzero(rng.random(len(calls)) < a_minute * _OFFICE_MEAN_1):
        size = min(median * rng.lognormal(0, 0.8), 5_000) + 1
        _burst(calls, start, size, rng.uniform(2, 30), rng)
    return calls


_SHAPES: Final[dict[str, Callable[[np.random.Generator], Ints]]] = {
    "sparse": _sessions(-1, 1.3),
    "human": _human,
    "steady": _steady,
    "cron": _cron,
    "batch": _batch,
    "deploy": _deploy,
    "error": _sessions(-1, 1.2),
    "silent": _sessions(-2, -0.7),
}


def _shift(calls: Ints, rng: np.random.Generator) -> None:
    """A benign rise of the level that stays."""
    start, factor = int(rng.integers(7 * DAY, len(calls))), rng.uniform(1.3, 2.0)
    calls[start:] += rng.poisson(calls[start:] * (factor - 1))


def _incident(number: int, kind: str, calls: Ints, rng: np.random.Generator) -> Incident | None:
    """Change the calls of a series, and label what was done; None when there was no room for it."""
    usual = calls[: TEST_FROM * DAY].mean()
    if kind in ("steady", "human") and usual <= 0.4:
        return None
    chosen = str(rng.choice(_INCIDENTS[kind]))
    start = int(rng.integers(TEST_FROM * DAY + 60, len(calls) - 1_500))
    length = 0
    match chosen:
        case "surge x3" | "surge x10" | "drop":
            for _ in range(50):
                if calls[start - 60 : start].mean() > 0.3:
                    break
                start = int(rng.integers(TEST_FROM * DAY + 60, len(calls) - 1_500))
            else:
                return None
            length = int(rng.integers(60, 241) if chosen == "drop" else rng.integers(10, 61))
            local = max(calls[start - 60 : start].mean(), 0.3)
            span = calls[start : start + length]
            if chosen == "drop":
                span[:] = rng.binomial(span, 0.15)
            else:
                span += rng.poisson(local * (2 if chosen == "surge x3" else 9), length)
        case "stop":
            longest = int(np.diff(np.flatnonzero(calls[:start])).max(initial=0)) or len(calls)
            if longest > DAY:
                return None
            length = int(min(max(int(rng.integers(240, DAY + 1)), 2 * longest), 2 * DAY))
            length = min(length, len(calls) - start)
            calls[start : start + length] = 0
        case "silent burst":
            length = int(rng.integers(5, 31))
            _burst(calls, start, int(rng.integers(20, 201)), length, rng)
        case "burst x3 of record":
            known = np.concatenate(([0], np.cumsum(calls[: TEST_FROM * DAY])))
            length = int(rng.integers(10, 61))
            _burst(calls, start, max(3 * int((known[30:] - known[:-30]).max()), 50), length, rng)
        case "error burst":
            length = int(rng.integers(2, 21))
            _burst(calls, start, int(rng.integers(30, 301)), length, rng)
        case "drip":
            length = int(rng.integers(720, DAY + 1))
            calls[start : start + length : int(rng.integers(2, 11))] += 1
    return Incident(number, chosen, start, start + length)

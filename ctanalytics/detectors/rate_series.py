"""The series of a kind as call_rate and error_rate judge them, wherever their state is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from ctanalytics.detectors import fewer, surges
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.fewer import Fewer
from ctanalytics.detectors.history import History
from ctanalytics.detectors.numbering import Numbering
from ctanalytics.detectors.series import DAY, SURGE_WINDOWS, Axis, Bools, Floats, Ints, Judging
from ctanalytics.detectors.severity import error_class
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.stops_together import Gap
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.detectors.surges import Judged
from ctanalytics.findings import series_key
from ctanalytics.records.series_tables import KEYS

_CHART_POINTS: Final = 288
_CHART_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Api:
    """The key of a series."""

    account_id: str | None
    aws_region: str | None
    event_source: str | None
    event_name: str | None
    error_code: str | None
    principal_arn: str | None = None
    """Only of series that are counted by principal."""

    @property
    def place(self) -> str:
        """Account and region, for a sentence."""
        return f"{self.account_id or 'an unknown account'} {self.aws_region or ''}".strip()

    def columns(self) -> dict[str, str | None]:
        """The key as columns of an anomaly."""
        return {
            "account_id": self.account_id,
            "aws_region": self.aws_region,
            "event_source": self.event_source,
            "event_name": self.event_name,
            "error_code": self.error_code,
        }

    @property
    def key(self) -> str:
        """What an anomaly's series_key says."""
        by = () if self.principal_arn is None else (self.principal_arn,)
        return series_key(*self.columns().values(), *by)


@dataclass(frozen=True)
class Found:
    """What fires on the days that are judged."""

    surges: list[Surge]
    less: list[Stop | Drop]
    gaps: list[Gap]


class RateSeries(Judging, Protocol):
    """The series of a kind, numbered in the order of their keys, and what their days show."""

    @property
    def count(self) -> int:
        """How many series there are."""
        ...

    @property
    def holes(self) -> Sequence[tuple[str | None, str | None, int, int]]:
        """As `logged.Logged`."""
        ...

    @property
    def first_days(self) -> Mapping[str | None, int]:
        """As `logged.Logged`."""
        ...

    @property
    def judged(self) -> Judged:
        """What their days show against those of all of them."""
        ...

    @property
    def looks_down(self) -> Ints:
        """Of each day to judge, the looks for calls that fail to come."""
        ...

    @property
    def could(self) -> Bools:
        """(series,) whether a series counts what is ever told of: no errors that are benign."""
        ...

    def find(self, up: Floats, down: Floats | None) -> Found:
        """Find what fires.

        Args:
            up: the score of a surge that does, of each day to judge.
            down: that of a stop or drop; None: none is looked for.
        """
        ...

    def api(self, number: int) -> Api:
        """Return the key of a series of which something was found."""
        ...

    def rate(self, number: int, start: int, end: int) -> dict[str, Any]:
        """Return the rate around a span that was found; see `Charts.rate`."""
        ...

    def named(self, numbers: Ints) -> pa.Table:
        """Return the keys of some series, in their order."""
        ...

    def most(self, numbers: Ints, day: int) -> Ints:
        """Return (windows, series) the most calls of a judged day, of some series."""
        ...


@dataclass(frozen=True)
class Here:
    """Series whose history is in memory: `RateSeries`."""

    history: History
    told: tuple[surges.Told, fewer.Told | None] | None = None
    """What all series tell, where these are some of them."""

    @property
    def axis(self) -> Axis:
        """As `Judging`."""
        return self.history.axis

    @property
    def first_day(self) -> int:
        """As `Judging`."""
        return self.history.first_day

    @property
    def end_minute(self) -> int:
        """As `Judging`."""
        return self.history.end_minute

    @property
    def count(self) -> int:
        """As `RateSeries`."""
        return self.history.count

    @property
    def holes(self) -> Sequence[tuple[str | None, str | None, int, int]]:
        """As `RateSeries`."""
        return self.history.holes

    @property
    def first_days(self) -> Mapping[str | None, int]:
        """As `RateSeries`."""
        return self.history.first_days

    @cached_property
    def judged(self) -> Judged:
        """As `RateSeries`."""
        return surges.score(self.history, surges.Shown.of(self.history), self.told and self.told[0])

    @cached_property
    def less(self) -> Fewer:
        """What stops and drops are judged by."""
        return Fewer.of(self.history)

    @property
    def looks_down(self) -> Ints:
        """As `RateSeries`."""
        return self.less.looks

    @property
    def could(self) -> Bools:
        """As `RateSeries`."""
        return could_page(self.history.keys.frame.select(KEYS).to_arrow())

    def active(self, day: int) -> int:
        """As `Judging`."""
        return self.history.active(day)

    def find(self, up: Floats, down: Floats | None) -> Found:
        """As `RateSeries`."""
        found = surges.find(self.judged, up)
        less, gaps = self.less.found(down) if down is not None else ([], [])
        return Found(found, less, gaps)

    def some(self, up: Floats, down: Floats | None) -> tuple[list[Surge], fewer.Found]:
        """As `find`, where these are some of the series: the stops of many are not told apart."""
        told = self.told and self.told[1]
        less = fewer.Found([], []) if down is None else self.less.find(down, told)
        return surges.find(self.judged, up), less

    def api(self, number: int) -> Api:
        """As `RateSeries`."""
        return Api(**self.history.keys.key(number))

    def rate(self, number: int, start: int, end: int) -> dict[str, Any]:
        """As `RateSeries`."""
        return rate(self.history, number, start, end)

    def named(self, numbers: Ints) -> pa.Table:
        """As `RateSeries`."""
        return self.history.keys.frame[numbers].select(KEYS).to_arrow()

    def most(self, numbers: Ints, day: int) -> Ints:
        """As `RateSeries`."""
        return np.stack([one[numbers] for one in most_calls(self.history, day)])


def most_calls(history: History, day: int) -> Ints:
    """Return (windows, series) the most calls of a day."""
    found = [history.peak("most", place, day)[:, 0] for place in range(len(SURGE_WINDOWS))]
    return np.stack(found).astype(np.int64)


def could_page(keys: pa.Table) -> Bools:
    """(series,) whether each series counts what is ever told of: calls, or errors that mean something."""
    distinct = Numbering.of([keys], ("error_code", "event_name"))
    told = [
        row["error_code"] is None or error_class(row["error_code"], row["event_name"]) != "benign"
        for row in distinct.table().to_pylist()
    ]
    return np.array(told, np.bool_)[distinct.find(keys)]


class Charts:
    """The rates of some series around what they did."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.minutes = history.minutes(history.first_day - 2, history.axis.days)
        self.expected = history.expected(history.first_day - 1, history.axis.days)

    def rate(self, number: int, start: int, end: int) -> dict[str, Any]:
        """Observed and expected calls per minute around a span, in steps of at least five minutes."""
        axis, length = self.history.axis, max(end - start, 60)
        begin = (self.history.first_day - 1) * DAY
        first = max(start - max(length, 360), begin) // _CHART_MINUTES * _CHART_MINUTES
        last = min(end + max(length, 360), self.history.end_minute)
        step = _CHART_MINUTES
        while (last - first) // step > _CHART_POINTS:
            step *= 2
        edges = np.arange(first, last + 1, step)
        who = np.full(max(len(edges) - 1, 0), number)
        before, through = edges[:-1] - 1, edges[1:] - 1
        observed = self.minutes.calls_in(who, before, through) / step
        until, since = (self.expected.through(who, minute) for minute in (through, before))
        expected = (until - since) / step
        return {
            "unit": "calls per minute",
            "minutes": step,
            "points": [
                [
                    axis.time(int(edge)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    round(float(one), 6),
                    round(float(other), 6),
                ]
                for edge, one, other in zip(edges[:-1], observed, expected, strict=True)
            ],
        }


def rate(history: History, number: int, start: int, end: int) -> dict[str, Any]:
    """Return the rate of a series around a span; see `Charts.rate`."""
    return Charts(history.of(np.array([number]))).rate(0, start, end)

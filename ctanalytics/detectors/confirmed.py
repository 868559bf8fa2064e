"""Days on which a person saw an incident in a series: they teach nothing of what is normal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ctanalytics.detectors.series import Axis, Bools, Keys
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.derived import hash_of

_KEYS: Final = ("account_id", "aws_region", "event_source", "event_name", "error_code")
_KINDS: Final = {"call_rate": False, "error_rate": True}
"""By detector, whether its series count errors."""


@dataclass(frozen=True)
class Confirmed:
    """Anomalies of rates that a person called incidents: keys, started_at, ended_at, detector."""

    rows: Sequence[Mapping[str, Any]]

    def days(self, kind: str, keys: Keys, axis: Axis) -> Bools:
        """(series, days) whether an incident of the series touches a day."""
        found = np.zeros((keys.count, axis.days), np.bool_)
        if not self.rows:
            return found
        numbers: dict[tuple[str | None, ...], list[int]] = {}
        for number, key in enumerate(keys.frame.select(_KEYS).rows()):
            numbers.setdefault(key, []).append(number)
        for row in self._of(kind):
            first, last = axis.day(row["started_at"]), axis.day(_last(row))
            for number in numbers.get(tuple(row[name] for name in _KEYS), []):
                found[number, max(first, 0) : max(last + 1, 0)] = True
        return found

    def signature(self, kind: str, first: dt.date, last: dt.date) -> str:
        """Changes when other days of a span are confirmed; empty when none are."""
        told = [
            "|".join(str(row[name]) for name in (*_KEYS, "started_at", "ended_at"))
            for row in self._of(kind)
            if row["started_at"].date() <= last and _last(row).date() >= first
        ]
        return hash_of(*sorted(told)) if told else ""

    def _of(self, kind: str) -> list[Mapping[str, Any]]:
        errors = kind.startswith("errors")
        return [row for row in self.rows if _KINDS[row["detector"]] == errors]


def confirmed_in(engine: Engine) -> Confirmed:
    """Read what people have confirmed."""
    return Confirmed(engine.run("detectors/confirmed_series").to_pylist())


def _last(row: Mapping[str, Any]) -> dt.datetime:
    """The last moment of an incident."""
    end: dt.datetime = max(row["ended_at"] - dt.timedelta(microseconds=1), row["started_at"])
    return end

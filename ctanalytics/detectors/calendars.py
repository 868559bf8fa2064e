"""Which hours are working hours, by account: weekends and holidays where its people live."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

import msgspec
import numpy as np

from ctanalytics.detectors.series import Axis, Bools, Ints, Keys
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.derived import hash_of
from ctanalytics.settings import Calendar

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Calendars:
    """The calendars of the settings, and a last one for all other accounts: UTC, Saturday, Sunday."""

    calendars: Sequence[Calendar] = (Calendar(),)
    units: Mapping[str | None, tuple[str | None, str | None]] = field(default_factory=dict)
    """By account: its organizational unit's name and path, where they are known."""

    @cached_property
    def signature(self) -> str:
        """Changes when an account may have another calendar, or a calendar other days."""
        if len(self.calendars) == 1:
            return ""
        told = msgspec.to_builtins(list(self.calendars))
        return hash_of(json.dumps(told), json.dumps(sorted(self.units.items(), key=str)))

    def off(self, axis: Axis) -> Bools:
        """(calendars, days, 24) whether a UTC hour lies on a weekend or holiday."""
        found = np.zeros((len(self.calendars), axis.days, 24), np.bool_)
        for place, calendar in enumerate(self.calendars):
            zone = zoneinfo.ZoneInfo(calendar.timezone)
            for day in range(axis.days):
                for hour in range(24):
                    local = axis.time(day * 1_440 + hour * 60).astimezone(zone)
                    found[place, day, hour] = _is_off(calendar, local.date())
        return found

    def of(self, keys: Keys) -> Ints:
        """Return the calendar of each series: the first that names its account or unit."""
        accounts, number = keys.accounts
        return np.array([self._calendar(one) for one in accounts], np.int64)[number]

    def _calendar(self, account: str | None) -> int:
        name, path = self.units.get(account, (None, None))
        for place, calendar in enumerate(self.calendars[:-1]):
            if _matches(calendar.account, account) or _matches(calendar.ou, name, path):
                return place
        return len(self.calendars) - 1


def calendars_of(engine: Engine, wanted: Sequence[Calendar]) -> Calendars:
    """Return the calendars of the settings, with the units that the account directory knows."""
    if not wanted:
        return Calendars()
    rows = engine.run("detectors/account_units").to_pylist()
    units = {row["account_id"]: (row["ou"], row["ou_path"]) for row in rows}
    return Calendars((*wanted, Calendar()), units)


def _is_off(calendar: Calendar, date: dt.date) -> bool:
    return _DAYS[date.weekday()] in calendar.weekend or date.isoformat() in calendar.holidays


def _matches(patterns: Sequence[str], *values: str | None) -> bool:
    return any(
        value is not None and fnmatchcase(value, pattern)
        for pattern in patterns
        for value in values
    )

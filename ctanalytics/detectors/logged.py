"""Since when an account has logs, and on which days some of them are missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctanalytics.detectors.numbering import Numbering
from ctanalytics.detectors.series import HISTORY_DAYS, Axis, Bools, Floats, Ints, Keys

REACH_DAYS: Final = 60
"""Days before the axis that are looked at: a day depends on so many before it and on no more."""

_SILENT_HOUR_CALLS: Final = 20.0
_PLACE: Final = ["account_id", "aws_region"]


@dataclass(frozen=True)
class Logged:
    """What is known of the logs behind each series, by day of the axis."""

    age: Ints
    """(series, days) days of logs that the account had before a day, at most REACH_DAYS - 1."""
    masked: Bools
    """(series, days) whether a day of the account and region has holes in its logs."""
    holes: list[tuple[str | None, str | None, int, int]]
    """Account, region, day, and how many hours of it are missing."""
    first_days: dict[str | None, int]
    """By account, the first day with logs that was looked at; it may lie before the axis."""


def logged(
    keys: Keys, axis: Axis, hours: Iterable[tuple[dt.date, pa.Table]], until: dt.datetime
) -> Logged:
    """Look at the events of accounts and regions by the hour.

    Args:
        hours: rows of series_minute, kind `all`, of the axis and REACH_DAYS before it.
        until: where the logs end; later hours are not silent but unknown.
    """
    parts = list(hours)
    own = keys.frame.select(_PLACE).to_arrow()
    numbering = Numbering.of([own, *(table for _, table in parts)], _PLACE)
    places = [(row["account_id"], row["aws_region"]) for row in numbering.table().to_pylist()]
    grid = _grid(numbering, axis, parts)
    silent = _silent_hours(grid, axis, until)
    accounts, number = keys.accounts
    ages, first_days = _ages(accounts, places, grid, axis)
    masked: Bools = (silent > 0)[numbering.find(own)]
    holes = [
        (*places[where], day, int(silent[where, day]))
        for where, day in zip(*(part.tolist() for part in np.nonzero(silent)), strict=True)
    ]
    return Logged(ages[number], masked, holes, first_days)


def _grid(places: Numbering, axis: Axis, parts: Sequence[tuple[dt.date, pa.Table]]) -> Floats:
    """The events of each place: (places, days from REACH_DAYS before, 24)."""
    grid: Floats = np.zeros((len(places.rows), axis.days + REACH_DAYS, 24))
    for date, table in parts:
        day = (date - axis.start.date()).days + REACH_DAYS
        hour = table["minute"].to_numpy() // 60
        grid[places.find(table), day, hour] += table["calls"].to_numpy()
    return grid


def _silent_hours(grid: Floats, axis: Axis, until: dt.datetime) -> Ints:
    """(places, days) hours without any event where at least 20 are usual."""
    silent = np.zeros((len(grid), axis.days), np.int64)
    for day in range(axis.days):
        at = day + REACH_DAYS
        usual = np.median(grid[:, at - HISTORY_DAYS : at], axis=1)
        known = (np.arange(24) + day * 24 + 1) * 60 <= axis.minute(until)
        missing = (grid[:, at] == 0) & (usual >= _SILENT_HOUR_CALLS) & known
        silent[:, day] = missing.sum(axis=1)
    return silent


def _ages(
    accounts: list[str | None],
    places: Sequence[tuple[str | None, str | None]],
    grid: Floats,
    axis: Axis,
) -> tuple[Ints, dict[str | None, int]]:
    """(accounts, days) days since an account's first log within reach, and its first day of all."""
    owner = {account: number for number, account in enumerate(accounts)}
    seen: npt.NDArray[np.bool_] = np.zeros((len(accounts), grid.shape[1]), np.bool_)
    for place, (account, _) in enumerate(places):
        if account in owner:
            seen[owner[account]] |= grid[place].any(axis=1)
    ages = np.zeros((len(accounts), axis.days), np.int64)
    for day in range(axis.days):
        window = seen[:, day + 1 : day + REACH_DAYS + 1]
        first = np.argmax(window, axis=1)
        ages[:, day] = np.where(window.any(axis=1), REACH_DAYS - 1 - first, 0)
    first_days = {
        account: int(np.argmax(seen[number])) - REACH_DAYS
        for account, number in owner.items()
        if seen[number].any()
    }
    return ages, first_days

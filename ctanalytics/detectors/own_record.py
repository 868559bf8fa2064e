"""What a series has done before: the record of 28 days, and how far a day lies above it.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.history import PEAK_DAYS, History
from ctanalytics.detectors.series import HISTORY_DAYS, WARM_DAYS, Floats, Ints

_LEAST_SPREAD: Final = 0.3
_BLOCK_VALUES: Final = 16_384


@dataclass(frozen=True)
class Deviations:
    """How far the days of some series lie above their own records, in one window."""

    first: int
    """The day of the first column: POOL_DAYS before the first that is judged."""
    u: Floats
    """(series, days) the day's largest; NaN without a record and on masked days."""
    normal: Floats
    """The same of days that teach what is normal; NaN on others."""
    held: Floats
    """(series, days) the largest of looks that could page."""


@dataclass(frozen=True)
class Own(Deviations):
    """One window's deviations, and the record of each day that they are measured from."""

    record: Floats
    scale: Floats


def of_window(history: History, place: int) -> Own:
    """Return the deviations in the window of that place, day by day."""
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
    return Own(first, found[0], normal, found[1], record, scale)


def deviation(y: Floats, record: Floats, scale: Floats) -> Floats:
    """Return u: how far y lies above a series' own record; above 0 is a new one."""
    with np.errstate(invalid="ignore"):
        found: Floats = (np.exp((y - record) / 2) - 1) / scale
    return found


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

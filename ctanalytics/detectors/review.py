"""The daily list of series that are worth a look: what pages, and what comes close.

q is the share of false entries to be expected in a list that reaches down to it (Benjamini and
Hochberg, 1995), over all series of a kind that were judged on a day.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pyarrow as pa

from ctanalytics.detectors.history import PEAK_DAYS
from ctanalytics.detectors.rate_series import RateSeries
from ctanalytics.detectors.series import SURGE_WINDOWS, Axis, Bools, Floats
from ctanalytics.lake.derived import Derived, hash_of
from ctanalytics.lake.layout import TABLES
from ctanalytics.records.series_tables import KEYS

MOST_Q: Final = 0.1
_VERSION: Final = 1


def q_values(p_values: Floats) -> Floats:
    """Return the q-value of each p-value of one family, in their order."""
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * count / np.arange(1, count + 1)
    found = np.empty(count)
    found[order] = np.minimum.accumulate(steps[::-1])[::-1]
    return np.minimum(found, 1.0)


def review(derived: Derived, kind: str, series: RateSeries, needed: Floats) -> int:
    """Write the list of each whole day that was judged; return how many entries there are.

    Args:
        needed: (series, days that were judged) the score that pages.
    """
    entries, could = 0, series.could
    for day in range(series.first_day, series.axis.days):
        column = day - series.first_day
        table = _day(kind, series, day, needed[:, column], could)
        entries += table.num_rows
        if (day + 1) * 1_440 > series.end_minute:
            continue  # the day is not over
        date = series.axis.date(day)
        inputs = _inputs(derived, kind, series.axis, day, needed[:, column])
        if not derived.is_made("series_review", date, kind, inputs):
            derived.put("series_review", date, kind, inputs, table)
    return entries


def _inputs(derived: Derived, kind: str, axis: Axis, day: int, needed: Floats) -> str:
    dates = axis.dates(day - PEAK_DAYS, day + 1)
    return hash_of(
        _VERSION,
        *(derived.content("series_peak", date, kind) for date in dates),
        *(derived.content("series_day", date, kind) for date in dates),
        hashlib.sha256(np.round(needed, 6).tobytes()).hexdigest(),
    )


def _day(kind: str, series: RateSeries, day: int, needed: Floats, could: Bools) -> pa.Table:
    judged, column = series.judged, day - series.first_day
    scores = judged.scores[:, :, column]
    family = np.flatnonzero(could & judged.is_known(day))
    p_values = judged.p_values[family, column]
    q = q_values(p_values) if len(family) else np.zeros(0)
    listed = np.flatnonzero(q <= MOST_Q)
    listed = listed[np.lexsort((family[listed], p_values[listed]))]
    number = family[listed]
    best = scores[:, number].argmax(axis=0)
    calls = series.most(number, day)[best, np.arange(len(number))]
    keys = series.named(number)
    columns = {
        "kind": pa.repeat(pa.scalar(kind), len(number)),
        **dict(zip(KEYS, keys.columns, strict=True)),
        "window_minutes": pa.array(np.array(SURGE_WINDOWS)[best], pa.int32()),
        "calls": pa.array(calls, pa.int64()),
        "p_value": pa.array(np.round(p_values[listed], 12)),
        "q_value": pa.array(np.round(q[listed], 12)),
        "pages": pa.array(scores[:, number].max(axis=0) >= needed[number]),
    }
    wanted = TABLES["series_review"].file_schema()
    return pa.table(columns).select(wanted.names).cast(wanted)

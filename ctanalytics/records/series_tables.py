"""Columns of the tables that rate detectors keep: what each API did, minute by minute and day by day.

All of it follows from `events`, and is made anew where it is lost. It holds integers alone, so that
the same events give the same bytes on any machine.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ctanalytics.records.schema import TEXT

KEYS: Final = (
    "account_id",
    "aws_region",
    "event_source",
    "event_name",
    "error_code",
    "principal_arn",
)
"""What a series is told by; the last is null unless a kind is counted by principal."""

_KEY_FIELDS: Final = tuple(pa.field(name, TEXT) for name in KEYS)

SERIES_MINUTE: Final = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("kind", TEXT, nullable=False),  # writes, errors, ...; see docs/detection.md
        *_KEY_FIELDS,
        pa.field("minute", pa.int32(), nullable=False),  # of the UTC day, from 0
        pa.field("calls", pa.int64(), nullable=False),
    ]
)
"""Table `series_minute`: calls per minute; a minute without a call has no row.

The kind `all` counts every event of an account and region by the hour: `minute` is its first.
"""

SERIES_DAY: Final = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("kind", TEXT, nullable=False),
        *_KEY_FIELDS,
        pa.field("hours", pa.list_(pa.int64()), nullable=False),  # 24 counts of calls
        pa.field("first_minute", pa.int32(), nullable=False),  # with a call, of the UTC day
        pa.field("last_minute", pa.int32(), nullable=False),
        pa.field("gap_minutes", pa.int32(), nullable=False),  # longest silence between two calls
        pa.field("gap_minute", pa.int32(), nullable=False),  # in which that silence begins
    ]
)
"""Table `series_day`: what a day's minutes add up to; a day without a call has no row."""

SERIES_PEAK: Final = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("kind", TEXT, nullable=False),
        *_KEY_FIELDS,
        pa.field("most_calls", pa.list_(pa.int64()), nullable=False),  # in each surge window
        pa.field("surge", pa.list_(pa.int64()), nullable=False),  # largest deviation, 1e-9
        pa.field("surge_held", pa.list_(pa.int64())),  # the same of looks that could page, or null
        pa.field("drop", pa.list_(pa.int64())),  # largest deviation below, 1e-9, by drop window
    ]
)
"""Table `series_peak`: a day's largest deviations from what was to be expected, before they are
compared with those of other days. Null is "no look at all"."""

SERIES_REVIEW: Final = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("kind", TEXT, nullable=False),
        *_KEY_FIELDS,
        pa.field("window_minutes", pa.int32(), nullable=False),
        pa.field("calls", pa.int64(), nullable=False),  # the most in that window
        pa.field("p_value", pa.float64(), nullable=False),  # of the day, over all windows
        pa.field("q_value", pa.float64(), nullable=False),  # Benjamini-Hochberg, of all of the day
        pa.field("pages", pa.bool_(), nullable=False),  # whether it is an anomaly as well
    ]
)
"""Table `series_review`: series whose day is worth a look, with q of at most 0.1."""

SERIES_BUDGET: Final = pa.schema(
    [
        pa.field("detector", TEXT, nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("raised", pa.int32(), nullable=False),  # of its threshold, in quarters of -log10 p
        pa.field("alarms", pa.int32(), nullable=False),  # of the 14 days before
        pa.field("allowed", pa.float64(), nullable=False),  # in 14 days, by the budget
        pa.field("decided_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
"""Table `series_budget`: by how much each day's threshold was raised since alarms went beyond twice
the budget; append-only, the first row of a day counts."""

"""Events of a made-up account for detector tests: steady calls, a daily batch, people, incidents."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ctanalytics.detectors.base import Context, Window
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.records.schema import EVENTS
from ctanalytics.settings import Detect
from tests import builders

DAYS = 35
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)  # a Monday
END = START + dt.timedelta(days=DAYS)
WINDOW = Window(END - dt.timedelta(days=7), END)


def minute(day: int, hour: int = 0, minute: int = 0) -> int:
    """Minutes from START."""
    return day * 1_440 + hour * 60 + minute


def calls(minutes: Any, name: str, **columns: Any) -> pa.Table:
    """Write calls of one API, one for each minute (from START) in the list."""
    base = builders.event(START, **({"event_name": name, "read_only": False} | columns))
    spots = np.sort(np.asarray(minutes, np.int64))
    count = len(spots)
    micros = (int(START.timestamp()) + spots * 60 + np.arange(count) % 60) * 1_000_000
    made: dict[str, pa.Array] = {}
    for field in EVENTS:
        made[field.name] = pa.repeat(pa.scalar(base.get(field.name), field.type), count)
    moments = pa.array(micros, pa.int64()).cast(EVENTS.field("event_time").type)
    made["event_time"] = moments
    made["event_date"] = moments.cast(pa.timestamp("us")).cast(pa.date32())
    key = f"{name}-{columns.get('account_id', '')}-{columns.get('error_code', '')}"
    made["event_id"] = pa.array([f"{key}-{place}" for place in range(count)], pa.string())
    return pa.table(made, schema=EVENTS)


def background(seed: int = 1, series: int = 60) -> list[pa.Table]:
    """Series of many characters without an incident."""
    random = np.random.default_rng(seed)
    tables = [calls(np.arange(3, minute(DAYS), 10), "PutMetricData")]
    for number in range(series):
        kind = number % 4
        if kind == 0:  # people in office hours
            at = [
                minute(day, 8) + random.integers(0, 600, random.poisson(12))
                for day in range(DAYS)
                if day % 7 < 5
            ]
        elif kind == 1:  # a nightly batch
            at = [
                minute(day, 2) + random.integers(0, 40, random.poisson(60)) for day in range(DAYS)
            ]
        elif kind == 2:  # rare
            at = [random.integers(0, minute(DAYS), 40)]
        else:  # a cron job
            at = [np.arange(number, minute(DAYS), 60) + random.integers(0, 2)]
        spots = np.concatenate([np.asarray(part) for part in at])
        tables.append(calls(spots[spots < minute(DAYS)], f"Call{number:03d}"))
    return tables


def context(folder: Path, tables: list[pa.Table], *, threads: int = 2, **settings: Any) -> Context:
    """A context over these events."""
    made = builders.engine(folder, events=pa.concat_tables(tables))
    engine = Engine(made.tables, threads=threads)
    made.close()
    # A tight budget: at the default one, a false page or two a week are allowed.
    return Context(engine, LocalExecutor(1), Detect(**({"budget": 1.0} | settings)), END)

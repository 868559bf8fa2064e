"""Rates judged by blocks of series: wherever blocks begin and end, the anomalies are the same."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors import series_blocks
from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.call_rate import call_rate
from ctanalytics.detectors.error_rate import error_rate
from ctanalytics.engines.executor import Executor
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Detect
from tests.app.spreading import DAY, END, AsJson
from tests.detectors.organization import DAYS, calls, minute

LAST = DAYS - 1
UNTIL = END - dt.timedelta(hours=6)
"""The last day is not over: its state is in the driver's memory alone."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Series that stop, drop, surge and fail on the last day, and an account of which most falls
    silent the day before; two go on."""
    random = np.random.default_rng(9)
    other = {"account_id": "444455556666"}
    beat = np.arange(2, minute(DAYS), 12)
    busy = np.sort(random.integers(0, minute(DAYS), 40_000))
    slow = (busy > minute(LAST, 5)) & (np.arange(len(busy)) % 12 > 0)
    refused = {"error_code": "AccessDenied", "is_error": True, "read_only": True}
    daily = minute(3, 12) + np.arange(DAYS - 4) * 1_440
    tables = [
        calls(beat[beat < minute(LAST, 4)], "Stops"),
        calls(busy[~slow], "Slows"),
        calls(np.concatenate((beat[::9], minute(LAST, 11) + np.arange(400) // 20)), "Bursts"),
        calls(beat[::5], "Beats"),
        *(calls(daily, name, **refused) for name in ("Asks", "Finds", "Gets", "Lists")),
        calls(minute(LAST, 13) + np.arange(200) // 5, "Asks", **refused),
        *(calls(beat[beat < minute(LAST - 1, 9)], f"Ends{one}", **other) for one in range(4)),
        calls(beat[::11], "Lists", read_only=True, **other),
    ]
    made = Lake.create(tmp_path_factory.mktemp("rates") / "lake")
    made.append("events", pa.concat_tables(tables))
    return made


def judged(lake: Lake, executor: Executor) -> list[Any]:
    """What rates of calls and errors find, say and write."""
    told: list[Any] = []
    with lake.engine() as engine, closing(Derived.open(lake)) as derived:
        context = Context(engine, executor, Detect(budget=50.0), END + DAY, derived=derived)
        for detector in (call_rate, error_rate):
            found = detector(context, Window(UNTIL - DAY, UNTIL))
            made = [one for one in found.state if "add" in one]
            told += [found.anomalies.to_pylist(), found.notes]
            # The name tells what a list is made from, and a hash of its rows.
            lists = [one["add"] for one in made if one["table"] == "series_review"]
            told.append(sorted((one["path"].rpartition("-")[0], one["size"]) for one in lists))
            derived.commit([one for one in made if one["table"] != "series_review"])
    assert [*lake.store.list("staging/")] == []
    return told


def test_blocks_of_series_are_judged_as_all_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judged(lake, LocalExecutor(1))
    assert {row["kind"] for row in whole[0]} == {"surge", "drop", "stop", "telemetry_gap"}
    assert {row["kind"] for row in whole[3]} == {"error_surge"}
    assert whole[2] and whole[5]
    monkeypatch.setattr(series_blocks, "MOST_SERIES", 3)
    executor = AsJson()
    assert judged(lake, executor) == whole
    blocks = [part["with_fewer"] for part in executor.parts if "with_fewer" in part]
    assert (sum(blocks), len(blocks)) == (3, 5)
    assert sum("chosen" in part for part in executor.parts) >= 3

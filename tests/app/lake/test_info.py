"""What `info` says about the state of a lake's files, and what it advises."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.expire import expire
from ctanalytics.app.lake.info import info
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.lake import plans
from ctanalytics.lake.lake import Lake
from tests.app.lake.making import CLOSED, OPEN, care, small_files
from tests.logs import START


def test_an_empty_lake_needs_nothing(tmp_path: Path) -> None:
    found = info(Lake.create(tmp_path / "lake"))
    assert (found.dates, found.to_sort, found.to_merge, found.advice) == (0, 0, 0, [])
    assert (found.first_event, found.bytes_per_event) == (None, None)
    assert found.last == {"compact": None, "expire": None, "vacuum": None}


def test_advice_goes_away_as_it_is_followed(tmp_path: Path) -> None:
    lake = small_files(tmp_path, apart=8_000)
    found = info(lake, settings=care(), now=CLOSED)
    assert (found.open_dates, found.closed_dates, found.to_sort) == (0, 2, 2)
    assert found.first_event == START
    assert len(found.advice) == 1
    assert "lake compact" in found.advice[0]
    compact(lake, settings=care(), now=CLOSED)
    found = info(lake, settings=care(), now=CLOSED)
    assert found.to_sort == 0
    assert found.last["compact"]
    (advice,) = found.advice
    assert "lake vacuum" in advice
    vacuum(lake)
    assert info(lake, settings=care(), now=CLOSED).advice == []
    expire(lake, before=dt.date(2026, 3, 2))
    assert info(lake, settings=care(), now=CLOSED).dates == 1


def test_open_dates_and_tables_without_dates_are_to_merge_when_they_have_many_files(
    tmp_path: Path,
) -> None:
    lake = small_files(tmp_path)
    found = info(lake, settings=care(open_files=10), now=OPEN)
    assert (found.open_dates, found.closed_dates) == (1, 0)
    assert (found.to_sort, found.to_merge) == (0, 2 + bool(duplicates(lake)))
    events = next(table for table in found.tables if table.name == "events")
    assert (events.files, events.small_files, events.rows) == (14, 14, 84)


def duplicates(lake: Lake) -> int:
    return len(lake.files("duplicates")) > 10


def test_a_plan_that_nobody_has_ended_is_said(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    plans.claim(lake, {"plan_id": 1, "source": {}, "objects": [], "settings_hash": ""})
    found = info(lake)
    assert found.unfinished_plans == 1
    assert "ctanalytics ingest" in found.advice[0]

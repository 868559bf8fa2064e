"""Detect and backtest by parts: whatever runs them, the anomalies and the state are the same."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ctanalytics.app.detect import detect
from ctanalytics.detectors import series_blocks
from ctanalytics.engines.executor import Executor
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.store import Store
from ctanalytics.settings import Execution, Settings
from tests.app.spreading import (
    DAY,
    DETECTORS,
    END,
    FreshProcess,
    filled,
    places,
    rules,
    state,
    uncommitted,
)

NOW = END + dt.timedelta(hours=1)
SINCE = END - DAY
PARTS = 2


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return filled(tmp_path_factory.mktemp("parts") / "lake")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("own")
    return Settings(rules=rules(folder), geoip=places(folder))


def weight(store: Store) -> int:
    """What `Spread.parts` makes of all events."""
    entries = store.entries("tables/events/event_date=")
    return sum(entry.size_bytes + (1 << 14) for entry in entries)


def run(
    lake: Lake, own: Settings, place: Path, executor: Executor, parts: int
) -> tuple[list[Any], Lake]:
    """Detect in a copy of the lake, whose dates make about so many parts."""
    shutil.copytree(lake.uri, place)
    here = Lake.open(place)
    limit = weight(here.store) // parts + 1 if parts > 1 else 1 << 40
    settings = structs.replace(own, execution=Execution(part_bytes=limit))
    found = detect(
        here, settings=settings, since=SINCE, detectors=DETECTORS, now=NOW, executor=executor
    )
    assert [*here.store.list("staging/")] == []
    return found.anomalies.to_pylist(), here


@pytest.fixture(scope="module")
def whole(
    lake: Lake, own: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Any], dict[str, Any]]:
    rows, here = run(lake, own, tmp_path_factory.mktemp("whole") / "lake", LocalExecutor(1), 1)
    assert {row["detector"] for row in rows} >= {"call_rate", "isolation_forest", "sigma"}
    assert {row["kind"] for row in rows} >= {"first_seen", "impossible_travel"}
    return rows, state(here)


def test_every_worker_function_runs_in_a_fresh_process_and_changes_nothing(
    lake: Lake,
    own: Settings,
    whole: tuple[list[Any], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(series_blocks, "MOST_SERIES", 10)
    with FreshProcess() as fresh:
        rows, here = run(lake, own, tmp_path / "lake", fresh, PARTS)
    events = {"count_part", "rows_part", "scan_part"}
    assert fresh.ran == {*events, "peaks_part", "show_part", "find_part", "judge_part"}
    assert fresh.longest < 1 << 20
    assert rows == whole[0]
    assert state(here) == whole[1]
    assert uncommitted(here) == []

"""Attribution against the labels of a simulation: which calls made which change, and which nobody made."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.simulate import simulate
from ctanalytics.app.timeline import timeline
from ctanalytics.lake.lake import Lake
from tests.app.ingesting import run

Place = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    home = tmp_path_factory.mktemp("labels")
    made = simulate(
        home / "logs",
        days=3,
        events_per_day=4_000,
        seed=5,
        digests="none",
        file_minutes=60,
        workers=1,
        config_history=True,
    )
    assert made.config_files == len(list((home / "logs").rglob("*_Config_*.json.gz")))
    run(home / "logs", home / "lake")
    lines = (home / "logs" / "config_labels.jsonl").read_text("utf-8").splitlines()
    return home / "lake", [json.loads(line) for line in lines]


def place(row: dict[str, Any]) -> Place:
    names = ("account_id", "aws_region", "resource_type", "resource_id")
    return tuple(row[name] for name in names)  # type: ignore[return-value]


def moment(text: str) -> str:
    return text.replace(".000Z", "+00:00").replace("T", " ")


def test_every_change_has_the_calls_that_made_it_and_no_other(
    simulated: tuple[Path, list[dict[str, Any]]],
) -> None:
    lake, labels = simulated
    with Lake.open(lake).engine() as engine:
        rows = engine.sql("select * from who_changed").to_pylist()
    found: dict[tuple[Place, str], set[str]] = defaultdict(set)
    unexplained = set()
    for row in rows:
        key = (place(row), str(row["capture_time"]))
        found[key] |= {row["event_id"]} - {None}
        if row["verdict"] == "unexplained":
            unexplained.add(key)
    changed = [label for label in labels if label["change"]]
    assert found == {
        (place(label), moment(label["captured_at"])): set(label["event_ids"]) for label in changed
    }
    nobody = [label for label in changed if label["change"] == "changed" and not label["event_ids"]]
    assert unexplained == {(place(label), moment(label["captured_at"])) for label in nobody}
    assert nobody
    assert sum(len(label["event_ids"]) for label in changed) > 100


def test_a_timeline_tells_calls_that_left_nothing_behind(
    simulated: tuple[Path, list[dict[str, Any]]],
) -> None:
    lake, labels = simulated
    label = next(label for label in labels if label["change"] is None)
    found = timeline(
        label["resource_id"],
        lake,
        account_id=label["account_id"],
        aws_region=label["aws_region"],
        resource_type=label["resource_type"],
    )
    alone = {entry.call.event_id for entry in found.entries if not entry.item_id and entry.call}
    assert set(label["event_ids"]) <= alone

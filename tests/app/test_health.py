"""Health says where the lake is blind, and why."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ctanalytics.app.health import health
from ctanalytics.app.validate import validate
from ctanalytics.errors import UsageError
from tests.app.ingesting import run
from tests.cli.runner import run as cli
from tests.integrity.trail import HOUR, START, Trail


def made(trail: Trail, folder: Path, *, validated: bool = True) -> Path:
    copy, lake = trail.write(folder / "copy"), folder / "lake"
    run(copy, lake)
    if validated:
        validate(copy, lake=lake)
    return lake


def test_a_whole_trail_is_complete_in_every_hour(tmp_path: Path) -> None:
    result = health(made(Trail(), tmp_path))
    (cell,) = result.cells
    assert (cell["hours"], cell["hours_complete"]) == (6, 6)
    assert cell["files_promised"] == cell["files_held"] == 12
    assert not result.spans and not result.blind
    assert result.digests == {"valid": 6} and result.log_files == {"valid": 12}
    assert result.validated_at is not None


def test_an_hour_without_events_is_quiet_only_by_its_digest(tmp_path: Path) -> None:
    trail = Trail(hours=2)
    trail.logs_an_hour = 0
    trail.add_hour()
    trail.add_hour()
    trail.logs_an_hour = 2
    trail.add_hour()
    del trail.objects[trail.digests[3]]
    (cell,) = health(made(trail, tmp_path)).cells
    assert cell["hours_quiet"] == 1 and cell["hours_unknown"] == 1
    assert cell["hours_complete"] == 3


def test_without_validation_all_is_unproved(tmp_path: Path) -> None:
    result = health(made(Trail(), tmp_path, validated=False))
    assert result.cells[0]["hours_unproved"] == 6
    assert result.log_files == {} and result.validated_at is None


def test_promised_files_that_are_not_held_are_a_span(tmp_path: Path) -> None:
    trail = Trail()
    del trail.objects[trail.logs[2][0]], trail.objects[trail.logs[3][1]]
    result = health(made(trail, tmp_path))
    (span,) = result.blind
    assert (span["trouble"], span["hours"]) == ("incomplete", 2)
    assert (span["since"], span["until"]) == (START + 2 * HOUR, START + 4 * HOUR)
    assert span["files_promised"] - span["files_held"] == 2


def test_a_span_that_is_empty_is_refused(tmp_path: Path) -> None:
    lake = made(Trail(hours=1), tmp_path)
    with pytest.raises(UsageError):
        health(lake, since=START, until=START)
    later = health(lake, since=START + dt.timedelta(days=9), until=START + dt.timedelta(days=10))
    assert later.cells == []


def test_the_command_exits_3_where_the_lake_is_blind(tmp_path: Path) -> None:
    whole = cli("health", "--lake", str(made(Trail(), tmp_path)), cwd=tmp_path)
    assert whole.code == 0 and "digests: 6 valid" in whole.out
    (tmp_path / "b").mkdir()
    trail = Trail()
    del trail.objects[trail.logs[2][0]]
    lake = made(trail, tmp_path / "b")
    blind = cli("health", "--lake", str(lake), cwd=tmp_path)
    assert blind.code == 3 and "1 of 2 not held" in blind.out
    found = json.loads(cli("health", "--lake", str(lake), "--json", cwd=tmp_path).out)
    assert found["spans"][0]["trouble"] == "incomplete"
    assert cli("health", "--lake", "nowhere", cwd=tmp_path).code == 1

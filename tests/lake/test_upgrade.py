"""Lakes that an older ctanalytics wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics.app.lake import check, compact
from ctanalytics.errors import LakeError
from ctanalytics.lake import layout, upgrade
from ctanalytics.lake.lake import Lake
from tests.logs import corpus

STORED = Path(__file__).parent / "stored"
EVENTS = 191
"""131 of the first plan, whose 132nd record is of Insights, and 60 of the second."""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A lake of format 1, with a plan that is in no table yet."""
    with zipfile.ZipFile(STORED / "format-1.zip") as file:
        file.extractall(tmp_path)
    (tmp_path / "lake").chmod(0o700)  # which the archive does not tell
    return tmp_path / "lake"


def counts(lake: Path | Lake) -> dict[str, Any]:
    (row,) = ctanalytics.query(
        "select count(*) as events, count(distinct event_id) as ids, "
        "count(masked_paths) as masked, (select count(*) from aws_insights) as insights from events",
        lake=lake,
    ).to_pylist()
    return dict(row)


def test_opening_upgrades_and_keeps_every_row(older: Path) -> None:
    before = sorted(path for path in older.rglob("*.parquet"))
    found = counts(older)
    assert (found["ids"], found["insights"]) == (EVENTS - 60, 1)
    assert json.loads((older / layout.MARKER).read_text())["version"] == layout.FORMAT_VERSION
    assert sorted(path for path in older.rglob("*.parquet")) == before
    logs = {path.name for path in (older / "tables").iterdir()}
    assert logs == set(layout.TABLES)
    assert found == counts(older)


def test_an_upgraded_lake_goes_on(older: Path, tmp_path: Path) -> None:
    """The old plan is folded, new logs join, each command of care holds, and nothing is flawed."""
    new = corpus(tmp_path / "logs", files=3, per_file=5)
    done = ctanalytics.ingest(tmp_path / "logs", lake=older)
    assert done.records_written == new
    assert counts(older) == {
        "events": EVENTS + new,
        "ids": EVENTS + new,
        "masked": 0,
        "insights": 1,
    }
    assert not check.check(Lake.open(older)).flaws
    assert compact.compact(str(older)).rows
    assert not check.check(Lake.open(older)).flaws
    assert counts(older)["events"] == EVENTS + new


def test_back_to_what_was(older: Path) -> None:
    """As the documentation says: marker and logs of the tables from the backup."""
    kept = older.parent / "kept"
    shutil.copytree(older, kept)
    Lake.open(older)
    backup = older / "backup" / "format-1"
    shutil.copytree(backup, older, dirs_exist_ok=True)
    for name in layout.FIRST_TABLES:
        log, old = older / "tables" / name / "_delta_log", backup / "tables" / name / "_delta_log"
        for path in log.iterdir():
            if not (old / path.name).exists():
                path.unlink()
        assert {path.name for path in log.iterdir()} == {
            path.name for path in (kept / "tables" / name / "_delta_log").iterdir()
        }
    assert (older / layout.MARKER).read_bytes() == (kept / layout.MARKER).read_bytes()


@pytest.mark.parametrize("step", ["_back_up", "_note_files", "create_table", "_from_1"])
def test_a_kill_on_the_way_is_mended_by_the_next(older: Path, step: str) -> None:
    code = (
        "import os, sys\n"
        "from ctanalytics.lake import lake, upgrade\n"
        f"real = upgrade.{step}\n"
        "def dying(*given):\n"
        "    real(*given)\n"
        "    os._exit(9)\n"
        f"upgrade.{step} = dying\n"
        "upgrade._STEPS = {1: upgrade._from_1}\n"
        "lake.Lake(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(older)], capture_output=True)
    assert done.returncode == 9, done.stderr
    assert counts(older)["ids"] > 0
    assert {path.name for path in (older / "tables").iterdir()} == set(layout.TABLES)


def test_a_lost_table_is_not_made_anew(older: Path) -> None:
    shutil.rmtree(older / "tables" / "outbox")
    with pytest.raises(LakeError, match="outbox"):
        Lake.open(older)
    assert json.loads((older / layout.MARKER).read_text())["version"] == 1


def test_a_lake_that_can_not_be_written_to_says_so(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(upgrade.Lease, "acquire", refuse)
    with pytest.raises(LakeError, match="can't be upgraded") as caught:
        Lake.open(older)
    assert "rights to write" in caught.value.mend

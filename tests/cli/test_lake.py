"""`ctanalytics lake ...`, as users run it: results, exit codes, questions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ctanalytics.lake.lake import Lake
from tests.app.lake.making import small_files
from tests.cli.runner import run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    small_files(home, apart=8_000)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A folder with a lake of fourteen files over two days that are long over."""
    shutil.copytree(made / "lake", tmp_path / "lake")
    (tmp_path / "ctanalytics.toml").write_text('lake = "lake"\n')
    return tmp_path


def test_a_lake_is_compacted_checked_vacuumed_and_told_about(home: Path) -> None:
    would = run("lake", "compact", "--dry-run", "--json", cwd=home)
    assert json.loads(would.out)["planned"] == 2
    ran = run("lake", "compact", cwd=home)
    assert ran.code == 0
    assert "84 rows written anew" in ran.out
    assert "sorted for good" in ran.out
    assert "nothing to do" in run("lake", "compact", cwd=home).out
    told = run("lake", "info", cwd=home)
    assert "next: files that were replaced" in told.out
    ran = run("lake", "vacuum", "--json", cwd=home)
    assert (ran.code, json.loads(ran.out)["files"]) == (0, 0)
    ran = run("lake", "check", "--deep", cwd=home)
    assert ran.code == 0
    assert "no flaw was found" in ran.out
    assert "97 records: 84 kept, 13 duplicate" in ran.out


def test_a_flaw_is_exit_code_3_with_its_place_and_mend(home: Path) -> None:
    Path(Lake.open(home / "lake").files("events")[0]).unlink()
    ran = run("lake", "check", cwd=home)
    assert ran.code == 3
    assert "file: the file is not there" in ran.out
    assert "  mend " in ran.out
    ran = run("lake", "check", "--json", cwd=home)
    assert ran.code == 3
    found = json.loads(ran.out)
    assert (found["complete"], found["flaws"][0]["check"]) == (False, "file")


def test_rows_expire_only_when_somebody_says_yes(home: Path) -> None:
    ran = run("lake", "expire", "--older-than", "2026-03-02", cwd=home)
    assert ran.code == 2
    assert "--yes" in ran.err
    ran = run("lake", "expire", "--older-than", "2026-03-02", "--dry-run", cwd=home)
    assert ran.code == 0
    assert "would go" in ran.out
    ran = run("lake", "expire", "--older-than", "2026-03-02", "--yes", "--json", cwd=home)
    assert ran.code == 0
    assert 0 < json.loads(ran.out)["rows"] < 84
    ran = run("lake", "expire", "--older-than", "30d", "--yes", "--json", cwd=home)
    assert json.loads(ran.out)["before"] > "2026-03-02"
    ran = run("lake", "expire", "--older-than", "soon", "--yes", cwd=home)
    assert ran.code == 2


def test_a_vacuum_of_less_than_a_day_is_refused(home: Path) -> None:
    ran = run("lake", "vacuum", "--retention-hours", "1", cwd=home)
    assert ran.code == 2
    assert "--force" in ran.err


def test_rows_are_exported_and_an_output_is_not_overwritten(home: Path) -> None:
    arguments = ("lake", "export", "out.csv", "--format", "csv", "--until", "2026-03-02")
    ran = run(*arguments, cwd=home)
    assert ran.code == 0
    assert "rows of events in 1 files" in ran.out
    assert run(*arguments, cwd=home).code == 2
    ran = run(*arguments, "--force", "--json", cwd=home)
    assert json.loads(ran.out)["rows"] == len((home / "out.csv").read_text().splitlines()) - 1
    ran = run("lake", "export", "out", "--where", "nothing = 1", cwd=home)
    assert ran.code == 1
    assert "nothing" in ran.err

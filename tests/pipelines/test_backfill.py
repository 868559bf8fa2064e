"""The backfill: by day, the oldest first, killed and run again."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctanalytics.records.object_key import log_key
from tests.app.ingesting import ask, leftovers
from tests.logs import record, write

SCRIPT = Path(__file__).parent.parent.parent / "pipelines" / "backfill.py"
FIRST = dt.datetime(2026, 1, 30, 12, tzinfo=dt.UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for day in range(6):  # two of January, four of February
        stamp = FIRST + dt.timedelta(days=day)
        name = log_key(
            account_id="111122223333", aws_region="eu-west-1", delivered=stamp, unique=f"{day:016}"
        )
        write(tmp_path / "logs" / name, [record(day), record(day + 1)])
    (tmp_path / "ctanalytics.toml").write_text(
        'lake = "lake"\nsources = ["logs"]\n[ingest]\nworkers = 1\n'
    )
    return tmp_path


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "ctanalytics.toml", *arguments],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_months_are_done_by_day_from_the_oldest_on(home: Path) -> None:
    ran = start(home, "--from", "2026-01", "--to", "2026-02")
    _, said = ran.communicate(timeout=120)
    assert ran.returncode == 0, said
    assert [line.split(";")[0] for line in said.splitlines()] == [
        "2026-01: 3 events of 2 objects, 1 duplicates",
        "2026-02: 4 events of 4 objects, 4 duplicates",
    ]
    by_plan = ask(home / "lake", "select delivery_date from ingest_files order by plan_id")
    dates = [row["delivery_date"] for row in by_plan]
    assert dates == sorted(dates)
    assert len(dates) == 6


def test_killed_and_run_again_it_goes_on(home: Path) -> None:
    killed = start(home, "--from", "2026-01", "--to", "2026-02")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if any((home / "lake" / "plans").glob("0000000000*2.json")):
            break
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    ran = start(home, "--from", "2026-01", "--to", "2026-02")
    _, said = ran.communicate(timeout=120)
    assert ran.returncode == 0, said
    assert ask(home / "lake", "select count(*) as n from events") == [{"n": 7}]
    assert leftovers(home / "lake") == []


def test_a_span_that_is_none_is_a_usage_error(home: Path) -> None:
    for wrong in (["--from", "2026"], ["--from", "2026-03", "--to", "2026-02"], []):
        ran = start(home, *wrong)
        ran.communicate(timeout=60)
        assert ran.returncode == 2

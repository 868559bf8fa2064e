from __future__ import annotations

import json
from pathlib import Path

from tests.cli.runner import run


def test_simulated_logs_are_ingested_without_a_remainder(tmp_path: Path) -> None:
    made = run(
        "simulate", "logs", "--days", "1", "--events-per-day", "400", "--digests", "1", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert made.code == 0, made.err
    counts = json.loads(made.out)
    taken = run("ingest", "logs", "--lake", "lake", "--json", cwd=tmp_path)
    assert taken.code == 0, taken.err
    told = json.loads(taken.out)
    assert told["records_read"] == counts["records"]
    assert told["objects_ingested"] == counts["files"]
    assert told["records_quarantined"] == told["objects_quarantined"] == 0


def test_wrong_usage_ends_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine").write_text("")
    full = run("simulate", "logs", cwd=tmp_path)
    assert full.code == 2
    assert "is not empty" in full.err
    assert "mend" in full.err
    date = run("simulate", "new", "--start", "yesterday", cwd=tmp_path)
    assert date.code == 2
    assert "not a date: yesterday" in date.err


def test_a_person_is_told_what_was_written(tmp_path: Path) -> None:
    made = run(
        "simulate", "logs", "--days", "1", "--events-per-day", "300", "--digests", "none",
        "--incident", "surge", cwd=tmp_path,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "log files and 0 digests" in made.out
    assert "1 incidents" in made.out

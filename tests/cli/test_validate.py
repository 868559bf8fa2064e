"""`ctanalytics validate` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.runner import run
from tests.integrity.trail import Trail


def test_a_whole_trail_exits_0_with_the_lines_of_the_aws_cli(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    trail.write(tmp_path / "copy")
    ran = run("validate", "copy", "--verbose", cwd=tmp_path)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert f"Digest file\ts3://{trail.bucket}/{trail.digests[0]}\tvalid" in lines
    assert f"Log file\ts3://{trail.bucket}/{trail.logs[0][0]}\tvalid" in lines
    assert "3/3 digest files valid" in lines
    assert "6/6 log files valid" in lines
    assert "public-keys.json" in ran.err


def test_findings_exit_3_and_go_to_stderr(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    del trail.objects[trail.logs[1][0]]
    trail.write(tmp_path / "copy")
    ran = run("validate", "copy", cwd=tmp_path)
    assert ran.code == 3
    assert f"s3://{trail.bucket}/{trail.logs[1][0]}\tINVALID: not found\tmissing" in ran.err
    assert "5/6 log files valid, 1/6 log files INVALID (1 missing)" in ran.out


def test_json_names_every_row(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    del trail.objects[trail.digests[1]]
    trail.write(tmp_path / "copy")
    ran = run("validate", "copy", "--json", "--verbose", cwd=tmp_path)
    assert ran.code == 3
    found = json.loads(ran.out)
    assert not found["whole"]
    assert found["digests"] == {"missing": 1, "valid": 2}
    gap = next(row for row in found["rows"] if row["kind"] == "gap")
    assert (gap["since"], gap["until"]) == ("2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z")


def test_what_can_not_be_checked_exits_1_and_a_wrong_flag_2(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("validate", "empty", cwd=tmp_path).code == 1
    assert run("validate", "nowhere", cwd=tmp_path).code == 1
    assert run("validate", "empty", "--trail-arn", "main", cwd=tmp_path).code == 2


def test_a_name_in_the_folder_does_not_reach_the_terminal_unescaped(tmp_path: Path) -> None:
    trail = Trail(hours=1)
    folder = trail.write(tmp_path / "copy")
    evil = folder / f"{trail.root}/CloudTrail-Digest/{trail.region}/2026/03/02/\x1b[31mred.gz"
    evil.write_bytes(b"x")
    ran = run("validate", "copy", cwd=tmp_path)
    assert ran.code == 3
    assert "\x1b" not in ran.err and "\\x1b[31mred" in ran.err

"""`ctanalytics emit` as a user runs it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ctanalytics.cli.main import main
from tests.aws_server import aws_server
from tests.cli.runner import run
from tests.emitters import alerts
from tests.emitters.alerts import row
from tests.emitters.test_sns import topic

RECENT = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def some(name: str, **columns: object) -> dict[str, object]:
    return row(name, detected_at=RECENT, ended_at=RECENT, **columns)


def test_alerts_go_to_stdout_and_counts_to_stderr(tmp_path: Path) -> None:
    old = row("c", detected_at=RECENT)
    alerts.lake(tmp_path / "lake", some("a"), some("b", severity="low"), old)
    ran = run("emit", "--lake", "lake", "--to", "stdout", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert [json.loads(line)["severity"] for line in ran.out.splitlines()] == ["high"]
    assert "stdout: 1 sent, 1 suppressed, 0 failed, 0 settled before" in ran.err
    assert "1 that ended long before" in ran.err and "--include-backfill" in ran.err
    again = run("emit", "--lake", "lake", "--to", "stdout", cwd=tmp_path)
    assert (again.code, again.out) == (0, "")


def test_json_gives_the_counts_of_each_target(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts.lake(home / "lake", some("a"))
    assert main(["emit", "--lake", "lake", "--to", "file:x.ndjson", "--json"]) == 0
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    assert (target["target"], target["sent"]) == (f"file:{home}/x.ndjson", 1)
    assert main(["emit", "--lake", "lake", "--to", "stdout", "--json"]) == 2


def test_a_failed_target_beside_a_good_one_ends_in_3_and_alone_in_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts.lake(home / "lake", some("a"))
    with aws_server(monkeypatch) as server:
        missing = f"sns:{topic(server).arn}-missing"
        assert main(["emit", "--lake", "lake", "--to", missing, "--to", "file:x"]) == 3
        assert "0 sent, 0 suppressed, 1 failed" in capsys.readouterr().err
        assert main(["emit", "--lake", "lake", "--to", missing]) == 1
        assert "mend" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--lake", "lake"], 2),
        (["--lake", "lake", "--to", "nowhere"], 2),
        (["--lake", "lake", "--to", "stdout", "--min-severity", "worst"], 2),
        (["--lake", "lake", "--to", "stdout", "--since", "yesterday"], 2),
        (["--to", "stdout"], 2),
        (["--lake", "not-there", "--to", "stdout"], 1),
        (["--test", "nowhere"], 2),
        (["--test", "stdout", "--json"], 2),
    ],
)
def test_wrong_use_ends_with_a_message(
    home: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int
) -> None:
    if "lake" in flags:
        alerts.lake(home / "lake")
    assert main(["emit", *flags]) == code
    assert "error:" in capsys.readouterr().err


def test_a_dry_run_shows_a_table_and_sends_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts.lake(home / "lake", some("a", title="\x1b[2Jsurge"))
    assert main(["emit", "--lake", "lake", "--to", "file:x", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "would add 1 JSON lines" in shown
    assert "\\x1b[2Jsurge" in shown
    assert not (home / "x").exists()


def test_a_test_message_needs_no_lake(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", "--test", "file:x", "--test", "stdout"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["title"] == json.loads((home / "x").read_text())["title"]
    assert "stdout: 1 sent, 0 suppressed" in shown.err

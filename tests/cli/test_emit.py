"""`ctanalytics emit` as a user runs it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from tests.aws_server import aws_server, environment
from tests.cli.runner import run
from tests.emitters import alerts
from tests.emitters.alerts import row
from tests.emitters.test_sns import topic

RECENT = dt.datetime.now(dt.UTC)


def some(name: str, **columns: object) -> dict[str, object]:
    return row(name, detected_at=RECENT, ended_at=RECENT, **columns)


def test_alerts_go_to_stdout_and_counts_to_stderr(tmp_path: Path) -> None:
    alerts.lake(tmp_path / "lake", some("a"), some("b", severity="low"))
    ran = run("emit", "--lake", "lake", "--to", "stdout", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert [json.loads(line)["severity"] for line in ran.out.splitlines()] == ["high"]
    assert "stdout: 1 sent, 0 suppressed, 0 failed, 0 settled before" in ran.err
    again = run("emit", "--lake", "lake", "--to", "stdout", cwd=tmp_path)
    assert (again.code, again.out) == (0, "")


def test_json_gives_the_counts_of_each_target(tmp_path: Path) -> None:
    alerts.lake(tmp_path / "lake", some("a"))
    ran = run("emit", "--lake", "lake", "--to", "file:x.ndjson", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    (target,) = json.loads(ran.out)["targets"]
    assert (target["target"], target["sent"]) == (f"file:{tmp_path}/x.ndjson", 1)
    refused = run("emit", "--lake", "lake", "--to", "stdout", "--json", cwd=tmp_path)
    assert refused.code == 2


def test_a_failed_target_beside_a_good_one_ends_in_3_and_alone_in_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts.lake(tmp_path / "lake", some("a"))
    with aws_server(monkeypatch) as server:
        missing = f"sns:{topic(server).arn}-missing"
        variables = environment(server.url)
        both = ("--to", missing, "--to", "file:x")
        ran = run("emit", "--lake", "lake", *both, cwd=tmp_path, env=variables)
        assert ran.code == 3, ran.err
        assert "0 sent, 0 suppressed, 1 failed" in ran.err
        alone = run("emit", "--lake", "lake", "--to", missing, cwd=tmp_path, env=variables)
        assert alone.code == 1
        assert "mend" in alone.err


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--lake", "lake"], 2),
        (["--lake", "lake", "--to", "nowhere"], 2),
        (["--lake", "lake", "--to", "stdout", "--min-severity", "worst"], 2),
        (["--lake", "lake", "--to", "stdout", "--since", "yesterday"], 2),
        (["--to", "stdout"], 2),
        (["--lake", "not-there", "--to", "stdout"], 1),
    ],
)
def test_wrong_use_ends_with_a_message(tmp_path: Path, flags: list[str], code: int) -> None:
    alerts.lake(tmp_path / "lake")
    ran = run("emit", *flags, cwd=tmp_path)
    assert ran.code == code
    assert "error:" in ran.err
    assert "Traceback" not in ran.err


def test_a_dry_run_shows_a_table_and_sends_nothing(tmp_path: Path) -> None:
    alerts.lake(tmp_path / "lake", some("a", title="\x1b[2Jsurge"))
    ran = run("emit", "--lake", "lake", "--to", "file:x", "--dry-run", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "would add 1 JSON lines" in ran.out
    assert "\\x1b[2Jsurge" in ran.out
    assert not (tmp_path / "x").exists()

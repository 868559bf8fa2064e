from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ctanalytics
from ctanalytics import settings as settings_module
from tests.cli.runner import run

ROOT = Path(__file__).parent.parent.parent


def nightly(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / "nightly.py"), "ctanalytics.toml"],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nightly")
    made = run(
        *("simulate", "logs", "--days", "30", "--accounts", "1", "--events-per-day", "400"),
        *("--seed", "4", "--incident", "surge", "--incident", "silent_stop", "--digests", "none"),
        cwd=folder,
    )
    assert made.code == 0, made.err
    (folder / "ctanalytics.toml").write_text(
        'lake = "lake"\nsources = ["logs"]\n'
        '[emit]\ntargets = ["file:alerts.ndjson"]\ninclude_backfill = true\n'
        '[nightly]\ndetectors = ["call_rate"]\n[report]\noutput = "reports"\n'
    )
    return folder


def test_a_night_leaves_a_lake_alerts_and_a_report_and_a_second_run_sends_nothing_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = nightly(home)
    assert ran.returncode == 0, ran.stderr
    sent = (home / "alerts.ndjson").read_bytes()
    alerts = [json.loads(line) for line in sent.splitlines()]
    assert {"incident"} == {alert["kind"] for alert in alerts}
    assert {"surged", "stopped"} <= {word for alert in alerts for word in alert["title"].split()}
    steps = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["state"] for line in steps if line.get("step") == "report" and "state" in line]
    assert list((home / "reports").glob("*/report.html"))
    assert ctanalytics.Lake(home / "lake").files("events")
    monkeypatch.chdir(home)
    settings = settings_module.load(file=home / "ctanalytics.toml")
    again = ctanalytics.nightly(settings, only=["detect", "incidents", "emit"])
    assert again.exit_code == 0
    assert (home / "alerts.ndjson").read_bytes() == sent


def test_a_file_without_a_lake_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "ctanalytics.toml").write_text("[detect]\nbudget = 1\n")
    ran = nightly(tmp_path)
    assert ran.returncode == 2
    assert "sources" in ran.stderr

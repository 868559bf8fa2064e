"""`ctanalytics watch` as a user leaves it running."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctanalytics.cli.main import main
from tests.logs import key, record, write

SETTINGS = """
sources = ["logs"]
[emit]
targets = ["file:alerts.ndjson"]
[watch]
detectors = ["call_rate"]
"""


def test_watching_prints_a_line_a_round_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    (tmp_path / "ctanalytics.toml").write_text(SETTINGS)
    now = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    write(tmp_path / "logs" / key(1), [record(1, eventTime=f"{now:%Y-%m-%dT%H:%M:%SZ}")])
    code = "from ctanalytics.cli.main import run; run()"
    flags = ["watch", "--lake", "lake", "--every", "1s", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *flags],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert (first["state"], first["steps"][0]["counts"]["records_written"]) == ("done", 1)
    assert (second["number"], second["steps"][0]["counts"]["records_written"]) == (2, 0)
    assert "stopped; what was begun is finished by the next run" in said
    assert not list((tmp_path / "lake" / "leases").glob("*"))


def test_wrong_use_ends_before_the_first_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for flags in (
        ["--lake", "lake"],
        ["logs", "--lake", "lake", "--every", "soon"],
        ["logs", "--lake", "lake", "--to", "stdout", "--json"],
    ):
        assert main(["watch", *flags]) == 2
        shown = capsys.readouterr()
        assert (shown.out, "error:" in shown.err) == ("", True)
    assert not (tmp_path / "lake").exists()

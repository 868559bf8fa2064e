from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctanalytics.cli import console
from ctanalytics.cli.main import main
from tests.cli.runner import Ran
from tests.incidents.scene import anomaly, events, lake, role


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ran]]:
    """Runs commands in this process: a process for each of so many would take its time."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr(console, "shared", console.Shared())
        return Ran(main(list(arguments)), *capsys.readouterr())

    yield command
    signal.signal(signal.SIGTERM, handler)


def test_incidents_are_built_listed_and_shown_and_nights_tell_json(
    tmp_path: Path, run: Callable[..., Ran]
) -> None:
    calls = events(2, arn=role("x\x1b[2Jy"))
    lake(tmp_path / "lake", calls, anomaly(calls, title="Surge\x1b[2J", severity="high"))
    place = ("--lake", str(tmp_path / "lake"))
    built = run("incidents", "build", *place, "--json")
    assert (built.code, json.loads(built.out)["opened"]) == (0, 1)
    listed = run("incidents", "list", *place, "--severity", "high", "--json")
    (one,) = json.loads(listed.out)
    assert one["lanes"][0]["tactic"] == "impact"
    table = run("incidents", "list", *place, "--since", "2026-03-04")
    assert one["incident_id"][:12] in table.out and "\x1b" not in table.out
    assert run("incidents", "list", *place, "--until", "2026-03-04", "--json").out == "[]\n"
    shown = run("incidents", "show", one["incident_id"][:6], *place)
    assert shown.code == 0 and "\x1b" not in shown.out
    for part in ("HIGH  Surge", "Who: ", "impact", "Next:", "ctanalytics show "):
        assert part in shown.out
    (step,) = (line for line in shown.out.splitlines() if "ctanalytics show " in line)
    assert step.split()[-2:] == list(place), "the lake that was asked is named"
    whole = json.loads(run("incidents", "show", one["incident_id"], *place, "--json").out)
    assert whole["anomalies"][0]["evidence"]["events"] == 2
    assert run("incidents", "show", "0000", *place).code == 2
    night = run("nightly", *place, "--only", "incidents", "--json")
    assert night.code == 0
    assert json.loads(night.out)["steps"][0]["counts"]["opened"] == 0
    lines = [json.loads(line) for line in night.err.splitlines()]
    assert [(line["step"], line["state"]) for line in lines if "step" in line] == [
        ("incidents", "done")
    ]
    told = run("nightly", *place, "--only", "incidents", "--log-format", "text")
    assert told.err.startswith("incidents done")
    assert run("nightly", *place, "--only", "supper").code == 2
    mail = run("report", *place, "--day", "2026-03-04", "--format", "text")
    assert mail.out.startswith("CloudTrail, Wednesday 2026-03-04 UTC\n1 incident: 1 high.")
    assert mail.out.isascii() and "\x1b" not in mail.out
    assert run("report", *place, "--format", "fax").code == 2

"""`ctanalytics detect` as a user runs it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ctanalytics.findings import ANOMALIES
from tests.app.test_detect import MINUTE, NOON, add, burst, call, steady
from tests.cli.runner import run, run_afresh

RATES = ("--detector", "call_rate", "--detector", "error_rate")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of a month of steady calls and a surge."""
    folder = tmp_path_factory.mktemp("detect")
    add(folder / "lake", "steady.json.gz", steady(NOON))
    add(folder / "lake", "surge.json.gz", burst(NOON - 300 * MINUTE + MINUTE, 12))
    return folder


def test_anomalies_are_json_with_nested_evidence_and_end_in_0(home: Path) -> None:
    ran = run_afresh("detect", "--lake", "lake", *RATES, "--json", cwd=home)
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)
    assert list(found) == ANOMALIES.names
    assert (found["detector"], found["event_name"]) == ("call_rate", "RunInstances")
    assert found["evidence"]["events"] >= 120
    assert found["insight"]["start"]["insightDetails"]["state"] == "Start"
    assert found["started_at"].endswith("Z")
    assert dt.datetime.fromisoformat(found["started_at"]).second == 0


def test_a_table_and_explanations_are_for_people_and_counts_go_to_stderr(home: Path) -> None:
    run("detect", "--lake", "lake", *RATES, cwd=home)
    ran = run("detect", "--lake", "lake", *RATES, cwd=home)
    assert ran.code == 0, ran.err
    table, _, explained = ran.out.partition("HIGH     ")
    assert "RunInstances surged" in table
    assert "2026-03-20 07:0" in table
    assert "111122223333" in table
    anomaly_id, sentence = explained.split(maxsplit=1)
    assert anomaly_id in table
    assert sentence.startswith("RunInstances was called")
    assert run("explain", anomaly_id, "--lake", "lake", cwd=home).code == 0
    assert "1 anomalies" not in ran.err
    assert "1 anomaly from 2026-03-06" in ran.err
    assert "0 new, 0 updated, 0 withdrawn" in ran.err


def test_a_span_without_anomalies_prints_an_empty_list(home: Path) -> None:
    span = ("--since", "2026-03-18", "--until", "2026-03-19")
    ran = run("detect", "--lake", "lake", *RATES, *span, "--json", cwd=home)
    assert (ran.code, json.loads(ran.out)) == (0, [])
    assert "0 anomalies from 2026-03-18 00:00 to 2026-03-19 00:00" in ran.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--detector", "bogus"], "call_rate, error_rate, isolation_forest"),
        (["--budget", "0"], "detect.budget"),
        (["--since", "yesterday"], "--since"),
        (["--since", "2026-03-19", "--until", "2026-03-18"], "--until"),
    ],
)
def test_wrong_use_ends_in_2_with_the_mend(home: Path, flags: list[str], said: str) -> None:
    ran = run("detect", "--lake", "lake", *flags, cwd=home)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_tighter_budget_finds_no_more(home: Path) -> None:
    ran = run("detect", "--lake", "lake", *RATES, "--budget", "0.001", "--json", cwd=home)
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)) <= 1


def test_escapes_in_a_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    name = "Run\x1b[2JInstances"
    times = [NOON - 360 * MINUTE * number for number in range(120)]
    records = [*steady(NOON), *(call(time, name) for time in times)]
    add(tmp_path / "lake", "a.json.gz", [*records, *burst(NOON - 299 * MINUTE, 12, name)])
    ran = run("detect", "--lake", "lake", *RATES, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "\\x1b[2JInstances surged" in ran.out
    assert "\x1b" not in ran.out + ran.err

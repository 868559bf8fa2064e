"""Hostile and broken log content goes through detect, explain, mark and report as text."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctanalytics.app.detect import DetectResult, detect
from ctanalytics.app.ingest import ingest
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Detect, Settings
from tests import logs
from tests.cli import runner

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
DAYS = 26
PEOPLE = 22
USER = "arn:aws:iam::111122223333:user/"
EVIL = (
    f"{USER}x'; drop table events; --\"\x1b[31m\x1b]0;owned\x07<script>alert(1)</script>"
    "\u202e{{7*7}}[a](//evil.example)\r\n" + "a" * 2_000
)
HUGE = "\x1b]8;;//evil.example\x07<img src=x onerror=alert(1)>" + "u" * 2_000_000
TIMES = ("-5", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", -1, 1e300)


def _who(arn: str) -> dict[str, Any]:
    return {"type": "IAMUser", "arn": arn, "accountId": logs.ACCOUNT, "userName": arn[30:]}


def _records() -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    calls: list[tuple[dt.datetime, dict[str, Any]]] = []
    for number in range(PEOPLE):
        who = _who(EVIL if not number else f"{USER}person{number:02d}")
        for day in range(DAYS):
            for hour in random.uniform(8, 17, random.integers(2, 5)).tolist():
                moment = START + dt.timedelta(days=day, hours=hour)
                calls.append((moment, {"userIdentity": who, "eventName": "ListBuckets"}))
    night = START + dt.timedelta(days=DAYS - 1, hours=2)
    odd = {"userIdentity": _who(EVIL), "eventSource": "secretsmanager.amazonaws.com"}
    odd |= {"userAgent": HUGE, "sourceIPAddress": "<b>198.51.100.7\x1b[2J", "readOnly": False}
    for minute, name in enumerate(["GetSecretValue"] * 30 + ["Delete'\x1b[1m<script>"] * 5):
        # One of them is two megabytes, the others bear only its head.
        agent = HUGE if not minute else HUGE[:200]
        what = odd | {"eventName": name, "userAgent": agent}
        calls.append((night + dt.timedelta(minutes=minute), what))
    calls.append((night, {"userIdentity": None, "eventName": "GetSecretValue"}))
    made = [
        logs.record(place, eventTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}", **fields)
        for place, (moment, fields) in enumerate(calls)
    ]
    made[-1].pop("userIdentity")
    absurd = [
        logs.record(90_000 + place, **odd | {"eventTime": time, "userAgent": "x"})
        for place, time in enumerate(TIMES)
    ]
    return made + absurd


@dataclass(frozen=True)
class Told:
    """A lake of hostile content, and what detectors found in its last day."""

    home: Path
    result: DetectResult

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The anomalies."""
        found: list[dict[str, Any]] = self.result.anomalies.to_pylist()
        return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = tmp_path_factory.mktemp("hostile")
    logs.write(home / "logs" / "a.json.gz", _records())
    settings = Settings(detect=Detect(budget=50.0))
    executor = LocalExecutor(1)
    ingest([str(home / "logs")], str(home / "lake"), settings=settings, executor=executor)
    until = START + dt.timedelta(days=DAYS)
    result = detect(
        home / "lake",
        settings=settings,
        since=until - dt.timedelta(days=1),
        until=until,
        detectors=["isolation_forest", "novelty", "call_rate"],
        now=until + dt.timedelta(hours=3),
        executor=executor,
    )
    return Told(home, result)


def _own(told: Told) -> dict[str, Any]:
    """The anomaly of the hostile principal's day."""
    rows = [row for row in told.rows if row["detector"] == "isolation_forest"]
    return next(row for row in rows if row["principal_arn"] == EVIL)


def _unsafe(text: str) -> set[str]:
    """Characters that a terminal or a reader's eye would obey."""
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"}


def test_detectors_find_the_hostile_principal_and_say_so_in_plain_text(told: Told) -> None:
    assert _own(told)["severity"] in ("medium", "high")
    for row in told.rows:
        assert _unsafe(row["title"] + row["explanation"]) == set()
        assert len(row["title"]) < 500
        assert len(row["explanation"]) < 2_000
        assert len(row["evidence"]) < 200_000


def test_times_that_cannot_be_believed_are_kept_and_judged_by_nobody(told: Told) -> None:
    with Lake.open(told.home / "lake").engine() as engine:
        rows = engine.sql(
            "select event_date, event_time_status from events where event_time_status <> 'ok'"
        ).to_pylist()
    assert {row["event_date"] for row in rows} == {dt.date(1970, 1, 1)}
    assert len(rows) == len(TIMES)
    absurd = {logs.event_id(90_000 + place) for place in range(len(TIMES))}
    named = {one for row in told.rows for one in json.loads(row["evidence"])["event_ids"]}
    assert absurd.isdisjoint(named)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_explain_shows_hostile_content_as_text(told: Told, form: list[str]) -> None:
    row = _own(told)
    ran = runner.run("explain", row["anomaly_id"], "--lake", "lake", *form, cwd=told.home)
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out) < 400_000
    assert _unsafe(ran.out) == set()
    if form:
        found = json.loads(ran.out)
        assert found["anomaly"]["principal_arn"] == EVIL  # the name itself, escaped by JSON
        with Lake.open(told.home / "lake").engine() as engine:
            assert engine.query(found["sql"]).num_rows == found["event_count"] >= 35


def test_mark_and_report_show_hostile_content_as_text(told: Told) -> None:
    row = _own(told)
    note = "\x1b[31m<script>alert(2)</script>\u202e"
    ran = runner.run(
        "mark", row["anomaly_id"], "--confirmed", "--note", note, "--lake", "lake", cwd=told.home
    )
    assert ran.code == 0
    assert _unsafe(ran.out) == set()
    made = runner.run("report", "--lake", "lake", "--output", "page", cwd=told.home)
    assert made.code == 0, made.err
    assert _unsafe(made.out) == set()
    html = (told.home / "page" / "report.html").read_text("utf-8")
    assert f"ctanalytics explain {row['anomaly_id']}" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert len(html) < 3_000_000
    markdown = (told.home / "page" / "report.md").read_text("utf-8")
    assert _unsafe(markdown) == set()
    assert f"ctanalytics explain {row['anomaly_id']}" in markdown

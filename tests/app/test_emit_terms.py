"""The verb emit by the settings: incidents, routes, quiet hours, summaries, names, test messages."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.emit import EmitResult, emit, send_test
from ctanalytics.emitters.deciding import BENIGN, MEMBER, QUIET, REVISED
from ctanalytics.emitters.outbox import SUMMARISED
from ctanalytics.errors import EmitError, SettingsError
from ctanalytics.findings import MARKS
from ctanalytics.lake.lake import Lake
from ctanalytics.records.directory import ACCOUNT_DIRECTORY
from ctanalytics.settings import Emit, Redact, Route, Settings, TargetOptions
from tests.aws_server import Server, aws_server
from tests.emitters import alerts
from tests.emitters.alerts import NOW, add_incidents, deliveries, incident_row, outbox_rows, row
from tests.emitters.test_cloudwatch import NAMESPACE, sums
from tests.emitters.test_sns import topic

HOUR = dt.timedelta(hours=1)
A, B, C = (row(name)["anomaly_id"] for name in "abc")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def to(lake: Lake, target: str, now: dt.datetime = NOW, **settings: Any) -> EmitResult:
    redact = settings.pop("redact", Redact())
    return emit(lake, [target], settings=Settings(emit=Emit(**settings), redact=redact), now=now)


def told(path: Path) -> list[dict[str, Any]]:
    """What a file has, each line once."""
    found: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("")
    return found


def test_an_incident_is_told_once_instead_of_its_anomalies_as_it_grows_and_ends(
    tmp_path: Path,
) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"), row("c"))
    incident = incident_row()
    add_incidents(lake, incident)
    path = tmp_path / "x"
    target = f"file:{path}"
    result = to(lake, target)
    assert (result.targets[0].sent, result.targets[0].suppressed) == (2, 2)
    told_first = {one.get("incident_id") or one["anomaly_id"]: one for one in told(path)}
    assert set(told_first) == {incident["incident_id"], C}
    assert told_first[incident["incident_id"]]["incident"]["next_steps"][0] == "Ask who runs ci."
    assert deliveries(lake)[A] == ("suppressed", MEMBER, 0)
    graver = {"revision": 3, "state": "escalated", "severity": "critical"}
    for later in (
        {"revision": 2, "events": 300},
        {**graver, "detected_at": NOW + HOUR},
        {**graver, "revision": 4, "events": 400},
        {"revision": 5, "state": "closed", "closed_because": "ended", "ended_at": NOW},
        {"revision": 6, "state": "closed", "closed_because": "ended", "events": 401},
    ):
        add_incidents(lake, incident_row(**later))
        to(lake, target, NOW + later["revision"] * HOUR)
    assert [(one["state"], one["revision"], one["severity"]) for one in told(path)] == [
        ("escalated", 3, "critical"),
        ("closed", 5, "high"),
    ]
    reasons = [one["reason"] for one in outbox_rows(lake) if one["outcome"] == "suppressed"]
    assert reasons.count(REVISED) == 3


def test_a_target_may_ask_for_anomalies_and_metrics_count_both(
    tmp_path: Path, server: Server
) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"))
    add_incidents(lake, incident_row())
    path = tmp_path / "x"
    to(lake, f"file:{path}", options={"file": TargetOptions(grain="anomalies")})
    assert {one["anomaly_id"] for one in told(path)} == {A, B}
    to(lake, f"cloudwatch:{NAMESPACE}")
    assert sums(server)[("call_rate", "high")] == 2
    found = sums(server, "Incidents")
    assert (found[()], found[("high",)], found[("critical",)]) == (1, 1, 0)


def test_a_route_by_environment_takes_it_from_the_account_directory(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b", account_id="444455556666"))
    known = {"account_id": "111122223333", "name": "payments", "environment": "production"}
    lake.append(
        "account_directory",
        pa.Table.from_pylist([known | {"updated_at": NOW}], schema=ACCOUNT_DIRECTORY),
    )
    path = tmp_path / "x"
    to(lake, f"file:{path}", routes=[Route(environment=["production"])])
    (one,) = told(path)
    assert (one["anomaly_id"], one["account_name"]) == (A, "payments")
    assert {one["anomaly_id"] for one in outbox_rows(lake)} == {A}
    to(lake, f"file:{path}")
    assert [one["anomaly_id"] for one in told(path)] == [B]


def test_what_comes_in_quiet_hours_goes_when_they_end(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b", severity="critical"))
    path = tmp_path / "x"
    routes = [Route(to=["file"], quiet_hours="22:00-08:30", timezone="Europe/Berlin")]
    for now in (NOW, NOW + HOUR / 60):
        result = to(lake, f"file:{path}", now, routes=routes)
        assert (result.targets[0].held, result.complete) == (1, True)
    assert deliveries(lake) == {A: ("pending", QUIET, 0), B: ("sent", None, 1)}
    assert len(outbox_rows(lake)) == 3  # what waits is not said again
    to(lake, f"file:{path}", NOW + HOUR, routes=routes)  # 09:00 in Berlin
    assert [one["anomaly_id"] for one in told(path)] == [B, A]
    assert deliveries(lake)[A] == ("sent", None, 1)


def test_the_rest_of_many_comes_in_one_message_and_is_told_for_good(
    tmp_path: Path, server: Server
) -> None:
    lake = alerts.lake(tmp_path / "lake", *[row(f"{n:02}") for n in range(25)])
    at = topic(server)
    (result,) = to(lake, f"sns:{at.arn}").targets
    assert (result.sent, result.messages) == (25, 21)
    subjects = [message["Subject"] for message in at.received()]
    assert len(subjects) == 21
    assert "[HIGH] 5 more alerts: 5 high" in subjects
    reasons = [reason for _, reason, _ in deliveries(lake).values()]
    assert reasons.count(SUMMARISED) == 5
    assert to(lake, f"sns:{at.arn}").targets[0].already == 25


def test_people_read_names_of_accounts_and_none_of_persons(tmp_path: Path, server: Server) -> None:
    arn = "arn:aws:iam::111122223333:user/alice"
    lake = alerts.lake(tmp_path / "lake", row("a", principal_arn=arn, title="alice made a key"))
    known = {"account_id": "111122223333", "name": "payments", "environment": "production"}
    lake.append(
        "account_directory",
        pa.Table.from_pylist([known | {"updated_at": NOW}], schema=ACCOUNT_DIRECTORY),
    )
    at = topic(server)
    to(lake, f"sns:{at.arn}")
    (message,) = at.received()
    assert message["Subject"] == "[HIGH] *** made a key"
    assert "alice" not in json.dumps(message)
    assert "account     111122223333 payments (production)" in message["Message"]
    attributes = {name: one["Value"] for name, one in message["MessageAttributes"].items()}
    assert (attributes["account_name"], attributes["environment"]) == ("payments", "production")
    assert len(attributes) <= 10  # SQS with raw delivery drops a message with more
    path = tmp_path / "x"
    to(lake, f"file:{path}")
    assert told(path)[0]["principal_arn"] == arn


def test_hashes_of_names_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTANALYTICS_REDACT_KEY", raising=False)
    lake = alerts.lake(
        tmp_path / "lake", row("a", principal_arn="arn:aws:iam::111122223333:user/alice")
    )
    path = tmp_path / "x"
    hashed: dict[str, Any] = {"options": {"file": TargetOptions(pii="hashed")}}
    with pytest.raises(SettingsError):
        to(lake, f"file:{path}", **hashed)
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    to(lake, f"file:{path}", **hashed, redact=Redact(key_file=str(key)))
    (one,) = told(path)
    assert one["principal_arn"].startswith("arn:aws:iam::111122223333:user/#")


def test_what_a_person_called_benign_pages_nobody(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"))
    mark = {"anomaly_id": A, "verdict": "benign", "marked_by": "dora", "marked_at": NOW}
    lake.append("marks", pa.Table.from_pylist([mark], schema=MARKS))
    to(lake, f"file:{tmp_path}/x")
    assert deliveries(lake) == {A: ("suppressed", BENIGN, 0), B: ("sent", None, 1)}


def test_what_could_not_be_sent_waits_and_says_why(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    missing = topic(server).arn + "-missing"
    for hours in range(2):
        with pytest.raises(EmitError):
            to(lake, f"sns:{missing}", NOW + hours * HOUR)
    outcome, reason, attempts = deliveries(lake)[A]
    assert (outcome, attempts) == ("pending", 0)
    assert "does not know it" in str(reason)
    assert len(outbox_rows(lake)) == 2  # the second run had nothing new to say


def test_a_test_message_reaches_every_kind_of_target_and_counts_as_nothing(
    tmp_path: Path, server: Server
) -> None:
    at = topic(server)
    server.client("logs").create_log_group(logGroupName="alerts")
    out = io.StringIO()
    targets = [
        f"sns:{at.arn}",
        f"cloudwatch:{NAMESPACE}",
        "logs:alerts",
        "eventbridge:default",
        "securityhub:",
        f"ocsf:{tmp_path}/findings.ndjson",
        f"file:{tmp_path}/x",
        "stdout",
    ]
    result = send_test(targets, now=NOW, stdout=out)
    assert [one.sent for one in result.targets] == [1] * len(targets)
    assert result.complete
    assert at.received()[0]["Subject"].startswith("[INFO] TEST:")
    assert sums(server) == {}
    assert sums(server, "TestMessages") == {(): 1}
    (finding,) = server.client("securityhub").get_findings()["Findings"]
    assert finding["RecordState"] == "ARCHIVED"
    assert json.loads(out.getvalue())["kind"] == "test"
    with pytest.raises(EmitError):
        send_test([f"sns:{at.arn}-missing"])


def test_a_dry_run_counts_messages_as_they_would_go(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", *[row(str(n)) for n in range(5)])
    chosen = Emit(options={"file": TargetOptions(max_messages=2)})
    result = emit(
        lake, [f"file:{tmp_path}/x"], settings=Settings(emit=chosen), now=NOW, dry_run=True
    )
    assert result.targets[0].preview == "would add 3 JSON lines"
    assert len(result.targets[0].alerts) == 5

    assert outbox_rows(lake) == []

"""The verbs of incidents on a real lake: what belongs together is one, and keeps its id."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.incidents.listing import list_incidents, show_incident
from ctanalytics.errors import UsageError
from ctanalytics.findings import MARKS
from ctanalytics.records import schema
from ctanalytics.records.directory import ACCOUNT_DIRECTORY
from tests.incidents.scene import (
    MINUTE,
    NIGHT,
    T0,
    add,
    anomaly,
    build,
    events,
    lake,
    role,
    standing,
)

DAY = dt.timedelta(days=1)


def test_five_detectors_on_one_attack_are_one_incident_that_tells_it(tmp_path: Path) -> None:
    key: dict[str, Any] = {"access_key_id": "ASIAIOSFODNN7EXAMPLE"}
    mined = events(3, **key)
    refused = events(
        4, at=1, event_name="ListRoles", error_code="AccessDenied", read_only=True, **key
    )
    stopped = events(
        1, at=5, event_source="cloudtrail.amazonaws.com", event_name="StopLogging", **key
    )
    made = lake(
        tmp_path / "lake",
        [*mined, *refused, *stopped],
        anomaly(mined, "rate", severity="high", score=8.0, p_value=1e-8),
        anomaly(refused, "errors", detector="error_rate", kind="error_surge", severity="low"),
        # Its detector names the session's ARN, and no API; the events tell whose it is.
        anomaly(
            [*mined, *stopped],
            "behaviour",
            detector="isolation_forest",
            kind="behaviour",
            event_name=None,
            event_source=None,
            principal_arn="arn:aws:sts::111122223333:assumed-role/ci",
        ),
        anomaly(refused, "new", detector="first_seen", kind="first_seen", severity="info"),
        anomaly(
            stopped,
            "rule",
            detector="sigma",
            kind="rule",
            severity="high",
            extra={
                "rule": {
                    "tags": ["attack.defense-evasion", "attack.t1562.008"],
                    "next_steps": ["Start the trail again."],
                }
            },
        ),
    )
    directory = [{"account_id": "111122223333", "name": "payments", "updated_at": T0}]
    made.append("account_directory", pa.Table.from_pylist(directory, ACCOUNT_DIRECTORY))
    assert build(made).opened == 1
    (one,) = list_incidents(made)
    assert (one["state"], one["severity"], one["revision"]) == ("open", "critical", 1)
    assert len(one["anomaly_ids"]) == 5
    assert one["tactics"] == ["defense-evasion", "discovery", "impact"]
    assert {"T1562.008", "T1496", "T1580"} <= set(one["techniques"])
    assert one["principal_arns"] == [role("ci")]
    assert one["access_key_ids"] == ["ASIAIOSFODNN7EXAMPLE"]
    assert one["networks"] == ["198.51.100.0/24"]
    assert one["account_names"] == ["payments"]
    assert one["next_steps"][0] == "Start the trail again."
    assert {"principal", "access_key"} <= set(one["linked_by"])
    assert "Who: role ci, by access key ASIAIOSFODNN7EXAMPLE, from 198.51.100.0/24." in one["story"]
    assert "Where: payments (111122223333), eu-west-1." in one["story"]
    assert set(one["event_ids"]) == {call["event_id"] for call in (*mined, *refused, *stopped)}
    shown = show_incident(one["incident_id"][:8], made)
    assert shown.anomalies[0]["detector"] == "call_rate"
    assert [row["revision"] for row in shown.history] == [1]
    again = build(made, NIGHT + 10 * MINUTE)
    assert (again.anomalies, again.opened, again.updated, again.closed) == (0, 0, 0, 0)
    assert standing(made)[0]["revision"] == 1


def test_an_incident_grows_escalates_closes_and_opens_again_under_its_id(tmp_path: Path) -> None:
    first = events(2)
    made = lake(
        tmp_path / "lake", first, anomaly(first, "1", severity="low", state="open", ended_at=None)
    )
    build(made)
    (opened,) = standing(made)
    assert (opened["state"], opened["ended_at"]) == ("open", None)
    more = events(2, at=120, event_name="TerminateInstances")
    with_more = anomaly(more, "2", severity="high")
    made.append("events", pa.Table.from_pylist(more, schema.EVENTS))
    add(made, anomaly(first, "1", severity="low", revision=2), with_more)
    assert build(made, NIGHT + DAY / 2).updated == 1
    (grown,) = standing(made)
    assert grown["incident_id"] == opened["incident_id"]
    assert (grown["state"], grown["severity"], grown["first_severity"]) == (
        "escalated",
        "high",
        "low",
    )
    assert grown["escalated_at"] == NIGHT + DAY / 2
    assert build(made, NIGHT + 2 * DAY).closed == 1
    assert build(made, NIGHT + 3 * DAY).closed == 0
    (closed,) = standing(made)
    assert (closed["state"], closed["closed_because"]) == ("closed", "ended")
    add(made, with_more | {"revision": 2, "state": "open", "ended_at": None})
    build(made, NIGHT + 3 * DAY)
    (again,) = standing(made)
    assert (again["state"], again["revision"]) == ("escalated", closed["revision"] + 1)


def test_two_incidents_that_turn_out_to_be_one_are_the_older_one(tmp_path: Path) -> None:
    home = events(2, source_ip_address="192.0.2.1")
    away = events(2, at=300, arn=role("web"), source_ip_address="203.0.113.9")
    made = lake(tmp_path / "lake", [*home, *away], anomaly(home, "home"))
    build(made)
    add(made, anomaly(away, "away", severity="high", event_name="StopInstances"))
    build(made, NIGHT + MINUTE)
    older, younger = standing(made)
    # One person used both roles' sessions: a session of each, with the same source identity.
    both = [
        *events(1, at=100, source_identity="dora", source_ip_address="192.0.2.77"),
        *events(1, at=101, arn=role("web"), source_identity="dora", source_ip_address="192.0.2.77"),
    ]
    made.append("events", pa.Table.from_pylist(both, schema.EVENTS))
    add(made, anomaly(both, "both", detector="first_seen", kind="first_seen", severity="low"))
    result = build(made, NIGHT + 2 * MINUTE)
    assert (result.updated, result.merged) == (1, 1)
    kept, gone = standing(made)
    assert (kept["incident_id"], gone["incident_id"]) == (
        older["incident_id"],
        younger["incident_id"],
    )
    assert (gone["state"], gone["closed_because"]) == ("closed", "merged")
    assert gone["superseded_by"] == kept["incident_id"]
    assert len(kept["anomaly_ids"]) == 3
    assert kept["state"] == "escalated"
    assert "person" not in kept["linked_by"]
    assert [row["incident_id"] for row in list_incidents(made)] == [kept["incident_id"]]
    assert build(made, NIGHT + 3 * MINUTE).updated == 0


def test_a_roll_out_over_200_accounts_is_one_incident_that_lists_them(tmp_path: Path) -> None:
    accounts = [f"{number:012}" for number in range(1, 201)]
    calls, found = [], []
    for number, account in enumerate(accounts):
        rolled = events(
            2,
            at=number / 10,
            account=account,
            arn=role(f"stacksets-exec-{number:032x}", account),
            event_source="iam.amazonaws.com",
            event_name="CreateRole",
            source_ip_address="cloudformation.amazonaws.com",
            source_ip_kind="service",
            invoked_by="cloudformation.amazonaws.com",
        )
        calls += rolled
        found += [
            anomaly(rolled, account, severity="high"),
            anomaly(rolled, account, detector="first_seen", kind="first_seen", event_name=None),
        ]
    made = lake(tmp_path / "lake", calls, *found)
    assert build(made).opened == 1
    (one,) = standing(made)
    assert sorted(one["account_ids"]) == accounts
    assert len(one["anomaly_ids"]) == 400
    assert {"api_in_accounts", "invoked_by", "role_name"} <= set(one["linked_by"])
    assert "200 accounts" in one["title"]


def test_what_late_logs_take_away_closes_and_what_people_call_benign_too(tmp_path: Path) -> None:
    one, two = events(2), events(2, at=600, arn=role("web"), source_ip_address="192.0.2.1")
    first = anomaly(one, "1", state="open", ended_at=None)
    second = anomaly(two, "2", event_name="StopInstances")
    made = lake(tmp_path / "lake", [*one, *two], first, second)
    build(made)
    add(made, first | {"revision": 2, "state": "withdrawn"})
    mark = {
        "anomaly_id": second["anomaly_id"],
        "verdict": "benign",
        "note": "a rehearsal",
        "marked_by": "dora",
        "marked_at": NIGHT + MINUTE,
    }
    made.append("marks", pa.Table.from_pylist([mark], MARKS))
    assert build(made, NIGHT + 2 * MINUTE).closed == 2
    assert [row["closed_because"] for row in standing(made)] == ["withdrawn", "marked"]
    assert build(made, NIGHT + 3 * MINUTE).closed == 0
    add(made, first | {"revision": 3})
    build(made, NIGHT + 4 * MINUTE)
    assert [row["state"] for row in standing(made)] == ["open", "closed"]


def test_log_content_stays_on_its_line_and_in_its_word(tmp_path: Path) -> None:
    evil = role("x\nWho: nobody\x1b[2J; rm -rf '$(id)'")
    calls = events(1, arn=evil, source_ip_address="::ffff")
    made = lake(tmp_path / "lake", calls, anomaly(calls, title="a\nb\x1b[2J"))
    build(made)
    (one,) = standing(made)
    assert "\n" not in one["title"]
    assert "\x1b" not in one["story"] + one["title"] + "".join(one["next_steps"])
    assert one["story"].count("\nWho: ") == 1
    (command,) = [step for step in one["next_steps"] if "principal_timeline" in step]
    word = command.partition("--param ")[2]
    assert word.startswith("'principal=")
    assert json.dumps(one["lanes"])


def test_unknown_ids_severities_and_states_are_told_with_what_there_is(tmp_path: Path) -> None:
    made = lake(tmp_path / "lake", events(1))
    for wrong in ("nonsense", "abcd"):
        with pytest.raises(UsageError, match=wrong):
            show_incident(wrong, made)
    with pytest.raises(UsageError, match="loud"):
        list_incidents(made, severity="loud")
    with pytest.raises(UsageError, match="shut"):
        list_incidents(made, state="shut")

"""The verbs of incidents on a real lake: what belongs together is one, and keeps its id."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics import untrusted
from ctanalytics.app.emit import emit
from ctanalytics.app.incidents.listing import list_incidents, show_incident
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.records.directory import ACCOUNT_DIRECTORY
from tests.incidents.scene import (
    MINUTE,
    NIGHT,
    T0,
    anomaly,
    build,
    events,
    lake,
    role,
    standing,
)


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
        anomaly(refused, "new", detector="novelty", kind="first_seen", severity="info"),
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
    pages = [sent(made, tmp_path / "pages", NIGHT + minute * MINUTE) for minute in (10, 20)]
    assert pages == [[one["incident_id"]], []]  # five detectors, one page


def sent(made: Lake, file: Path, now: dt.datetime) -> list[str]:
    """The ids of what an emit tells, whatever its severity."""
    file.unlink(missing_ok=True)
    emit(made, [f"file:{file}"], min_severity="info", now=now)
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line).get("incident_id", "an anomaly alone") for line in lines]


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
            anomaly(rolled, account, detector="novelty", kind="first_seen", event_name=None),
        ]
    made = lake(tmp_path / "lake", calls, *found)
    assert build(made).opened == 1
    (one,) = standing(made)
    assert sorted(one["account_ids"]) == accounts
    assert len(one["anomaly_ids"]) == 400
    assert {"api_in_accounts", "invoked_by", "role_name"} <= set(one["linked_by"])
    assert "200 accounts" in one["title"]


def test_log_content_stays_on_its_line_and_what_there_is_not_is_told(tmp_path: Path) -> None:
    evil = role("x\nWho: nobody\x1b[2J; rm -rf '$(id)'")
    calls = events(1, arn=evil, source_ip_address="::ffff")
    made = lake(tmp_path / "lake", calls, anomaly(calls, title="a\nb\x1b[2J"))
    build(made)
    (one,) = standing(made)
    assert "\n" not in one["title"]
    assert "\x1b" not in one["story"] + one["title"] + "".join(one["next_steps"])
    assert one["story"].count("\nWho: ") == 1
    (command,) = [step for step in one["next_steps"] if "investigate" in step]
    assert shlex.split(command)[2:] == ["--principal", untrusted.one_line(evil)]
    for wrong in ("nonsense", "abcd"):
        with pytest.raises(UsageError, match=wrong):
            show_incident(wrong, made)
    with pytest.raises(UsageError, match="loud"):
        list_incidents(made, severity="loud")
    with pytest.raises(UsageError, match="shut"):
        list_incidents(made, state="shut")

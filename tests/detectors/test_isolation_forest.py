from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Window
from ctanalytics.detectors.isolation_forest import isolation_forest
from tests.detectors.organization import DAYS, START, WINDOW, calls, context, minute

PEOPLE = 30
THEFT = Window(START + dt.timedelta(days=31), START + dt.timedelta(days=32))
USER = "arn:aws:iam::111122223333:user/"


def someone(number: int) -> str:
    return f"{USER}person{number:02d}"


def acting(arn: str, minutes: Any, name: str, **columns: Any) -> pa.Table:
    who = {"principal_arn": arn, "identity_arn": arn, "actor": arn}
    table = calls(minutes, name, **{**who, "read_only": True, **columns})
    ids = pa.array([f"{arn}-{one}" for one in table["event_id"].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("event_id"), "event_id", ids)


def office(seed: int = 1, names: dict[int, str] | None = None) -> list[pa.Table]:
    """Five weeks of people who look at instances and write to a table on working days."""
    random = np.random.default_rng(seed)
    tables = []
    for number in range(PEOPLE):
        arn = (names or {}).get(number, someone(number))
        address = f"203.0.113.{number + 1}"
        days = [day for day in range(DAYS) if day % 7 < 5]
        for name, source, each in (
            ("DescribeInstances", "ec2.amazonaws.com", 8),
            ("ListTables", "dynamodb.amazonaws.com", 3),
            ("PutItem", "dynamodb.amazonaws.com", 2),
        ):
            spots = [minute(day, 8) + random.integers(0, 540, random.poisson(each)) for day in days]
            tables.append(
                acting(
                    arn, np.concatenate(spots), name, event_source=source, source_ip_address=address
                )
            )
    return tables


def theft(arn: str) -> list[pa.Table]:
    """A key used at night from elsewhere, for what it never did."""
    start = minute(31, 2)
    odd = {"source_ip_address": "198.51.100.23", "user_agent": "python-requests/2.32"}
    plan = {
        "GetCallerIdentity": ("sts.amazonaws.com", 1),
        "ListUsers": ("iam.amazonaws.com", 3),
        "ListBuckets": ("s3.amazonaws.com", 2),
        "GetSecretValue": ("secretsmanager.amazonaws.com", 25),
        "CreateAccessKey": ("iam.amazonaws.com", 2),
    }
    return [
        acting(arn, start + np.arange(count), name, event_source=source, **odd)
        for name, (source, count) in plan.items()
    ]


def tampering(arn: str) -> list[pa.Table]:
    """A few calls that blind the trail."""
    names = ("StopLogging", "PutEventSelectors", "DeleteTrail")
    columns = {"event_source": "cloudtrail.amazonaws.com", "read_only": False}
    return [acting(arn, [minute(30, 14, n)], name, **columns) for n, name in enumerate(names)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    tables = [*office(), *theft(someone(3)), *tampering(someone(7))]
    made = context(tmp_path_factory.mktemp("lake"), tables, budget=7.0)
    rows: list[dict[str, Any]] = isolation_forest(made, WINDOW).anomalies.to_pylist()
    return rows


@pytest.mark.parametrize("number", [3, 7], ids=["stolen-key", "tampering"])
def test_a_principal_that_does_what_it_never_did_is_found(
    found: list[dict[str, Any]], number: int
) -> None:
    assert someone(number) in [row["principal_arn"] for row in found]


def test_others_are_told_within_the_budget(found: list[dict[str, Any]]) -> None:
    guilty = {someone(3), someone(7)}
    assert len([row for row in found if row["principal_arn"] not in guilty]) <= 3


def test_no_statistic_alone_is_critical(found: list[dict[str, Any]]) -> None:
    assert "critical" not in {row["severity"] for row in found}


def test_the_sentence_names_what_was_done_and_from_where(found: list[dict[str, Any]]) -> None:
    (row,) = [row for row in found if row["principal_arn"] == someone(3)]
    assert "person03" in row["explanation"]
    assert "198.51.100.23" in row["explanation"]
    features = json.loads(row["evidence"])["features"]
    assert features


def test_a_quiet_office_pages_within_the_budget(tmp_path: Path) -> None:
    count = isolation_forest(context(tmp_path, office(11), budget=7.0), WINDOW).anomalies.num_rows
    # A week at 7 x 0.2 allowed false alarms; three is still believable chance.
    assert count <= 3


def test_threads_and_row_order_change_nothing(tmp_path: Path) -> None:
    tables = [*office(), *theft(someone(3))]
    one = isolation_forest(context(tmp_path, tables, threads=1), THEFT)
    other = isolation_forest(context(tmp_path, tables[::-1], threads=2), THEFT)
    assert one.anomalies.num_rows
    assert one.anomalies.equals(other.anomalies)
    assert one.state == other.state  # the model's bytes, too


def test_hostile_names_pass_through_as_text(tmp_path: Path) -> None:
    hostile = f"{USER}x'; drop table events; --\x1b[31m<script>‮" + "a" * 2_000
    odd = acting(hostile, [minute(31, 3)], "GetSecretValue", user_agent="\x1b]0;" + "u" * 2_000_000)
    nobody = acting("x", [minute(31, 4)], "GetSecretValue", error_code="AccessDenied")
    for name in ("principal_arn", "principal_type", "actor", "identity_arn"):
        place = nobody.schema.get_field_index(name)
        nobody = nobody.set_column(place, name, pa.nulls(1, pa.string()))
    absurd = acting(hostile, [minute(31, 5)], "DeleteTrail", event_time_status="past")
    tables = [*office(names={3: hostile}), *theft(hostile), odd, nobody, absurd]
    made = context(tmp_path, [table.cast(absurd.schema) for table in tables], budget=7.0)
    rows = isolation_forest(made, THEFT).anomalies.to_pylist()
    row = next(row for row in rows if row["principal_arn"] == hostile)
    evidence = json.loads(row["evidence"])
    assert made.engine.query(evidence["sql"]).num_rows == evidence["events"]
    assert "\x1b" not in row["explanation"] + row["title"]
    assert len(row["explanation"]) < 1_000
    assert len(row["evidence"]) < 200_000
    assert "DeleteTrail" not in row["evidence"]  # its time is not to be believed


def test_too_little_history_is_said(tmp_path: Path) -> None:
    tables = [acting(someone(1), np.arange(minute(DAYS - 4), minute(DAYS), 60), "ListTables")]
    result = isolation_forest(context(tmp_path, tables), WINDOW)
    assert result.anomalies.num_rows == 0
    assert result.notes


def test_an_empty_lake_has_no_anomalies(tmp_path: Path) -> None:
    from ctanalytics.records.schema import EVENTS

    assert (
        isolation_forest(context(tmp_path, [EVENTS.empty_table()]), WINDOW).anomalies.num_rows == 0
    )

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Window
from ctanalytics.detectors.isolation_forest import isolation_forest
from tests.detectors.organization import DAYS, START, WINDOW, calls, context, minute

DAY = dt.timedelta(days=1)
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


def usual(random: np.random.Generator, arn: str, days: int = DAYS, host: int = 1) -> list[pa.Table]:
    """One of the office: looks at instances and writes to a table on working days."""
    return [
        acting(
            arn,
            np.concatenate(
                [
                    minute(day, 8) + random.integers(0, 540, random.poisson(each))
                    for day in range(days)
                    if day % 7 < 5
                ]
            ),
            name,
            event_source=source,
            source_ip_address=f"203.0.113.{host}",
        )
        for name, source, each in (
            ("DescribeInstances", "ec2.amazonaws.com", 8),
            ("ListTables", "dynamodb.amazonaws.com", 3),
            ("PutItem", "dynamodb.amazonaws.com", 2),
        )
    ]


def office(seed: int = 1, names: dict[int, str] | None = None) -> list[pa.Table]:
    """Five weeks of people at work."""
    random = np.random.default_rng(seed)
    arns = [(names or {}).get(number, someone(number)) for number in range(PEOPLE)]
    return [table for host, arn in enumerate(arns, 1) for table in usual(random, arn, host=host)]


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


def fingerprint(folder: Path, *, threads: int, is_backwards: bool = False) -> dict[str, Any]:
    """How many anomalies, and the hashes of their bytes and of all that is kept, the model too."""
    tables = [*office(), *theft(someone(3))]
    folder.mkdir()
    made = context(folder, tables[::-1] if is_backwards else tables, threads=threads)
    result = isolation_forest(made, THEFT)
    rows = result.anomalies.to_pylist()
    return {
        "count": len(rows),
        "anomalies": hashlib.sha256(repr(rows).encode()).hexdigest(),
        "kept": hashlib.sha256(repr(result.state).encode()).hexdigest(),
    }


OTHER_MACHINE = {
    # Other kernels of linear algebra, and numpy's code for processors without wide registers.
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "PYTHONHASHSEED": "4711",
}


def test_another_process_and_machine_find_the_same_to_the_byte(tmp_path: Path) -> None:
    there = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, sys; from pathlib import Path; "
            "from tests.detectors.test_isolation_forest import fingerprint; "
            "print(json.dumps(fingerprint(Path(sys.argv[1]), threads=1, is_backwards=True)))",
            str(tmp_path / "there"),
        ],
        env=os.environ | OTHER_MACHINE,
        stdout=subprocess.PIPE,
        text=True,
    )
    here = fingerprint(tmp_path / "here", threads=2)
    told, _ = there.communicate()
    assert there.returncode == 0
    assert here["count"]
    assert json.loads(told) == here


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

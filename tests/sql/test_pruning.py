"""A question about a day or an hour reads that day's files and that hour's row groups: by EXPLAIN."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.layout import TABLES
from ctanalytics.records import schema
from tests import builders

FIRST = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAYS, GROUPS, ROWS = 8, 6, 60
HOUR = "event_time >= timestamptz '2026-03-04 00:00:00+00' and event_time < timestamptz '2026-03-04 01:00:00+00'"
DAY = "event_date = date '2026-03-04'"

BY_ROW = [
    "events",
    "changes",
    "credential_events",
    "data_events",
    "logins",
    "network_activity",
    "ocsf_api_activity",
    "principal_events",
    "resource_events",
    "trail_changes",
]
"""Views with one row for a call: they can be asked for an hour with `where`."""

NOT_OF_EVENTS = {
    "account_directory",
    "anomalies",
    "behaviour_drift",
    "aws_insights",
    "config_changes",
    "config_items",
    "config_services",
    "deliveries",
    "duplicate_trails",
    "error_classes",
    "incident_members",
    "incidents",
    "ingest_files",
    "ingest_health",
    "log_files",
    "posture",
    "posture_changes",
    "marked_days",
    "marks",
    "prices",
    "series_review",
    "quarantined",
    "runs",
    "sensitive_apis",
    "user_directory",
}
CHAINS = {"call_origins", "credential_events", "role_chains", "sessions", "who_changed"}
"""Views that follow credentials, whose sessions may have begun two days before."""
VIEWS = sorted({name.removeprefix("views/") for name in statements.names("views")} - NOT_OF_EVENTS)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TableFiles]:
    """A lake of eight days, a file each, sorted by time in six row groups of four hours."""
    home = tmp_path_factory.mktemp("lake")
    kinds: list[dict[str, Any]] = [
        {},
        {"event_category": "Data", "resource_arns": ["arn:aws:s3:::b"]},
        {"event_category": "NetworkActivity"},
        {"event_source": "signin.amazonaws.com", "event_name": "ConsoleLogin"},
        {
            "event_source": "cloudtrail.amazonaws.com",
            "event_name": "StopLogging",
            "read_only": False,
        },
        {
            "event_source": "sts.amazonaws.com",
            "event_name": "AssumeRole",
            "error_code": "AccessDenied",
        },
        {"read_only": False, "request_parameters": '{"instanceId":"i-1"}', "tls_version": "TLSv1"},
    ]
    files = []
    columns = pa.schema([column for column in schema.EVENTS if column.name != "event_date"])
    for day in range(DAYS):
        begin = FIRST + dt.timedelta(days=day)
        step = dt.timedelta(days=1) / (GROUPS * ROWS)
        rows = [
            builders.event(
                begin + step * number, access_key_id="AKIA1", **kinds[number % len(kinds)]
            )
            for number in range(GROUPS * ROWS)
        ]
        folder = home / f"event_date={begin:%Y-%m-%d}"
        folder.mkdir()
        pq.write_table(
            pa.Table.from_pylist(rows, columns), folder / "a.parquet", row_group_size=ROWS
        )
        files.append(str(folder / "a.parquet"))
    found = {name: TableFiles(spec.schema, (), spec.partition) for name, spec in TABLES.items()}
    found["events"] = TableFiles(schema.EVENTS, files, "event_date")
    return found


@pytest.fixture(scope="module")
def night(tables: dict[str, TableFiles]) -> Iterator[Engine]:
    """Cut to four hours of the sixth day."""
    since = FIRST + dt.timedelta(days=5)
    with Engine(tables, threads=1, since=since, until=since + dt.timedelta(hours=4)) as engine:
        yield engine


@pytest.fixture(scope="module")
def whole(tables: dict[str, TableFiles]) -> Iterator[Engine]:
    with Engine(tables, threads=1) as engine:
        yield engine


def read(engine: Engine, sql: str) -> tuple[int, int]:
    """The most files, and the most row groups, that a scan of the lake's files read."""
    ((_, plan),) = engine.connection.execute(f"explain analyze {sql}").fetchall()
    files = [int(n) for n in re.findall(r"Total Files Read: (\d+)", plan)]
    groups = [int(n) for n in re.findall(r"Row Groups Scanned: (\d+) /", plan)]
    assert files
    assert groups
    return max(files), max(groups)


@pytest.mark.parametrize("view", BY_ROW)
def test_an_hour_is_read_from_one_row_group_of_one_file(whole: Engine, view: str) -> None:
    assert read(whole, f"select count(*) from {view} where {DAY} and {HOUR}") == (1, 1)


def test_the_minutes_of_a_day_are_read_from_its_file(whole: Engine) -> None:
    assert read(whole, f"select sum(calls) from api_minutes where {DAY}") == (1, GROUPS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_cut_to_a_day_opens_that_day_and_chains_two_days_more(
    night: Engine, view: str
) -> None:
    files, groups = read(night, f"select count(*) from (select * from {view})")
    rows = night.sql(f"from {view}").num_rows
    most = 3 if view in CHAINS else 1
    assert files <= most
    assert most == 3 or groups == 1
    assert rows or view in ("role_chains", "who_changed")


def test_a_cut_gives_the_rows_of_its_span_and_no_others(tables: dict[str, TableFiles]) -> None:
    since = FIRST + dt.timedelta(days=2, hours=3)
    until = since + dt.timedelta(hours=5)
    with Engine(tables, since=since, until=until) as engine, Engine(tables) as all_of_it:
        cut = engine.sql("select event_id from events order by event_id")
        asked = all_of_it.sql(
            "select event_id from events where event_time >= $1 and event_time < $2 order by event_id",
            [since, until],
        )
    assert cut.equals(asked)
    assert cut.num_rows == 5 * GROUPS * ROWS // 24


def test_a_call_that_two_accounts_log_counts_once_org_wide(tmp_path: Path) -> None:
    noon = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
    copies = [
        builders.event(noon, event_id="1", shared_event_id="s", identity_account_id="444455556666"),
        builders.event(
            noon,
            event_id="2",
            shared_event_id="s",
            account_id="444455556666",
            identity_account_id="444455556666",
        ),
        builders.event(noon, event_id="3"),
    ]
    with builders.engine(tmp_path, events=copies) as engine:
        assert engine.sql("select sum(calls) as n from apis").to_pylist() == [{"n": 3}]
    with builders.engine(tmp_path, {"org_wide": True}, events=copies) as engine:
        rows = engine.sql("select event_id from events order by 1").to_pylist()
        calls = engine.sql("select account_id, calls from accounts order by 1").to_pylist()
    assert [row["event_id"] for row in rows] == ["2", "3"]
    assert [(row["account_id"], row["calls"]) for row in calls] == [
        ("111122223333", 1),
        ("444455556666", 1),
    ]

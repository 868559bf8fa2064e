"""Builders that tests share: event rows with sensible defaults, and an engine over them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.findings import ANOMALIES, BEHAVIOUR_DRIFT, MARKS, OUTBOX
from ctanalytics.lake.lake import Lake
from ctanalytics.records import schema, series_tables
from ctanalytics.records.config_item import CONFIG_ITEMS
from ctanalytics.records.directory import ACCOUNT_DIRECTORY, USER_DIRECTORY
from ctanalytics.records.file_verdicts import FILE_VERDICTS
from ctanalytics.records.incidents import ANOMALY_TRAITS, INCIDENTS
from ctanalytics.records.posture import POSTURE_FINDINGS
from ctanalytics.records.runs import RUNS

SCHEMAS = {
    "events": schema.EVENTS,
    "event_conflicts": schema.CONFLICTS,
    "aws_insights": schema.INSIGHTS,
    "aggregated_events": schema.AGGREGATED,
    "config_items": CONFIG_ITEMS,
    "log_files": schema.LOG_FILES,
    "file_verdicts": FILE_VERDICTS,
    "quarantine": schema.QUARANTINE,
    "duplicates": schema.DUPLICATES,
    "anomalies": ANOMALIES,
    "outbox": OUTBOX,
    "marks": MARKS,
    "behaviour_drift": BEHAVIOUR_DRIFT,
    "account_directory": ACCOUNT_DIRECTORY,
    "series_minute": series_tables.SERIES_MINUTE,
    "series_day": series_tables.SERIES_DAY,
    "series_peak": series_tables.SERIES_PEAK,
    "series_review": series_tables.SERIES_REVIEW,
    "series_budget": series_tables.SERIES_BUDGET,
    "user_directory": USER_DIRECTORY,
    "anomaly_traits": ANOMALY_TRAITS,
    "incidents": INCIDENTS,
    "runs": RUNS,
    "posture_findings": POSTURE_FINDINGS,
}


def event(time: dt.datetime, **columns: Any) -> dict[str, Any]:
    """One row of `events`: a successful read by a user, unless the columns say otherwise."""
    row: dict[str, Any] = {
        "event_time": time,
        "event_time_status": "ok",
        "event_hour": time.hour,
        "event_dow": time.isoweekday(),
        "event_date": time.date(),
        "account_id": "111122223333",
        "recipient_account_id": "111122223333",
        "aws_region": "eu-west-1",
        "event_id": str(uuid.uuid4()),
        "event_version": "1.11",
        "event_source": "ec2.amazonaws.com",
        "event_name": "DescribeInstances",
        "event_type": "AwsApiCall",
        "event_category": "Management",
        "read_only": True,
        "management_event": True,
        "is_error": columns.get("error_code") is not None,
        "source_ip_address": "203.0.113.9",
        "source_ip_kind": "ipv4",
        "user_agent": "aws-cli/2.31.0",
        "identity_type": "IAMUser",
        "identity_arn": "arn:aws:iam::111122223333:user/dora",
        "principal_arn": "arn:aws:iam::111122223333:user/dora",
        "principal_type": "user",
        "actor": "arn:aws:iam::111122223333:user/dora",
        "actor_from": "arn",
        "source_object": "file/log.json.gz",
        "source_row": 0,
        "plan_id": 1,
    }
    unknown = columns.keys() - set(schema.EVENTS.names)
    assert not unknown, f"no such columns: {unknown}"
    return row | columns


def anomaly(started_at: dt.datetime, **columns: Any) -> dict[str, Any]:
    """One row of `anomalies`: a closed surge without evidence, unless the columns say otherwise."""
    row: dict[str, Any] = {
        "anomaly_id": "ab" * 16,
        "state": "closed",
        "revision": 1,
        "detector": "call_rate",
        "kind": "surge",
        "severity": "high",
        "score": 5.0,
        "started_at": started_at,
        "series_key": "x",
        "title": "t",
        "explanation": "e.",
        "evidence": "{}",
        "detected_at": started_at,
    }
    unknown = columns.keys() - set(ANOMALIES.names)
    assert not unknown, f"no such columns: {unknown}"
    return row | columns


def append(lake: str | Path, table: str, *rows: dict[str, Any]) -> None:
    """Commit rows to a lake's table; columns that they lack are null."""
    Lake.open(lake).append(table, pa.Table.from_pylist(list(rows), SCHEMAS[table]))


def engine(
    folder: Path,
    options: Mapping[str, Any] | None = None,
    **tables: Sequence[Mapping[str, Any]] | pa.Table,
) -> Engine:
    """An engine over a lake made of these rows; tables that are not named are empty.

    Args:
        options: further arguments of the engine.
    """
    files = {}
    for name, columns in SCHEMAS.items():
        rows = tables.get(name, [])
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), columns)
        if not table.num_rows:
            files[name] = TableFiles(columns)
            continue
        path = folder / f"{name}.parquet"
        pq.write_table(table.cast(columns), path)
        files[name] = TableFiles(columns, [str(path)])
    return Engine(files, **(options or {}))

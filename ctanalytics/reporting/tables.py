"""The report's tables: which statement fills each, its columns, and the small charts in it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import Cell, Column, Table

STEPS = 48
"""Most steps of a small chart."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a statement are laid out; `keys` find the row's trend, when it has one."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    keys: tuple[str, str | None] | None = None


_CALLS = Column("calls", "Calls", "count", bar=True)
_WRITES = Column("writes", "Writes", "count")
_ERRORS = Column("errors", "Errors", "count")
_DENIED = Column("denied_calls", "Denied", "count")
_TREND = Column("trend", "Over time", "trend")
_ACCOUNT = Column("account_id", "Account", "code")
_PRINCIPAL = Column("principal", "Principal", "code")

USERS = Layout(
    "users",
    "Principals by calls",
    (
        _PRINCIPAL,
        _ACCOUNT,
        Column("principal_type", "Type", "text"),
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Column("regions", "Regions", "count"),
        Column("addresses", "Addresses", "count"),
        Column("last_seen", "Last", "time"),
    ),
    keys=("account_id", "principal"),
)
APIS = Layout(
    "apis",
    "APIs by calls",
    (
        Column("event_source", "Service", "code"),
        Column("event_name", "API", "code"),
        Column("access", "Access", "text"),
        _CALLS,
        _TREND,
        _ERRORS,
        _DENIED,
        Column("principals", "Principals", "count"),
        Column("accounts", "Accounts", "count"),
    ),
    keys=("event_source", "event_name"),
)
REGIONS = Layout(
    "regions",
    "Regions by calls",
    (
        _ACCOUNT,
        Column("aws_region", "Region", "code"),
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Column("principals", "Principals", "count"),
    ),
    keys=("account_id", "aws_region"),
)
ACCOUNTS = Layout(
    "accounts",
    "Accounts by calls",
    (
        _ACCOUNT,
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Column("principals", "Principals", "count"),
        Column("regions", "Regions", "count"),
    ),
    keys=("account_id", None),
)
ERRORS = Layout(
    "errors",
    "Errors by number of failed calls",
    (
        Column("error_code", "Error", "code"),
        Column("error_class", "Class", "text"),
        Column("event_source", "Service", "code"),
        Column("event_name", "API", "code"),
        Column("calls", "Failed calls", "count", bar=True),
        Column("principals", "Principals", "count"),
        Column("last_seen", "Last", "time"),
        Column("last_message", "Last message", "text"),
    ),
)
DENIED = Layout(
    "denied",
    "Principals by denied calls",
    (
        _PRINCIPAL,
        _ACCOUNT,
        Column("denied_calls", "Denied", "count", bar=True),
        Column("denied_apis", "APIs refused", "count"),
        Column("first_denied", "First", "time"),
        Column("last_denied", "Last", "time"),
    ),
)
LOGINS = Layout(
    "logins",
    "Console sign-ins: without MFA first, then failures",
    (
        Column("name", "Who", "code"),
        Column("principal_type", "Type", "text"),
        _ACCOUNT,
        Column("source_ip_address", "Address", "code"),
        Column("successes", "Successes", "count"),
        Column("with_mfa", "With MFA", "count"),
        Column("without_mfa", "Without MFA", "count"),
        Column("failures", "Failures", "count"),
        Column("failure_reason", "Reason", "text"),
        Column("last_seen", "Last", "time"),
    ),
)
INSIGHTS = Layout(
    "insights",
    "Insights events that AWS delivered",
    (
        Column("started_at", "Start", "time"),
        Column("ended_at", "End", "time"),
        _ACCOUNT,
        Column("aws_region", "Region", "code"),
        Column("insight_type", "Type", "text"),
        Column("event_source", "Service", "code"),
        Column("event_name", "API", "code"),
        Column("error_code", "Error", "code"),
        Column("baseline_average", "Baseline per minute", "rate"),
        Column("insight_average", "Insight per minute", "rate"),
    ),
)
FILE_STATES = Layout(
    "file_states",
    "Objects by what became of them",
    (
        Column("state", "State", "text"),
        Column("kind", "Kind", "text"),
        Column("reason", "Reason", "text"),
        Column("objects", "Objects", "count"),
        Column("records", "Records", "count"),
        Column("records_quarantined", "Set aside", "count"),
        Column("size_bytes", "Size", "bytes"),
        Column("last_ingested", "Last", "time"),
        Column("place", "For example", "code"),
    ),
)
SET_ASIDE = Layout(
    "set_aside",
    "The quarantine by reason",
    (
        Column("reason", "Reason", "text"),
        Column("records", "Records", "count"),
        Column("objects", "Whole objects", "count"),
        Column("size_bytes", "Size", "bytes"),
        Column("last_quarantined", "Last", "time"),
    ),
)
SET_ASIDE_PLACES = Layout(
    "set_aside_places",
    "Where the newest things in the quarantine are",
    (
        Column("reason", "Reason", "text"),
        Column("place", "Object", "code"),
        Column("record", "Record", "count"),
        Column("json_path", "JSON path", "code"),
        Column("detail", "Detail", "text"),
        Column("quarantined_at", "Set aside", "time"),
    ),
)

FIRST_SEEN = Layout(
    "first_seen",
    "Seen for the first time: accounts, regions, principals, APIs",
    (
        Column("what", "What", "text"),
        _ACCOUNT,
        Column("subject", "New", "code"),
        Column("first_seen", "First", "time"),
        Column("calls", "Calls", "count"),
        Column("first_by", "First by", "code"),
    ),
)

Trends = Mapping[tuple[str, str | None, str | None], tuple[int, ...]]


def table(engine: Engine, layout: Layout, trends: Trends | None = None, **values: Any) -> Table:
    """Run a table's statement and lay out its rows."""
    rows = engine.run(f"reporting/{layout.name}", **values).to_pylist()
    found = rows[0].get("found", len(rows)) if rows else 0
    shown = tuple(_row(row, layout, trends or {}) for row in rows)
    return Table(layout.name, layout.caption, layout.columns, shown, found)


def _row(row: Mapping[str, Any], layout: Layout, trends: Trends) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        column.name: row[column.name] for column in layout.columns if column.kind != "trend"
    }
    if layout.keys:
        first, second = layout.keys
        cells["trend"] = trends.get((layout.name, row[first], row[second] if second else None), ())
    return cells


def step_seconds(since: dt.datetime, until: dt.datetime) -> int:
    """Choose the step of the small charts: at most STEPS of them, each of whole hours."""
    hours = (until - since).total_seconds() / 3600 / STEPS
    fitting = next((size for size in (1, 2, 3, 6, 12) if size >= hours), None)
    return 3600 * (fitting or 24 * math.ceil(hours / 24))


def cut(engine: Engine, *, since: dt.datetime, until: dt.datetime) -> None:
    """Read the span's events once, into the slices that the tables of activity add up."""
    step = step_seconds(since, until)
    engine.register(
        "report_slices",
        engine.run("reporting/slices", since=since, until=until, step_seconds=step),
    )


def trends(engine: Engine, *, since: dt.datetime, until: dt.datetime, top: int) -> Trends:
    """Count the calls of each account, region, principal and API in steps of the span.

    Only the `top` of a kind are kept; a step without a call is zero.
    """
    frame = pl.DataFrame(pl.from_arrow(engine.run("reporting/trends")))
    keys = ["kind", "first_key", "second_key"]
    ranked = (
        frame.group_by(keys)
        .agg("step", "calls", total=pl.col("calls").sum())
        # The order of the tables' own statements, so that each of their rows finds its trend.
        .sort(
            ["total", "first_key", "second_key"], descending=[True, False, False], nulls_last=True
        )
        .group_by("kind", maintain_order=True)
        .head(top)
        .select([*keys, "step", "calls"])
    )
    length = math.ceil((until - since).total_seconds() / step_seconds(since, until))
    found: dict[tuple[str, str | None, str | None], tuple[int, ...]] = {}
    for kind, first, second, steps, calls in ranked.iter_rows():
        line = [0] * length
        for place, count in zip(steps, calls, strict=True):
            line[place] = count
        found[kind, first, second] = tuple(line)
    return found

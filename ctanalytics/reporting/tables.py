"""The report's tables: which statement fills each, its columns, and the small charts in it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import Cell, Column, Fact, Kind, Table
from ctanalytics.reporting.voice import ENGLISH, Voice

STEPS = 48
"""Most steps of a small chart."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a statement, before a language gives it its heading."""

    name: str
    kind: Kind
    bar: bool = False
    """Draw the value's share of the column's largest beside it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a statement are laid out; `keys` find the row's trend, when it has one."""

    name: str
    fields: tuple[Field, ...]
    keys: tuple[str, str | None] | None = None


_CALLS = Field("calls", "count", bar=True)
_WRITES = Field("writes", "count")
_ERRORS = Field("errors", "count")
_DENIED = Field("denied_calls", "count")
_TREND = Field("trend", "trend")
_ACCOUNT = Field("account_id", "code")
_PRINCIPAL = Field("principal", "code")

USERS = Layout(
    "users",
    (
        _PRINCIPAL,
        _ACCOUNT,
        Field("principal_type", "word"),
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Field("regions", "count"),
        Field("addresses", "count"),
        Field("last_seen", "time"),
    ),
    keys=("account_id", "principal"),
)
APIS = Layout(
    "apis",
    (
        Field("event_source", "code"),
        Field("event_name", "code"),
        Field("access", "word"),
        _CALLS,
        _TREND,
        _ERRORS,
        _DENIED,
        Field("principals", "count"),
        Field("accounts", "count"),
    ),
    keys=("event_source", "event_name"),
)
REGIONS = Layout(
    "regions",
    (
        _ACCOUNT,
        Field("aws_region", "code"),
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Field("principals", "count"),
    ),
    keys=("account_id", "aws_region"),
)
ACCOUNTS = Layout(
    "accounts",
    (
        _ACCOUNT,
        _CALLS,
        _TREND,
        _WRITES,
        _ERRORS,
        _DENIED,
        Field("principals", "count"),
        Field("regions", "count"),
    ),
    keys=("account_id", None),
)
ERRORS = Layout(
    "errors",
    (
        Field("error_code", "code"),
        Field("error_class", "word"),
        Field("event_source", "code"),
        Field("event_name", "code"),
        Field("calls", "count", bar=True),
        Field("principals", "count"),
        Field("last_seen", "time"),
        Field("last_message", "text"),
    ),
)
DENIED = Layout(
    "denied",
    (
        _PRINCIPAL,
        _ACCOUNT,
        Field("denied_calls", "count", bar=True),
        Field("denied_apis", "count"),
        Field("first_denied", "time"),
        Field("last_denied", "time"),
    ),
)
LOGINS = Layout(
    "logins",
    (
        Field("name", "code"),
        Field("principal_type", "word"),
        _ACCOUNT,
        Field("source_ip_address", "code"),
        Field("successes", "count"),
        Field("with_mfa", "count"),
        Field("without_mfa", "count"),
        Field("failures", "count"),
        Field("failure_reason", "text"),
        Field("last_seen", "time"),
    ),
)
INSIGHTS = Layout(
    "insights",
    (
        Field("started_at", "time"),
        Field("ended_at", "time"),
        _ACCOUNT,
        Field("aws_region", "code"),
        Field("insight_type", "text"),
        Field("event_source", "code"),
        Field("event_name", "code"),
        Field("error_code", "code"),
        Field("baseline_average", "rate"),
        Field("insight_average", "rate"),
    ),
)
FILE_STATES = Layout(
    "file_states",
    (
        Field("state", "word"),
        Field("kind", "word"),
        Field("reason", "word"),
        Field("objects", "count"),
        Field("records", "count"),
        Field("records_quarantined", "count"),
        Field("size_bytes", "bytes"),
        Field("last_ingested", "time"),
        Field("place", "code"),
    ),
)
SET_ASIDE = Layout(
    "set_aside",
    (
        Field("reason", "word"),
        Field("records", "count"),
        Field("objects", "count"),
        Field("size_bytes", "bytes"),
        Field("last_quarantined", "time"),
    ),
)
SET_ASIDE_PLACES = Layout(
    "set_aside_places",
    (
        Field("reason", "word"),
        Field("place", "code"),
        Field("record", "count"),
        Field("json_path", "code"),
        Field("detail", "text"),
        Field("quarantined_at", "time"),
    ),
)

RUN_STEPS = Layout(
    "run_steps",
    (
        Field("step", "word"),
        Field("state", "word"),
        Field("started_at", "time"),
        Field("seconds", "rate"),
        Field("error", "text"),
    ),
)

FIRST_SEEN = Layout(
    "first_seen",
    (
        Field("what", "word"),
        _ACCOUNT,
        Field("subject", "code"),
        Field("first_seen", "time"),
        Field("calls", "count"),
        Field("first_by", "code"),
    ),
)

Trends = Mapping[tuple[str, str | None, str | None], tuple[int, ...]]


def table(
    engine: Engine,
    layout: Layout,
    trends: Trends | None = None,
    *,
    voice: Voice = ENGLISH,
    **values: Any,
) -> Table:
    """Run a table's statement and lay out its rows."""
    rows = engine.run(f"reporting/{layout.name}", **values).to_pylist()
    found = rows[0].get("found", len(rows)) if rows else 0
    shown = tuple(_row(row, layout, trends or {}) for row in rows)
    return laid_out(layout, shown, found, voice)


def fact(voice: Voice, name: str, value: Cell, kind: Kind, note: str = "") -> Fact:
    """Head a figure with its label in the voice's language."""
    return Fact(name, voice.say(f"facts.{name}"), value, kind, note)


def laid_out(
    layout: Layout, rows: tuple[Mapping[str, Cell], ...], found: int, voice: Voice
) -> Table:
    """Head rows with a caption and labels in the voice's language."""
    columns = tuple(
        Column(field.name, voice.label(layout.name, field.name), field.kind, field.bar)
        for field in layout.fields
    )
    return Table(layout.name, voice.say(f"captions.{layout.name}"), columns, rows, found)


def _row(row: Mapping[str, Any], layout: Layout, trends: Trends) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        field.name: row[field.name] for field in layout.fields if field.kind != "trend"
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

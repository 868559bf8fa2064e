"""Query: a user's SQL over the views, read-only and without any file but the lake's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ctanalytics.app.running import running
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

if TYPE_CHECKING:
    from ctanalytics.engines.duckdb import Engine
    from ctanalytics.engines.scans import Scan


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events a question is about."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """UTC, half-open; views count what happened between them, and older files stay closed."""
    org_wide: bool = False
    """A call that several accounts log is one row, not one in each."""
    verified_only: bool = False
    """Only records of log files that a digest vouches for."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a query would do."""

    scans: list[Scan]
    plan: str
    """DuckDB's, as text."""


def query(
    sql: str,
    lake: str | Lake,
    *,
    values: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    org_wide: bool = False,
    verified_only: bool = False,
) -> pa.Table:
    """Run one SELECT over the views of a lake.

    Args:
        values: what `$name` in the SQL stands for.
        since: only events from here on (UTC); files of older dates are not opened.
        until: only events before this time.
        org_wide: count a call that several accounts log once.
        verified_only: only records of log files that a digest vouches for are there.

    Raises:
        QueryError: the SQL is wrong, wants to do more than read, or takes too long.
        LakeMissing: there is no lake.
    """
    scope = Scope(since, until, org_wide, verified_only)
    with reader(sql, lake, values=values, settings=settings, scope=scope) as batches:
        return batches.read_all()


@contextmanager
def reader(
    sql: str,
    lake: str | Lake,
    *,
    values: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    scope: Scope = Scope(),
) -> Iterator[pa.RecordBatchReader]:
    """As `query`, handing out the rows in batches for as long as the with block lasts."""
    settings = settings or Settings()
    with (
        session(lake, settings=settings, scope=scope) as engine,
        running(
            engine, lambda: engine.stream(sql, values), settings.query.timeout_seconds
        ) as batches,
    ):
        yield batches


def explain(
    sql: str,
    lake: str | Lake,
    *,
    values: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    scope: Scope = Scope(),
) -> Explained:
    """Return what a query would read, and DuckDB's plan; nothing is read."""
    with session(lake, settings=settings or Settings(), scope=scope) as engine:
        return Explained(engine.scans(sql, values), engine.explain(sql, values))


@contextmanager
def session(lake: str | Lake, *, settings: Settings, scope: Scope = Scope()) -> Iterator[Engine]:
    """A session for users' SQL, with the settings' limits and tables of their own."""
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine(
        locked=True,
        threads=settings.query.threads or None,
        memory_bytes=settings.query.memory_bytes or None,
        verified_only=scope.verified_only,
        since=scope.since,
        until=scope.until,
        org_wide=scope.org_wide,
        lookups=settings.lookups,
    ) as engine:
        yield engine

"""Query: a user's SQL over the views, read-only and without any file but the lake's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings


def query(
    sql: str,
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    verified_only: bool = False,
) -> pa.Table:
    """Run one SELECT over the views of a lake.

    Args:
        verified_only: only records of log files that a digest vouches for are there.

    Raises:
        QueryError: the SQL is wrong, or wants to do more than read.
        LakeMissing: there is no lake.
    """
    with reader(sql, lake, settings=settings, verified_only=verified_only) as batches:
        return batches.read_all()


@contextmanager
def reader(
    sql: str,
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    verified_only: bool = False,
) -> Iterator[pa.RecordBatchReader]:
    """As `query`, handing out the rows in batches for as long as the with block lasts."""
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine(locked=True, verified_only=verified_only) as engine:
        yield engine.stream(sql)


def explain(sql: str, lake: str | Lake, *, settings: Settings | None = None) -> str:
    """Return DuckDB's plan: which files and row groups a query would read."""
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine(locked=True) as engine:
        return engine.explain(sql)

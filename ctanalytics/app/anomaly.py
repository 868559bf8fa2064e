"""One anomaly by its id, or the beginning of it."""

from __future__ import annotations

from typing import Any

from ctanalytics import untrusted
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import UsageError


def anomaly(engine: Engine, beginning: str, *, where: str = "ANOMALY_ID") -> dict[str, Any]:
    """Return the newest revision of the one anomaly whose id begins so.

    Args:
        where: what the user gave the id as.

    Raises:
        UsageError: there is none, or more than one.
    """
    found: list[dict[str, Any]] = engine.run(
        "bundle/anomaly", beginning=beginning.strip().lower()
    ).to_pylist()
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"several anomalies begin with {untrusted.one_line(beginning)!r}",
            where=where,
            mend="give more digits of the id",
        )
    raise UsageError(
        f"there is no anomaly {untrusted.one_line(beginning)!r}",
        where=where,
        mend='`ctanalytics query "select anomaly_id, title from anomalies"` lists them',
    )

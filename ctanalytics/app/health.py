"""Health: is the lake whole, hour by hour, and how much of it is proved."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

DAYS: Final = 7
MOST_SPANS: Final = 200
_HOUR: Final = dt.timedelta(hours=1)


@dataclass(frozen=True)
class HealthResult:
    """What is known of a span, account by account and region by region."""

    since: dt.datetime
    until: dt.datetime
    cells: list[dict[str, Any]]
    """A row for each account and region; see sql/health/cells.sql."""
    spans: list[dict[str, Any]]
    """Hours in a row that somebody should look at, the newest first, at most MOST_SPANS."""
    digests: dict[str, int]
    """Digest files by verdict, of all times."""
    log_files: dict[str, int]
    """Log files by verdict, of all times."""
    validated_at: dt.datetime | None

    @property
    def blind(self) -> list[dict[str, Any]]:
        """Spans in which something may have happened that the lake does not know of."""
        return [span for span in self.spans if span["trouble"] != "quiet"]


def health(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> HealthResult:
    """Tell which hours are complete, quiet, unproved or blind.

    Args:
        since: start of the span; else seven days before its end.
        until: its end; else the end of the newest hour that anything is known of.

    Raises:
        UsageError: the span is empty.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        if until is None:
            newest = engine.run("health/newest_hour").to_pylist()[0]["newest_hour"]
            until = (newest or dt.datetime.now(dt.UTC).replace(minute=0, second=0)) + _HOUR
        since = since or until - dt.timedelta(days=DAYS)
        if since >= until:
            raise UsageError(
                "the span is empty", where="--since, --until", mend="give a start before the end"
            )
        cells = engine.run("health/cells", since=since, until=until).to_pylist()
        spans = engine.run("health/spans", since=since, until=until, limit=MOST_SPANS).to_pylist()
        verdicts = engine.run("health/verdicts").to_pylist()
    return HealthResult(
        since=since,
        until=until,
        cells=cells,
        spans=spans,
        digests=_counts(verdicts, "digest"),
        log_files=_counts(verdicts, "log"),
        validated_at=max((row["validated_at"] for row in verdicts), default=None),
    )


def _counts(verdicts: list[dict[str, Any]], kind: str) -> dict[str, int]:
    return {row["verdict"]: row["files"] for row in verdicts if row["kind"] == kind}

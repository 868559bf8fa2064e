"""Mark: what a person found an anomaly to be; detectors and targets keep to it."""

from __future__ import annotations

import datetime as dt
import getpass
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ctanalytics.app.anomaly import anomaly
from ctanalytics.detectors.allowed import after
from ctanalytics.errors import UsageError
from ctanalytics.findings import MARKS, VERDICTS
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings


@dataclass(frozen=True, slots=True)
class MarkResult:
    """A mark, and what it replaced."""

    anomaly_id: str
    title: str
    verdict: str
    note: str | None
    marked_by: str
    marked_at: dt.datetime
    before: str
    """The verdict until now; none where nothing was said."""


def mark(
    anomaly_id: str,
    lake: str | Lake,
    verdict: str,
    *,
    note: str | None = None,
    by: str | None = None,
    now: dt.datetime | None = None,
    settings: Settings | None = None,
) -> MarkResult:
    """Say that an anomaly is benign or a confirmed incident, or take back what was said.

    The days of its principal no longer teach detectors what is normal. What was benign counts as
    seen from then on; what an incident did stays new.

    Args:
        anomaly_id: or the beginning of it.
        verdict: benign, confirmed, or none to take back.
        note: why; kept with the mark.
        by: who says so; else the login name.

    Raises:
        UsageError: there is no such anomaly, or no such verdict.
        LakeMissing: there is no lake.
    """
    if verdict not in VERDICTS or verdict == "allowed":
        raise UsageError(
            f"there is no verdict {verdict!r}",
            where="--benign, --confirmed, --clear",
            mend="use benign, confirmed or none",
        )
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        found = anomaly(engine, anomaly_id)
        marks: list[dict[str, Any]] = engine.run("mark/known").to_pylist()
    said = next((one for one in marks if one["anomaly_id"] == found["anomaly_id"]), None)
    row = {
        "anomaly_id": found["anomaly_id"],
        "verdict": verdict,
        "note": note or None,
        "marked_by": by or _login_name(),
        "marked_at": after((now or dt.datetime.now(dt.UTC)).replace(microsecond=0), said),
    }
    here.append("marks", pa.Table.from_pylist([row], MARKS))
    return MarkResult(**row, title=found["title"], before=said["verdict"] if said else "none")


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"

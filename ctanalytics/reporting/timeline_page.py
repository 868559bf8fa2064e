"""The page of a resource's timeline: self-contained, no script, every value escaped."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics._version import __version__
from ctanalytics.reporting.page import page

_VALUE_CHARACTERS: Final = 2_000


def html(data: Mapping[str, Any], *, generated_at: dt.datetime) -> str:
    """Render a timeline.

    Args:
        data: resource, entries (newest last), notes, counts (by verdict), verdicts (what each means);
            as `dataclasses.asdict` makes them.
    """
    entries = [
        {**entry, "differences": [_shown(each) for each in entry["differences"]]}
        for entry in data["entries"]
    ]
    return page(
        "timeline.html.j2",
        ("report.css", "timeline.css"),
        resource=data["resource"],
        entries=entries,
        notes=data["notes"],
        counts=data["counts"],
        verdicts=data["verdicts"],
        generated_at=generated_at,
        version=__version__,
    )


def _shown(difference: Mapping[str, Any]) -> dict[str, Any]:
    return {**difference, **{side: _text(difference[side]) for side in ("before", "after")}}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return untrusted.one_line(value, limit=_VALUE_CHARACTERS)
    return untrusted.terminal(json.dumps(value, indent=1), limit=_VALUE_CHARACTERS)

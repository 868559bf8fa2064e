"""What all parts of an investigation ask of: its subject, its span, and the engines that answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.app.investigate_subject import Subject
from ctanalytics.app.investigate_tables import query
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.investigation import Query
from ctanalytics.sigma.rule import Rule

HISTORY: Final = dt.timedelta(days=30)
"""How far before the span first-seen facts look."""


@dataclass
class Asked:
    """What all parts are about, and the engines that answer."""

    subject: Subject
    since: dt.datetime
    until: dt.datetime
    rows: int
    case: Engine
    """`events` are the case's; `subject_events` those of the subject and what came of it."""
    lake: Engine
    """The whole lake, `events` from HISTORY before the span on."""
    span: Callable[[], Engine]
    """Opens a session over the whole lake whose views are cut to the span."""
    scope: str
    """SQL of `subject_events` over the whole lake."""
    rules: Sequence[Rule]
    principals: tuple[str, ...] = ()
    """Whom the subject's own calls were made as: ARNs."""
    derived: tuple[str, ...] = ()
    """Credentials that came of the subject's calls."""
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    queries: dict[str, list[Query]] = field(default_factory=dict)

    def rows_of(
        self, part: str, statement: str, about: str, engine: Engine | None = None, **values: Any
    ) -> list[dict[str, Any]]:
        """Run a statement for a part, and keep its SQL for it."""
        given = {"since": self.since, "until": self.until, "rows": self.rows, **values}
        name = f"investigate/{statement}"
        self.queries.setdefault(part, []).append(query(about, name, given, self.scope))
        found: list[dict[str, Any]] = (engine or self.case).run(name, **given).to_pylist()
        return found

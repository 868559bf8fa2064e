"""Which events rules are asked of, and what names an event and who is behind it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

EVENT: Final = "coalesce(event_id, record_sha256)"
"""What names an event within its account."""
WHO: Final = "coalesce(nullif(principal_arn, ''), actor, principal_id)"
"""What alerts are grouped by: who holds the permissions, else the nearest to it."""
UNDATED: Final = "date '1970-01-01'"
"""The date of events without a believable time."""


@dataclass(frozen=True, slots=True)
class Span:
    """The events to ask: since <= event_time < until, UTC."""

    since: dt.datetime
    until: dt.datetime
    undated: bool = False
    """Also those without a believable time."""

    def condition(self) -> str:
        """SQL over `events`; it bounds the date too, so that files are pruned."""
        last = self.until - dt.timedelta(microseconds=1)
        dated = (
            f"event_date >= date '{self.since:%Y-%m-%d}' and event_date <= date '{last:%Y-%m-%d}' "
            f"and event_time >= timestamptz '{self.since.isoformat()}' "
            f"and event_time < timestamptz '{self.until.isoformat()}'"
        )
        return f"(({dated}) or event_date = {UNDATED})" if self.undated else f"({dated})"

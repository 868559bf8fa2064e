"""What an ingest has fetched itself waits in the lake, where any process can read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.lake.store import Store, store_from
from ctanalytics.sources.base import (
    Fetched,
    LogObject,
    Notes,
    Requests,
    Source,
    Unread,
    source_from,
)

STAGED: Final = "staged"


@dataclass
class StagedSource:
    """The payloads that stand in a lake's staging folder; their locators are their paths."""

    store: Store
    name: str = STAGED
    requests: Requests = field(default_factory=Requests)
    notes: Notes = field(default_factory=Notes)

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:
        """See `sources.base.Source`."""
        if obj.size_bytes > max_bytes:
            return Unread("too_large", f"{obj.size_bytes} bytes, the limit is {max_bytes}")
        try:
            return self.store.read(str(obj.locator))
        except FileNotFoundError:
            return Unread("gone", "what was fetched is not there any more")


SPEC: Final[dict[str, Any]] = {"source": STAGED, "staged": True}


def source_of(spec: dict[str, Any], store: Store | dict[str, Any]) -> Source | StagedSource:
    """Open a plan's source: payloads staged in the lake, or what `sources` knows."""
    if spec.get("staged"):
        return StagedSource(store_from(store) if isinstance(store, dict) else store)
    return source_from(spec)

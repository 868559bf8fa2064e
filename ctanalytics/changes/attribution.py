"""Joins the changes of one resource with the calls that made them: who, what, when, by which tool."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.changes.difference import Difference, differences

NO_RECORD: Final = "no_recorded_change"
"""Verdict on a call after which Config saw nothing change."""

VERDICTS: Final = {
    "explained": "a call made it",
    "unexplained": "no call in the lake made it, though that day's logs are there",
    "indirect": "nothing of its own changed, or it is seen for the first time",
    "not_logged": "the lake has no logs of that account and time",
    NO_RECORD: "the call succeeded, and AWS Config recorded no change after it",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that changed a resource, or may have."""

    event_id: str
    event_time: dt.datetime
    event_source: str
    event_name: str
    principal: str | None
    session_name: str | None
    human: str | None
    """Who stands at the head of the chain of credentials; None where logs don't prove it."""
    human_from: str | None
    tool: str
    is_click_ops: bool
    source_ip_address: str | None
    confidence: str | None
    matched_by: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: a change with its calls, or a call without a change."""

    at: dt.datetime
    """When Config saw the change; of a call alone, when it was made."""
    change: str | None
    verdict: str
    call: Call | None
    """The call that most likely made the change."""
    other_calls: tuple[Call, ...] = ()
    differences: tuple[Difference, ...] = ()
    item_id: str | None = None
    previous_item_id: str | None = None

    @property
    def confidence(self) -> str | None:
        """How sure it is that the call made the change: exact, high, medium or low."""
        return self.call.confidence if self.call and self.item_id else None


@dataclass
class _Change:
    row: Mapping[str, Any]
    calls: list[Mapping[str, Any]] = field(default_factory=list)


def entries(
    changed: Iterable[Mapping[str, Any]],
    calls: Iterable[Mapping[str, Any]],
    states: Mapping[str, Mapping[str, Any]],
) -> list[Entry]:
    """Put a resource's changes and calls in one order of time.

    Args:
        changed: rows of `who_changed`.
        calls: rows of `changes/calls`, those of changes among them.
        states: items by id, as `config_items.states` gives them.
    """
    by_item: dict[str, _Change] = {}
    for row in changed:
        change = by_item.setdefault(row["item_id"], _Change(row))
        if row["event_id"] is not None:
            change.calls.append(row)
    used = {row["event_id"] for change in by_item.values() for row in change.calls}
    found = [_entry(change, states) for change in by_item.values()]
    alone: dict[str, Mapping[str, Any]] = {}
    for row in calls:
        if row["event_id"] not in used:
            alone.setdefault(row["event_id"], row)
    found += [Entry(row["event_time"], None, NO_RECORD, _call(row)) for row in alone.values()]
    return sorted(found, key=lambda entry: (entry.at, entry.item_id or "", _id(entry.call)))


def _entry(change: _Change, states: Mapping[str, Mapping[str, Any]]) -> Entry:
    row = change.row
    ordered = sorted(
        change.calls, key=lambda each: (not each["is_main"], each["event_time"], each["event_id"])
    )
    calls = [_call(each) for each in ordered]
    before, after = states.get(row["previous_item_id"]), states.get(row["item_id"])
    # Of what is seen for the first time all would be new, and nothing is known to have changed.
    compared = row["change"] != "first_seen"
    return Entry(
        at=row["capture_time"],
        change=row["change"],
        verdict=row["verdict"],
        call=calls[0] if calls else None,
        other_calls=tuple(calls[1:]),
        differences=tuple(
            differences(before, None if row["change"] == "deleted" else after) if compared else ()
        ),
        item_id=row["item_id"],
        previous_item_id=row["previous_item_id"],
    )


def _call(row: Mapping[str, Any]) -> Call:
    return Call(**{name: row[name] for name in Call.__slots__})


def _id(call: Call | None) -> str:
    return call.event_id if call else ""

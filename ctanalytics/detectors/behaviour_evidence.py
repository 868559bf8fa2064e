"""The events behind a surprising principal-day: a statement that lists them, and what it lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.detectors.behaviour_facts import literal
from ctanalytics.detectors.severity import Impact, error_class, is_sensitive
from ctanalytics.detectors.wording import minutes_text
from ctanalytics.engines.duckdb import Engine

_IDS: Final = 100
_EVENTS: Final = "select *\nfrom events\n"


@dataclass(frozen=True, slots=True)
class Behind:
    """The events of an episode."""

    sql: str
    event_ids: list[str]
    events: int
    first: dt.datetime
    last: dt.datetime
    account_id: str | None
    aws_region: str | None
    impact: Impact


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time (UTC, half-open), and what of it is meant: SQL over events; None: all."""

    start: dt.datetime
    end: dt.datetime
    condition: str | None = None


def events_sql(principal_arn: str | None, principal_key: str, spans: Sequence[Span]) -> str:
    """Return a statement that lists the events of a principal in some spans."""
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    if principal_arn is None:
        principal = (
            "coalesce(principal_arn, '') = ''\n"
            "  and concat_ws(':', coalesce(principal_type, 'unknown'), account_id, "
            f"coalesce(actor, principal_id)) = {literal(principal_key)}"
        )
    else:
        principal = f"principal_arn = {literal(principal_arn)}"
    lines = [
        f"event_date >= date '{start:%Y-%m-%d}'",
        f"event_date <= date '{end - dt.timedelta(microseconds=1):%Y-%m-%d}'",
        _between(start, end),
        "event_time_status = 'ok'",
        "coalesce(invoked_by, 'signin.amazonaws.com') = 'signin.amazonaws.com'",
        principal,
    ]
    if len(spans) == 1 and spans[0].condition:
        lines.append(f"({spans[0].condition})")
    elif len(spans) > 1:
        each = [
            f"({_between(span.start, span.end)}"
            + (f" and ({span.condition})" if span.condition else "")
            + ")"
            for span in spans
        ]
        lines.append(f"({' or '.join(each)})")
    where = "\n  and ".join(lines)
    return f"{_EVENTS}where {where}\norder by event_time, event_id"


def _between(start: dt.datetime, end: dt.datetime) -> str:
    return (
        f"event_time >= timestamptz '{start:%Y-%m-%d %H:%M:%S+00}'"
        f" and event_time < timestamptz '{end:%Y-%m-%d %H:%M:%S+00}'"
    )


def _told(sql: str) -> str:
    """The same statement over what `behaviour_told.gather` has read."""
    return "select *\nfrom told_events\n" + sql.removeprefix(_EVENTS)


def place(engine: Engine, sql: str) -> str:
    """Say in how long and from where the events of a statement of `events_sql` came."""
    found = engine.sql(
        "select min(event_time) as first, max(event_time) as last, count(*) as events, "
        f"count(distinct source_ip_address) as addresses, min(source_ip_address) as address from ({_told(sql)})"
    ).to_pylist()[0]
    text = ""
    if found["events"] > 1:
        minutes = max(round((found["last"] - found["first"]).total_seconds() / 60), 1)
        text += f" in {minutes_text(minutes)}"
    if found["addresses"] == 1:
        text += f" from {untrusted.one_line(found['address'], limit=60)}"
    elif found["addresses"] > 1:
        text += f" from {found['addresses']:,} addresses"
    return text


def read(engine: Engine, sql: str) -> Behind:
    """Read what a statement of `events_sql` lists, which is at least one event."""
    groups = engine.sql(
        "select account_id, aws_region, event_source, event_name, error_code, is_error, "
        "coalesce(not read_only, false) as is_write, count(*) as events, "
        "min(event_time) as first, max(event_time) as last "
        f"from ({_told(sql)}) group by account_id, aws_region, event_source, event_name, error_code, is_error, "
        "coalesce(not read_only, false)"
    ).to_pylist()
    ids = engine.sql(
        f"select event_id from ({_told(sql)}) where event_id is not null "
        f"order by event_time, event_id limit {_IDS}"
    )
    return Behind(
        sql=sql,
        event_ids=ids["event_id"].to_pylist(),
        events=sum(group["events"] for group in groups),
        first=min(group["first"] for group in groups),
        last=max(group["last"] for group in groups),
        account_id=_busiest(groups, "account_id"),
        aws_region=_only(groups, "aws_region"),
        impact=_impact(groups),
    )


def _busiest(groups: Sequence[dict[str, Any]], column: str) -> str | None:
    counts: dict[str, int] = {}
    for group in groups:
        if group[column] is not None:
            counts[group[column]] = counts.get(group[column], 0) + group["events"]
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _only(groups: Sequence[dict[str, Any]], column: str) -> str | None:
    values = {group[column] for group in groups}
    return values.pop() if len(values) == 1 else None


def _impact(groups: Sequence[dict[str, Any]]) -> Impact:
    done = [group for group in groups if not group["is_error"]]
    if any(is_sensitive(group["event_source"], group["event_name"]) for group in done):
        return "sensitive"
    if any(group["is_write"] for group in done):
        return "write"
    if not done and any(error_class(group["error_code"]) == "denied" for group in groups):
        return "denied"
    return "read"

"""Timeline: how a resource changed, who changed it, and what changed it without a call."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from ctanalytics import whole
from ctanalytics.changes import attribution, config_items
from ctanalytics.changes.attribution import Entry
from ctanalytics.changes.config_items import Resource
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, ReportError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.reporting import timeline_page
from ctanalytics.settings import Settings
from ctanalytics.untrusted import one_line, sql_text

_FIRST: Final = dt.datetime(2013, 11, 13, tzinfo=dt.UTC)
_MOST_CALLS: Final = 10_000
_SHOWN: Final = 12
_BEFORE: Final = dt.timedelta(days=2)
"""No call explains a change captured later than this after it."""


@dataclass(frozen=True, slots=True)
class TimelineResult:
    """A resource and what became of it."""

    resource: Resource
    entries: tuple[Entry, ...]
    """Oldest first."""
    notes: tuple[str, ...] = field(default=())
    """What the timeline can't show, and why."""

    def counts(self) -> dict[str, int]:
        """Return how many entries have each verdict."""
        found = dict.fromkeys(attribution.VERDICTS, 0)
        for entry in self.entries:
            found[entry.verdict] += 1
        return found


def timeline(
    resource: str,
    lake: str | Path | Lake,
    *,
    account_id: str | None = None,
    aws_region: str | None = None,
    resource_type: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    settings: Settings | None = None,
) -> TimelineResult:
    """Return the changes of one resource with the calls behind them.

    Args:
        resource: an ARN, an id, a name, or AWS::Service::Type/id.
        account_id, aws_region, resource_type: which one, where a name means several.
        since, until: changes captured, and calls made, from here on and before here.

    Raises:
        UsageError: the text means several resources, which the error lists.
        CtanalyticsError: the lake knows no such resource.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    span = (since, until)
    only = {
        "account_id": account_id,
        "aws_region": aws_region,
        "resource_type": resource_type,
    }
    with here.engine(since=since and since - _BEFORE, until=until) as engine:
        chosen = _chosen(engine, resource, only)
        mentions = _mentions(engine, chosen, span)
        if not chosen.items and not mentions:
            raise _unknown(engine, resource, here.uri)
    filters = {
        "config_items": chosen.condition,
        "resource_events": _among(mentions, chosen.related_events),
        "call_origins": "false",  # chains take as long as all else: followed below, where needed
    }
    with here.engine(since=since and since - _BEFORE, until=until, filters=filters) as engine:
        found = _joined(engine, chosen)
    found = _with_origins(here, found)
    entries = [
        entry
        for entry in attribution.entries(found.changed, found.calls, found.states)
        if (since is None or entry.at >= since) and (until is None or entry.at < until)
    ]
    return TimelineResult(chosen, tuple(entries), tuple(_notes(chosen, mentions, entries)))


def data(found: TimelineResult) -> dict[str, Any]:
    """Return a timeline as plain values, with what its verdicts mean."""
    entries = [
        asdict(entry) | {"confidence": entry.confidence, "at": entry.at} for entry in found.entries
    ]
    return {
        "resource": asdict(found.resource),
        "entries": entries,
        "counts": found.counts(),
        "verdicts": attribution.VERDICTS,
        "notes": list(found.notes),
    }


def page(found: TimelineResult, now: dt.datetime) -> str:
    """Render a timeline as one page of HTML that loads nothing."""
    return timeline_page.html(data(found), generated_at=now)


def write_page(page: str, path: Path) -> None:
    """Write a page that only its owner may read.

    Raises:
        ReportError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole.replacing(path) as file:
            file.write(page.encode())
    except OSError as error:
        raise ReportError(
            f"the page can't be written: {error.strerror}",
            where=str(path),
            mend="name a file in a folder that can be written to",
        ) from error


def _chosen(engine: Engine, text: str, only: dict[str, str | None]) -> Resource:
    found = config_items.named(engine, text, **only)
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} resources are called {one_line(text)}",
            where="RESOURCE",
            mend="name one by its ARN, or narrow with --account, --in-region, --type:\n"
            + _listed(found),
        )
    if found:
        return found[0]
    # Without an item of Config it may still be known by the calls that name it.
    return Resource(only["account_id"], only["aws_region"], only["resource_type"], text)


def _listed(found: Sequence[Resource]) -> str:
    lines = [
        one_line(
            f"  {one.resource_type}/{one.resource_id}  account {one.account_id}  "
            f"region {one.aws_region}  {one.arn or one.resource_name or ''}"
        )
        for one in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more")
    return "\n".join(lines)


def _mentions(
    engine: Engine, chosen: Resource, span: tuple[dt.datetime | None, dt.datetime | None]
) -> list[dict[str, Any]]:
    names = list(chosen.aliases)
    if not names:
        return []
    since, until = span
    found: list[dict[str, Any]] = engine.run(
        "changes/mentions",
        names=names,
        quoted=[f'"{name}"' for name in names],
        account_id=chosen.account_id,
        since=since - _BEFORE if since else _FIRST,
        until=until or dt.datetime.now(dt.UTC) + dt.timedelta(days=2),
        most=_MOST_CALLS,
    ).to_pylist()
    return found


def _among(mentions: Sequence[dict[str, Any]], named: Sequence[str]) -> str:
    """SQL that holds for those calls, and for those that Config names."""
    more = f"event_id in ({', '.join(map(_text, named))})" if named else "false"
    if not mentions:
        return more
    ids = ", ".join(sorted({_text(row["event_id"]) for row in mentions if row["event_id"]}))
    dates = ", ".join(sorted({f"date '{row['event_date']}'" for row in mentions}))
    return f"(event_id in ({ids or 'null'}) and event_date in ({dates})) or {more}"


def _text(event_id: str) -> str:
    """An id as a text of SQL; a NUL, which no quoted text can hold, is joined in."""
    return "(" + " || chr(0) || ".join(map(sql_text, event_id.split("\x00"))) + ")"


@dataclass(frozen=True, slots=True)
class _Found:
    changed: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    states: dict[str, Mapping[str, Any]]


def _joined(engine: Engine, chosen: Resource) -> _Found:
    changed = engine.sql("select * from who_changed").to_pylist() if chosen.items else []
    calls = engine.run(
        "changes/calls", names=list(chosen.aliases), resource_type=chosen.resource_type
    ).to_pylist()
    ids = {row[name] for row in changed for name in ("item_id", "previous_item_id") if row[name]}
    return _Found(changed, calls, config_items.states(engine, sorted(ids)) if ids else {})


def _with_origins(lake: Lake, found: _Found) -> _Found:
    """Say who stands behind the calls, by the logs of their own days."""
    rows = [row for row in (*found.changed, *found.calls) if row["event_id"]]
    if not rows:
        return found
    moments = [row["event_time"] for row in rows]
    span = (min(moments), max(moments) + dt.timedelta(microseconds=1))
    with lake.engine(since=span[0], until=span[1]) as engine:
        ids = sorted({row["event_id"] for row in rows})
        origins = {
            row["event_id"]: row
            for row in engine.run(
                "changes/origins", event_ids=ids, since=span[0], until=span[1]
            ).to_pylist()
        }
    for row in rows:
        origin = origins.get(row["event_id"], {})
        row["human"], row["human_from"] = origin.get("human"), origin.get("human_from")
    return found


def _notes(
    chosen: Resource, mentions: Sequence[dict[str, Any]], found: Sequence[Entry]
) -> list[str]:
    notes = []
    if not chosen.items:
        notes.append(
            "AWS Config has no item of it in this lake: only calls are shown. `ctanalytics ingest` "
            "takes Config's files from folders, and from S3 with --config-items"
        )
    if len(mentions) == _MOST_CALLS:
        notes.append(
            f"only the newest {_MOST_CALLS:,} calls that name it are looked at: cut --since"
        )
    if not found:
        notes.append("nothing changed in the chosen span")
    return notes


def _unknown(engine: Engine, text: str, where: str) -> CtanalyticsError:
    known = engine.run("changes/names", text=text, most=2_000)["name"].to_pylist()
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.75)
    hint = f"; near to it are {', '.join(map(one_line, near))}" if near else ""
    return CtanalyticsError(
        f"no item of AWS Config and no call that writes names {one_line(text)}",
        where=where,
        mend="give an ARN, an id, a name or AWS::Service::Type/id as AWS writes it, and a span in "
        f"which it changed{hint}",
    )

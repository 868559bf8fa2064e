"""The report as a mail: what a person needs to know before coffee, on a phone, in plain ASCII.

What the lake holds is written by whoever makes calls: nothing in it can begin a line, hide a
character or be more than its place.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.engines.duckdb import Engine
from ctanalytics.findings import SEVERITIES, severity_rank

WIDTH: Final = 64
"""Characters of a line; a phone held upright breaks longer ones where they hurt."""

MAX_BYTES: Final = 12_000
"""Of the whole. A message of SNS may have 262,144, but nobody reads that far in a mail."""

_TOLD: Final = 5  # incidents with their story
_LISTED: Final = 15  # more of them, a line each
_LABELS: Final = ("Who: ", "Where: ", "When: ", "How unusual: ")
_SENTENCE: Final = 400
_STEPS: Final = 2

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest is told from."""

    since: dt.datetime
    until: dt.datetime
    totals: Row
    sign_ins: Row
    incidents: Sequence[Row]
    """Those that touch the span, the gravest first."""
    newest_event: dt.datetime | None
    now: dt.datetime
    night: Sequence[Row] = ()
    """Steps of the newest night that did not go well: step, state, error."""
    link: str = ""
    """Where the whole report lies."""


def read(
    engine: Engine,
    *,
    since: dt.datetime,
    until: dt.datetime,
    now: dt.datetime,
    newest_event: dt.datetime | None,
    link: str,
) -> Digest:
    """Read what a digest of a span tells from the lake."""
    incidents = engine.run("incidents/listed", since=since, until=until).to_pylist()
    incidents.sort(key=_order)
    soon = now + dt.timedelta(minutes=1)  # of the night that is at work now, too
    night = engine.run("reporting/night", since=since, until=soon).to_pylist()
    return Digest(
        since=since,
        until=until,
        totals=engine.run("reporting/digest", since=since, until=until).to_pylist()[0],
        sign_ins=engine.run("reporting/login_totals", since=since, until=until).to_pylist()[0],
        incidents=incidents,
        newest_event=newest_event,
        now=now,
        night=night,
        link=link,
    )


def _order(row: Row) -> tuple[Any, ...]:
    return (-severity_rank(row["severity"]), -row["score"], row["started_at"], row["incident_id"])


def text(found: Digest) -> str:
    """Return the mail: ASCII, at most MAX_BYTES, lines of at most WIDTH but for longer words."""
    for stories in range(_TOLD, -1, -1):
        shown = "\n".join(_wrapped(_lines(found, stories))) + "\n"
        if len(shown) <= MAX_BYTES:
            break
    return shown[:MAX_BYTES]


def _lines(found: Digest, stories: int) -> Iterator[str]:
    yield f"CloudTrail, {_span(found)}"
    yield _headline(found.incidents)
    if found.link:
        yield f"All of it: {_plain(found.link, 300)}"
    loud = [row for row in found.incidents if severity_rank(row["severity"]) >= 2]
    for number, row in enumerate(loud[:stories], start=1):
        yield ""
        yield from _incident(number, row)
    rest = loud[stories:]
    if rest:
        yield ""
        yield f"{len(rest)} more:"
        for row in rest[:_LISTED]:
            yield f"- {row['severity']}: {_plain(row['title'], 160)} ({row['incident_id'][:12]})"
        if len(rest) > _LISTED:
            yield f"- and {len(rest) - _LISTED} that only the report lists"
    yield ""
    yield from _activity(found)
    yield from _health(found)


def _headline(incidents: Sequence[Row]) -> str:
    counts = [
        f"{sum(row['severity'] == name for row in incidents)} {name}"
        for name in reversed(SEVERITIES)
        if any(row["severity"] == name for row in incidents)
    ]
    if not counts:
        return "No incident touches this span."
    going_on = sum(row["ended_at"] is None for row in incidents)
    more = f" {going_on} still going on." if going_on else ""
    plural = "s" if len(incidents) != 1 else ""
    return f"{len(incidents):,} incident{plural}: {', '.join(counts)}.{more}"


def _incident(number: int, row: Row) -> Iterator[str]:
    state = "" if row["state"] == "open" else f", {row['state']}"
    yield f"{number}. {row['severity'].upper()}{state}: {_plain(row['title'], 200)}"
    # The first sentences tell the most; the others are in the report.
    first, *others = row["story"].split("\n")
    for line in (first, *(line for line in others if line.startswith(_LABELS))):
        yield f"   {_plain(line, _SENTENCE)}"
    if row["tactics"]:
        yield f"   ATT&CK: {', '.join(_plain(one, 40) for one in row['tactics'])}"
    for step in (row["next_steps"] or ())[:_STEPS]:
        yield f"   > {_plain(step, 200)}"
    yield f"   ctanalytics incidents show {row['incident_id'][:12]}"


def _activity(found: Digest) -> Iterator[str]:
    totals, sign_ins = found.totals, found.sign_ins
    yield (
        f"Activity: {totals['events']:,} calls by {totals['principals']:,} principals in "
        f"{totals['accounts']:,} accounts; {totals['writes']:,} writes, {totals['errors']:,} errors, "
        f"{totals['denied_calls']:,} refused."
    )
    line = f"Sign-ins: {sign_ins['successes']:,}, {sign_ins['failures']:,} failed"
    if sign_ins["without_mfa"]:
        line += f", {sign_ins['without_mfa']:,} without MFA"
    if sign_ins["root"]:
        line += f", {sign_ins['root']:,} by root"
    yield line + "."


def _health(found: Digest) -> Iterator[str]:
    if found.newest_event is None:
        yield "Logs: the lake has no events of late."
    else:
        hours = max((found.now - found.newest_event).total_seconds(), 0) / 3600
        ago = f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
        yield f"Logs: up to {found.newest_event:%Y-%m-%d %H:%M} UTC, {ago} ago."
    for row in found.night:
        error = f": {_plain(str(row['error']).splitlines()[0], 200)}" if row["error"] else ""
        yield f"Run: {row['step']} {row['state']}{error}"


def _span(found: Digest) -> str:
    if found.until - found.since == dt.timedelta(days=1) and found.since.time() == dt.time(0):
        return f"{found.since:%A %Y-%m-%d} UTC"
    return f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"


def _plain(value: object, limit: int) -> str:
    """Printable ASCII on one line; what is cut off ends in three dots."""
    shown = untrusted.one_line(value, limit=10 * limit)
    shown = shown.encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip(" ")))
        # What goes on is indented, so that no log content begins a line of its own.
        deeper = indent + "  "
        yield from textwrap.wrap(
            line,
            WIDTH,
            subsequent_indent=deeper,
            break_on_hyphens=False,
            break_long_words=False,  # an ARN, a command or a link is copied whole
        ) or [""]

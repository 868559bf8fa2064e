"""The report as a mail: what a person needs to know before coffee, on a phone, as plain text.

In English it is ASCII; in other languages only their own letters are beside it. What the lake holds
is written by whoever makes calls: nothing in it can begin a line, hide a character or be more than
its place.
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
from ctanalytics.records.runs import WENT_BADLY
from ctanalytics.reporting import anomalies, posture, wrapping
from ctanalytics.reporting.incidents import ranked
from ctanalytics.reporting.story import labels, story
from ctanalytics.reporting.voice import ENGLISH, Voice

WIDTH: Final = 64
"""Characters of a line; a phone held upright breaks longer ones where they hurt."""

MAX_BYTES: Final = 12_000
"""Of the whole. A message of SNS may have 262,144, but nobody reads that far in a mail."""

_TOLD: Final = 5  # incidents with their story
_LISTED: Final = 15  # more of them, a line each
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
    """Those that touch the span, the gravest first; title, story and next_steps as they are told."""
    newest_event: dt.datetime | None
    now: dt.datetime
    night: Sequence[Row] = ()
    """Steps of the newest night that did not go well: step, state, error."""
    link: str = ""
    """Where the whole report lies."""
    lead: str = ""
    """What is told before all else."""
    voice: Voice = ENGLISH


def read(
    engine: Engine,
    *,
    since: dt.datetime,
    until: dt.datetime,
    now: dt.datetime,
    newest_event: dt.datetime | None,
    link: str,
    voice: Voice = ENGLISH,
) -> Digest:
    """Read what a digest of a span tells from the lake."""
    soon = now + dt.timedelta(minutes=1)  # of the night that is at work now, too
    night = [
        step
        for step in engine.run("reporting/run_steps", since=since, until=soon).to_pylist()
        if step["state"] in WENT_BADLY
    ]
    lead, _ = posture.sections(engine, since=since, until=until, top=1, voice=voice)
    return Digest(
        since=since,
        until=until,
        totals=engine.run("reporting/digest", since=since, until=until).to_pylist()[0],
        sign_ins=engine.run("reporting/login_totals", since=since, until=until).to_pylist()[0],
        incidents=_incidents(engine, voice, since=since, until=until),
        newest_event=newest_event,
        now=now,
        night=night,
        link=link,
        lead=lead,
        voice=voice,
    )


def _incidents(
    engine: Engine, voice: Voice, *, since: dt.datetime, until: dt.datetime
) -> Sequence[Row]:
    rows = ranked(engine, since=since, until=until)
    if voice.is_english or not rows:
        return [row | {"story": row["story"].split("\n")} for row in rows]
    texts = anomalies.retold(anomalies.ranked(engine, since=since, until=until), voice)
    found = []
    for row in rows:
        title, lines, _ = story(voice, row, texts)
        steps = [voice.word(step) for step in row["next_steps"] or ()]
        found.append(row | {"title": title, "story": lines, "next_steps": steps})
    return found


def text(found: Digest) -> str:
    """Return the mail: at most MAX_BYTES, lines of at most WIDTH but for longer words."""
    wrap = _wrapped if found.voice.is_english else wrapping.wide
    for stories in range(_TOLD, -1, -1):
        shown = "\n".join(wrap(_lines(found, stories), WIDTH)) + "\n"
        if len(shown.encode()) <= MAX_BYTES:
            break
    return shown.encode()[:MAX_BYTES].decode(errors="ignore")


def _lines(found: Digest, stories: int) -> Iterator[str]:
    say = found.voice.say
    yield say("digest.title", span=_span(found))
    if found.lead:
        yield _plain(found, found.lead, _SENTENCE)
    yield _headline(found)
    if found.link:
        yield say("digest.all", link=_plain(found, found.link, 300))
    loud = [row for row in found.incidents if severity_rank(row["severity"]) >= 2]
    for number, row in enumerate(loud[:stories], start=1):
        yield ""
        yield from _incident(found, number, row)
    rest = loud[stories:]
    if rest:
        yield ""
        yield say("digest.more", n=len(rest))
        for row in rest[:_LISTED]:
            yield say(
                "digest.listed",
                severity=found.voice.word(row["severity"]),
                title=_plain(found, row["title"], 160),
                id=row["incident_id"][:12],
            )
        if len(rest) > _LISTED:
            yield say("digest.unlisted", n=len(rest) - _LISTED)
    yield ""
    yield from _activity(found)
    yield from _health(found)


def _headline(found: Digest) -> str:
    voice, incidents = found.voice, found.incidents
    counts = {
        name: sum(row["severity"] == name for row in incidents) for name in reversed(SEVERITIES)
    }
    kinds = [
        voice.say("digest.kind", n=count, severity=voice.word(name))
        for name, count in counts.items()
        if count
    ]
    if not kinds:
        return voice.say("digest.no_incident")
    going_on = sum(row["ended_at"] is None for row in incidents)
    return voice.say(
        "digest.incidents",
        incidents=voice.count("incident", len(incidents)),
        kinds=voice.messages["list.comma"].join(kinds),
        going_on=voice.say("digest.going_on", n=going_on) if going_on else "",
    )


def _incident(found: Digest, number: int, row: Row) -> Iterator[str]:
    voice = found.voice
    severity = voice.word(row["severity"])
    yield voice.say(
        "digest.incident",
        number=number,
        severity=severity.upper(),
        state=""
        if row["state"] == "open"
        else voice.say("digest.state", state=voice.word(row["state"])),
        title=_plain(found, row["title"], 200),
    )
    # The first sentences tell the most; the others are in the report.
    first, *others = row["story"]
    for line in (first, *(line for line in others if line.startswith(labels(voice)))):
        yield f"   {_plain(found, line, _SENTENCE)}"
    if row["tactics"]:
        tactics = [_plain(found, voice.word(one), 40) for one in row["tactics"]]
        yield "   " + voice.say("digest.attack", tactics=voice.messages["list.comma"].join(tactics))
    for step in (row["next_steps"] or ())[:_STEPS]:
        yield f"   > {_plain(found, step, 200)}"
    yield f"   ctanalytics incidents show {row['incident_id'][:12]}"


def _activity(found: Digest) -> Iterator[str]:
    say, totals, sign_ins = found.voice.say, found.totals, found.sign_ins
    yield say(
        "digest.activity",
        events=totals["events"],
        principals=totals["principals"],
        accounts=totals["accounts"],
        writes=totals["writes"],
        errors=totals["errors"],
        denied=totals["denied_calls"],
    )
    more = [
        say(f"digest.{name}", n=sign_ins[name])
        for name in ("without_mfa", "root")
        if sign_ins[name]
    ]
    yield say(
        "digest.sign_ins",
        successes=sign_ins["successes"],
        failures=sign_ins["failures"],
        more="".join(more),
    )


def _health(found: Digest) -> Iterator[str]:
    voice = found.voice
    if found.newest_event is None:
        yield voice.say("digest.no_logs")
    else:
        hours = max((found.now - found.newest_event).total_seconds(), 0) / 3600
        is_long = hours >= 48
        yield voice.say(
            "digest.logs",
            time=voice.minute(found.newest_event),
            zone=voice.zone_name(found.newest_event),
            ago=voice.say("digest.days_ago", n=hours / 24)
            if is_long
            else voice.say("digest.hours_ago", n=hours),
        )
    for row in found.night:
        error = _plain(found, str(row["error"]).splitlines()[0], 200) if row["error"] else ""
        yield voice.say(
            "digest.run",
            step=voice.word(row["step"]),
            state=voice.word(row["state"]),
            error=voice.say("digest.error", error=error) if error else "",
        )


def _span(found: Digest) -> str:
    voice = found.voice
    start, end = voice.here(found.since), voice.here(found.until)
    zone = voice.zone_name(found.since)
    if (
        end.date() - start.date() == dt.timedelta(days=1)
        and start.time() == end.time() == dt.time()
    ):
        weekday = voice.messages["digest.weekdays"].split()[start.weekday()]
        return voice.say("digest.day", weekday=weekday, date=f"{start:%Y-%m-%d}", zone=zone)
    times = (voice.minute(found.since), voice.minute(found.until))
    return voice.say("digest.span", start=times[0], end=times[1], zone=zone)


def _plain(found: Digest, value: object, limit: int) -> str:
    """One line without control characters, of ASCII in English; what is cut off ends in three dots."""
    shown = untrusted.one_line(value, limit=10 * limit)
    if found.voice.is_english:
        shown = shown.encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _wrapped(lines: Iterable[str], width: int) -> Iterator[str]:
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip(" ")))
        # What goes on is indented, so that no log content begins a line of its own.
        deeper = indent + "  "
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent=deeper,
            break_on_hyphens=False,
            break_long_words=False,  # an ARN, a command or a link is copied whole
        ) or [""]

"""What a report says: reads the lake's views for a span, and builds plain data from them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ctanalytics import findings
from ctanalytics._version import __version__
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import (
    alerts,
    anomalies,
    first_seen,
    health,
    incidents,
    judgement,
    posture,
    tables,
    trust,
)
from ctanalytics.reporting.document import (
    Document,
    Entry,
    Fact,
    Figure,
    Incident,
    LakeFacts,
    Section,
    Table,
)
from ctanalytics.reporting.series import DAY, Point, daily, described, hourly, number
from ctanalytics.reporting.tables import fact
from ctanalytics.reporting.voice import ENGLISH, Voice

HOURLY_DAYS = 14  # a longer span shows days, not hours
HEAT_DAYS = 62


def newest_event(engine: Engine) -> dt.datetime | None:
    """Return when the newest event of the lake happened; none in an empty lake."""
    last = engine.run("reporting/lake_span").to_pylist()[0]["last_date"]
    if last is None:
        return None
    day = dt.datetime.combine(last, dt.time(), dt.UTC)
    row = engine.run("reporting/newest_event", since=day, until=day + DAY).to_pylist()[0]
    found: dt.datetime | None = row["newest_event"]
    return found


def document(
    engine: Engine,
    *,
    since: dt.datetime,
    until: dt.datetime,
    now: dt.datetime,
    top: int,
    lake: LakeFacts,
    voice: Voice = ENGLISH,
) -> Document:
    """Build the report of a span from the lake's views and tables.

    Args:
        since, until: UTC, half-open; every figure is of this span unless it says otherwise.
        now: when the report is made; only its head and the lag depend on it.
        top: rows of each table.
        voice: the language and the time zone that it is told in.
    """
    tables.cut(engine, since=since, until=until)
    summary = engine.run("reporting/summary").to_pylist()[0]
    span = engine.run("reporting/lake_span").to_pylist()[0]
    newest = newest_event(engine)
    rows = anomalies.ranked(engine, since=since, until=until)
    live = [row for row in rows if row["state"] != "withdrawn"]
    severities = {
        severity: sum(row["severity"] == severity for row in live)
        for severity in reversed(findings.SEVERITIES)
    }
    texts = anomalies.retold(live, voice)
    entries = anomalies.entries(engine, live, texts, voice, covered=_covered(span, newest))
    found = incidents.ranked(engine, since=since, until=until)
    told = incidents.incidents(engine, found, entries, texts, voice)
    days: dict[str, Any] = {"since": since, "until": until, "top": top}
    lead, trails = posture.sections(engine, voice=voice, **days)
    sections = (
        *trails,
        _activity(engine, voice, summary, **days),
        first_seen.section(engine, span, voice, **days),
        _errors(engine, voice, summary, **days),
        _sign_ins(engine, voice, **days),
        _insights(engine, voice, **days),
        *trust.sections(engine, entries, voice, **days),
        *judgement.sections(engine, voice, **days),
        *alerts.sections(engine, voice, since=since, top=top),
        health.set_aside(engine, voice, top=top),
        health.health(engine, voice, span, since=since, newest=newest, now=now, lake=lake),
    )
    head = _headline(voice, summary["events"], severities, len(found), told)
    return Document(
        voice=voice,
        since=since,
        until=until,
        generated_at=now,
        version=__version__,
        events=summary["events"],
        headline=voice.messages["list.stop"].join(filter(None, (lead, head))),
        facts=_facts(voice, summary),
        severities=severities,
        incidents=told,
        further_incidents=max(len(found) - incidents.MAX_INCIDENTS, 0),
        entries=entries,
        further=anomalies.further(live, texts, voice),
        withdrawn=len(rows) - len(live),
        sections=sections,
        notes=_notes(engine, voice, entries, charts=anomalies.MAX_CHARTS),
    )


def _covered(
    span: dict[str, Any], newest: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime] | None:
    if newest is None:
        return None
    return dt.datetime.combine(span["first_date"], dt.time(), dt.UTC), newest + dt.timedelta(
        seconds=1
    )


def _headline(
    voice: Voice,
    events: int,
    severities: dict[str, int],
    found: int,
    told: tuple[Incident, ...],
) -> str:
    if told:
        return voice.say(
            "headline.incidents",
            incidents=voice.count("incident", found),
            severity=voice.word(told[0].severity),
            title=told[0].title,
        )
    count = sum(severities.values())
    if not count:
        key = "headline.none" if events else "headline.empty"
        return voice.say(key, events=voice.count("event", events))
    kinds = [
        voice.say("headline.kind", n=many, severity=voice.word(severity))
        for severity, many in severities.items()
        if many
    ]
    anomalies = voice.count("anomaly", count)
    return voice.say("headline.anomalies", anomalies=anomalies, kinds=voice.listed(kinds))


def _facts(voice: Voice, summary: dict[str, Any]) -> tuple[Fact, ...]:
    events = summary["events"]
    notes = {
        "events": voice.say("facts.writes_among", writes=voice.count("write", summary["writes"])),
        "accounts": voice.count("region", summary["regions"]),
        "errors": _share(voice, summary["errors"], events),
        "denied_calls": _share(voice, summary["denied_calls"], events),
    }
    names = ("events", "accounts", "principals", "apis", "errors", "denied_calls")
    return tuple(fact(voice, name, summary[name], "count", notes.get(name, "")) for name in names)


def _activity(
    engine: Engine,
    voice: Voice,
    summary: dict[str, Any],
    *,
    since: dt.datetime,
    until: dt.datetime,
    top: int,
) -> Section:
    title = voice.say("titles.activity")
    if not summary["events"]:
        return Section("activity", title, (voice.say("activity.empty"),))
    points = hourly(
        engine.run("reporting/hours", since=since, until=until).to_pylist(), since, until
    )
    small = tables.trends(engine, since=since, until=until, top=top)
    sentence = voice.say(
        "activity.sentence",
        events=voice.count("event", summary["events"]),
        first=voice.clock(summary["first_event"]),
        last=voice.clock(summary["last_event"]),
        zone=voice.zone_name(summary["last_event"]),
        principals=voice.count("principal", summary["principals"]),
        accounts=voice.count("account", summary["accounts"]),
        regions=voice.count("region", summary["regions"]),
    )
    return Section(
        "activity",
        title,
        (sentence,),
        figures=(_over_time(voice, points), *_heat(voice, points)),
        tables=tuple(
            tables.table(engine, layout, small, voice=voice, since=since, until=until, top=top)
            for layout in (tables.USERS, tables.APIS, tables.REGIONS, tables.ACCOUNTS)
        ),
    )


def _over_time(voice: Voice, points: tuple[Point, ...]) -> Figure:
    long = len(points) > HOURLY_DAYS * 24
    shown = daily(points, voice) if long else points
    unit = voice.say("units.per_day" if long else "units.per_hour")
    return Figure(
        name="activity_over_time",
        kind="activity",
        title=voice.say("activity.over_time", unit=unit),
        description=described(shown, unit, second=voice.say("units.failed"), voice=voice),
        unit=unit,
        step_seconds=86_400 if long else 3_600,
        points=shown,
    )


def _heat(voice: Voice, points: tuple[Point, ...]) -> tuple[Figure, ...]:
    if len(points) <= 24:
        return ()
    last = points[-HEAT_DAYS * 24 :]
    hours = [0.0] * 24
    for start, calls, _ in last:
        hours[voice.here(start).hour] += calls
    busiest, quietest = hours.index(max(hours)), hours.index(min(hours))
    days = len({voice.here(start).date() for start, _, _ in last})
    zone = voice.zone_name(last[-1][0])
    return (
        Figure(
            name="hours",
            kind="heat",
            title=voice.say("activity.hours", zone=zone),
            description=voice.say(
                "activity.heat",
                days=voice.count("day", days),
                busiest=busiest,
                zone=zone,
                most=number(hours[busiest]),
                quietest=quietest,
                least=number(hours[quietest]),
            ),
            unit=voice.say("units.per_hour"),
            step_seconds=3_600,
            points=tuple((start, calls, None) for start, calls, _ in last),
        ),
    )


def _errors(
    engine: Engine,
    voice: Voice,
    summary: dict[str, Any],
    *,
    since: dt.datetime,
    until: dt.datetime,
    top: int,
) -> Section:
    title = voice.say("titles.errors")
    if not summary["errors"]:
        return Section("errors", title, (voice.say("errors.none"),))
    found = [
        tables.table(engine, layout, voice=voice, since=since, until=until, top=top)
        for layout in (tables.ERRORS, tables.DENIED)
    ]
    sentence = voice.say(
        "errors.sentence",
        calls=voice.count("call", summary["errors"]),
        share=_share(voice, summary["errors"], summary["events"]),
        denied=voice.count("call", summary["denied_calls"]),
    )
    return Section("errors", title, (sentence,), tables=tuple(_filled(found)))


def _sign_ins(
    engine: Engine, voice: Voice, *, since: dt.datetime, until: dt.datetime, top: int
) -> Section:
    title = voice.say("titles.sign_ins")
    totals = engine.run("reporting/login_totals", since=since, until=until).to_pylist()[0]
    if not totals["sign_ins"]:
        return Section("sign_ins", title, (voice.say("sign_ins.none"),))
    said = {
        "sentence": voice.count("sign_in", totals["sign_ins"]),
        "without_mfa": voice.count("sign_in", totals["without_mfa"]),
        "root": voice.count("time", totals["root"]),
        "hidden": voice.count("failure", totals["hidden_names"]),
    }
    sentences = [
        voice.say(
            "sign_ins.sentence",
            sign_ins=said["sentence"],
            successes=totals["successes"],
            failures=totals["failures"],
        )
    ]
    if totals["without_mfa"]:
        sentences.append(voice.say("sign_ins.without_mfa", sign_ins=said["without_mfa"]))
    if totals["root"]:
        sentences.append(voice.say("sign_ins.root", times=said["root"]))
    if totals["hidden_names"]:
        sentences.append(voice.say("sign_ins.hidden", failures=said["hidden"]))
    found = tables.table(engine, tables.LOGINS, voice=voice, since=since, until=until, top=top)
    return Section("sign_ins", title, tuple(sentences), tables=(found,))


def _insights(
    engine: Engine, voice: Voice, *, since: dt.datetime, until: dt.datetime, top: int
) -> Section:
    title = voice.say("titles.insights")
    found = tables.table(engine, tables.INSIGHTS, voice=voice, since=since, until=until, top=top)
    if not found.found:
        return Section("insights", title, (voice.say("insights.none"),))
    sentence = voice.say("insights.sentence", insights=voice.count("insight", found.found))
    return Section("insights", title, (sentence,), tables=(found,))


def _notes(
    engine: Engine, voice: Voice, entries: tuple[Entry, ...], *, charts: int
) -> tuple[str, ...]:
    notes = []
    if not _any(engine, "lake.anomalies"):
        notes.append(voice.say("notes.no_anomalies"))
    elif not _any(engine, "lake.outbox"):
        notes.append(voice.say("notes.no_alerts"))
    if len(entries) > charts:
        notes.append(voice.say("notes.charts", n=charts))
    return tuple(notes)


def _any(engine: Engine, name: str) -> bool:
    return bool(engine.sql(f"select 1 from {name} limit 1").num_rows)


def _filled(found: list[Table]) -> list[Table]:
    return [table for table in found if table.rows]


def _share(voice: Voice, part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else voice.say("facts.no_share")

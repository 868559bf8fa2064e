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
    LakeFacts,
    Section,
    Table,
)
from ctanalytics.reporting.series import DAY, Point, clock, daily, described, hourly, number

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
) -> Document:
    """Build the report of a span from the lake's views and tables.

    Args:
        since, until: UTC, half-open; every figure is of this span unless it says otherwise.
        now: when the report is made; only its head and the lag depend on it.
        top: rows of each table.
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
    entries = anomalies.entries(engine, live, covered=_covered(span, newest))
    found = incidents.ranked(engine, since=since, until=until)
    lead, trails = posture.sections(engine, since=since, until=until, top=top)
    sections = (
        *trails,
        _activity(engine, summary, since=since, until=until, top=top),
        first_seen.section(engine, span, since=since, until=until, top=top),
        _errors(engine, summary, since=since, until=until, top=top),
        _sign_ins(engine, since=since, until=until, top=top),
        _insights(engine, since=since, until=until, top=top),
        *trust.sections(engine, entries, since=since, until=until, top=top),
        *judgement.sections(engine, since=since, until=until, top=top),
        *alerts.sections(engine, since=since, top=top),
        _set_aside(engine, top=top),
        _health(engine, span, newest=newest, now=now, lake=lake),
    )
    return Document(
        since=since,
        until=until,
        generated_at=now,
        version=__version__,
        events=summary["events"],
        headline=" ".join(filter(None, (lead, _headline(summary["events"], severities, found)))),
        facts=_facts(summary),
        severities=severities,
        incidents=incidents.incidents(engine, found, entries),
        further_incidents=max(len(found) - incidents.MAX_INCIDENTS, 0),
        entries=entries,
        further=anomalies.further(live),
        withdrawn=len(rows) - len(live),
        sections=sections,
        notes=_notes(engine, entries, charts=anomalies.MAX_CHARTS),
    )


def _covered(
    span: dict[str, Any], newest: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime] | None:
    if newest is None:
        return None
    return dt.datetime.combine(span["first_date"], dt.time(), dt.UTC), newest + dt.timedelta(
        seconds=1
    )


def _headline(events: int, severities: dict[str, int], found: list[dict[str, Any]]) -> str:
    if found:
        many, gravest = _many(len(found), "incident"), found[0]
        return f"{many}, the gravest {gravest['severity']}: {gravest['title']}."
    count = sum(severities.values())
    if not count:
        return (
            f"No anomaly is on record among {_many(events, 'event')}."
            if events
            else "The lake has no events of this span."
        )
    kinds = [f"{many} {severity}" for severity, many in severities.items() if many]
    return f"{_many(count, 'anomaly')}: {_listed(kinds)}."


def _facts(summary: dict[str, Any]) -> tuple[Fact, ...]:
    events = summary["events"]
    return (
        Fact(
            "events", "Events", events, "count", f"{_many(summary['writes'], 'write')} among them"
        ),
        Fact(
            "accounts",
            "Accounts",
            summary["accounts"],
            "count",
            _many(summary["regions"], "region"),
        ),
        Fact("principals", "Principals", summary["principals"], "count"),
        Fact("apis", "APIs", summary["apis"], "count"),
        Fact("errors", "Errors", summary["errors"], "count", _share(summary["errors"], events)),
        Fact(
            "denied_calls",
            "Denied calls",
            summary["denied_calls"],
            "count",
            _share(summary["denied_calls"], events),
        ),
    )


def _activity(
    engine: Engine, summary: dict[str, Any], *, since: dt.datetime, until: dt.datetime, top: int
) -> Section:
    if not summary["events"]:
        return Section("activity", "Activity", ("The lake has no events of this span.",))
    points = hourly(
        engine.run("reporting/hours", since=since, until=until).to_pylist(), since, until
    )
    small = tables.trends(engine, since=since, until=until, top=top)
    sentence = (
        f"{_many(summary['events'], 'event')} between {clock(summary['first_event'])} and "
        f"{clock(summary['last_event'])} UTC, by {_many(summary['principals'], 'principal')} in "
        f"{_many(summary['accounts'], 'account')} and {_many(summary['regions'], 'region')}."
    )
    return Section(
        "activity",
        "Activity",
        (sentence,),
        figures=(_over_time(points), *_heat(points)),
        tables=tuple(
            tables.table(engine, layout, small, since=since, until=until, top=top)
            for layout in (tables.USERS, tables.APIS, tables.REGIONS, tables.ACCOUNTS)
        ),
    )


def _over_time(points: tuple[Point, ...]) -> Figure:
    long = len(points) > HOURLY_DAYS * 24
    shown = daily(points) if long else points
    unit = "calls per day" if long else "calls per hour"
    return Figure(
        name="activity_over_time",
        kind="activity",
        title=f"All {unit}",
        description=described(shown, unit, second="failed"),
        unit=unit,
        step_seconds=86_400 if long else 3_600,
        points=shown,
    )


def _heat(points: tuple[Point, ...]) -> tuple[Figure, ...]:
    if len(points) <= 24:
        return ()
    last = points[-HEAT_DAYS * 24 :]
    hours = [0.0] * 24
    for start, calls, _ in last:
        hours[start.hour] += calls
    busiest, quietest = hours.index(max(hours)), hours.index(min(hours))
    return (
        Figure(
            name="hours",
            kind="heat",
            title="Calls by day and hour of day, UTC",
            description=(
                f"Over {_many(len({start.date() for start, _, _ in last}), 'day')}, the busiest "
                f"hour of day starts at {busiest:02d}:00 UTC with {number(hours[busiest])} calls, "
                f"the quietest at {quietest:02d}:00 with {number(hours[quietest])}."
            ),
            unit="calls per hour",
            step_seconds=3_600,
            points=tuple((start, calls, None) for start, calls, _ in last),
        ),
    )


def _errors(
    engine: Engine, summary: dict[str, Any], *, since: dt.datetime, until: dt.datetime, top: int
) -> Section:
    title = "Errors and denied calls"
    if not summary["errors"]:
        return Section("errors", title, ("No call of this span failed.",))
    found = [
        tables.table(engine, layout, since=since, until=until, top=top)
        for layout in (tables.ERRORS, tables.DENIED)
    ]
    denied = summary["denied_calls"]
    sentence = (
        f"{_many(summary['errors'], 'call')} failed, {_share(summary['errors'], summary['events'])}"
        f" of all; {_many(denied, 'call')} for want of a permission."
    )
    return Section("errors", title, (sentence,), tables=tuple(_filled(found)))


def _sign_ins(engine: Engine, *, since: dt.datetime, until: dt.datetime, top: int) -> Section:
    totals = engine.run("reporting/login_totals", since=since, until=until).to_pylist()[0]
    if not totals["sign_ins"]:
        return Section("sign_ins", "Console sign-ins", ("Nobody signed in to the console.",))
    sentences = [
        f"{_many(totals['sign_ins'], 'sign-in')}: {totals['successes']:,} succeeded, "
        f"{totals['failures']:,} failed."
    ]
    if totals["without_mfa"]:
        sentences.append(
            f"{_many(totals['without_mfa'], 'sign-in')} of a root or IAM user without MFA."
        )
    if totals["root"]:
        sentences.append(f"The root user signed in {_many(totals['root'], 'time')}.")
    if totals["hidden_names"]:
        sentences.append(
            f"In {_many(totals['hidden_names'], 'failure')} the user name does not exist; AWS hides "
            "what was typed."
        )
    found = tables.table(engine, tables.LOGINS, since=since, until=until, top=top)
    return Section("sign_ins", "Console sign-ins", tuple(sentences), tables=(found,))


def _insights(engine: Engine, *, since: dt.datetime, until: dt.datetime, top: int) -> Section:
    title = "AWS CloudTrail Insights"
    found = tables.table(engine, tables.INSIGHTS, since=since, until=until, top=top)
    if not found.found:
        return Section(
            "insights",
            title,
            ("The lake has no Insights events of this span: AWS found none, or they are not on.",),
        )
    sentence = f"AWS itself reported {_many(found.found, 'insight')} that touch this span."
    return Section("insights", title, (sentence,), tables=(found,))


def _set_aside(engine: Engine, *, top: int) -> Section:
    title = "What was set aside"
    states = tables.table(engine, tables.FILE_STATES)
    kept = tuple(row for row in states.rows if row["state"] not in ("ingested", "empty"))
    not_rows = Table(states.name, states.caption, states.columns, kept[:top], len(kept))
    reasons = tables.table(engine, tables.SET_ASIDE)
    records = sum(int(str(row["records"])) for row in reasons.rows)
    objects = sum(int(str(row["objects"])) for row in reasons.rows)
    if not states.rows and not reasons.rows:
        sentence = "The lake has no record of any ingested object."
    elif not kept and not reasons.rows:
        sentence = "Every object and record was taken in."
    elif not reasons.rows:
        sentence = "The quarantine is empty; the objects below became no rows for other reasons."
    else:
        sentence = (
            f"The quarantine of the whole lake holds {_many(records, 'record')} and "
            f"{_many(objects, 'whole object')}."
        )
    found = [not_rows, reasons, tables.table(engine, tables.SET_ASIDE_PLACES, top=top)]
    return Section("set_aside", title, (sentence,), tables=tuple(_filled(found)))


def _health(
    engine: Engine,
    span: dict[str, Any],
    *,
    newest: dt.datetime | None,
    now: dt.datetime,
    lake: LakeFacts,
) -> Section:
    states = engine.run("reporting/file_states").to_pylist()
    ingested = max((row["last_ingested"] for row in states if row["last_ingested"]), default=None)
    lag = int((now - newest).total_seconds()) if newest else None
    facts = [
        Fact("lake", "Lake", lake.location, "code"),
        Fact("lake_events", "Events in the lake", span["events"], "count"),
        Fact("first_date", "First day", span["first_date"], "date"),
        Fact("newest_event", "Newest event", newest, "time"),
        Fact("lag_seconds", "Seconds since the newest event", lag, "count"),
        Fact("last_ingest", "Last ingest", ingested, "time"),
        Fact("objects", "Objects looked at", sum(row["objects"] for row in states), "count"),
        Fact("lake_bytes", "Size of the lake", lake.size_bytes, "bytes"),
        Fact("lake_files", "Files of the lake", lake.files, "count"),
        Fact(
            "events_without_time",
            "Events without a true time",
            span["events_without_time"],
            "count",
        ),
    ]
    if newest is None:
        sentence = "The lake holds no event with a true time."
    elif lag is not None and lag < 0:
        sentence = "The newest event is later than the time of this report: check the clock."
    else:
        sentence = f"The newest event is {_ago(lag or 0)} older than this report."
    return Section("health", "Health of the lake", (sentence,), facts=tuple(facts))


def _notes(engine: Engine, entries: tuple[Entry, ...], *, charts: int) -> tuple[str, ...]:
    notes = []
    if not _any(engine, "lake.anomalies"):
        notes.append(
            "The lake has no anomalies at all: run ctanalytics detect, unless it ran "
            "already and found nothing."
        )
    elif not _any(engine, "lake.outbox"):
        notes.append("No alert was sent from this lake yet; ctanalytics emit does that.")
    if len(entries) > charts:
        notes.append(f"Only the {charts} gravest anomalies have a chart.")
    return tuple(notes)


def _any(engine: Engine, name: str) -> bool:
    return bool(engine.sql(f"select 1 from {name} limit 1").num_rows)


def _filled(found: list[Table]) -> list[Table]:
    return [table for table in found if table.rows]


def _many(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("aly") else noun + "s"
    return f"{count:,} {plural}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _ago(seconds: int) -> str:
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return _many(seconds // size, noun)
    return _many(seconds, "second")

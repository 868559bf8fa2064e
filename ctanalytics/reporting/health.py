"""The report's sections on the lake: what became no rows, and how fresh and large the lake is."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ctanalytics.engines.duckdb import Engine
from ctanalytics.records.runs import WENT_BADLY
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import LakeFacts, Section, Table
from ctanalytics.reporting.tables import fact
from ctanalytics.reporting.voice import Voice


def set_aside(engine: Engine, voice: Voice, *, top: int) -> Section:
    """Tell which objects and records became no rows, and why."""
    states = tables.table(engine, tables.FILE_STATES, voice=voice)
    kept = tuple(row for row in states.rows if row["state"] not in ("ingested", "empty"))
    not_rows = Table(states.name, states.caption, states.columns, kept[:top], len(kept))
    reasons = tables.table(engine, tables.SET_ASIDE, voice=voice)
    records = sum(int(str(row["records"])) for row in reasons.rows)
    objects = sum(int(str(row["objects"])) for row in reasons.rows)
    if reasons.rows:
        key = "sentence"
    elif not states.rows:
        key = "no_objects"
    else:
        key = "no_quarantine" if kept else "nothing"
    sentence = voice.say(
        f"set_aside.{key}",
        records=voice.count("record", records),
        objects=voice.count("whole_object", objects),
    )
    found = [not_rows, reasons, tables.table(engine, tables.SET_ASIDE_PLACES, voice=voice, top=top)]
    return Section(
        "set_aside",
        voice.say("titles.set_aside"),
        (sentence,),
        tables=tuple(one for one in found if one.rows),
    )


def health(
    engine: Engine,
    voice: Voice,
    span: dict[str, Any],
    *,
    since: dt.datetime,
    newest: dt.datetime | None,
    now: dt.datetime,
    lake: LakeFacts,
) -> Section:
    """Tell how far the lake reaches, how large it is, and what has no true time.

    Args:
        span: the row of reporting/lake_span.
        since: of the report; a night that began since then is told of.
    """
    states = engine.run("reporting/file_states").to_pylist()
    ingested = max((row["last_ingested"] for row in states if row["last_ingested"]), default=None)
    lag = int((now - newest).total_seconds()) if newest else None
    facts = [
        fact(voice, "lake", lake.location, "code"),
        fact(voice, "lake_events", span["events"], "count"),
        fact(voice, "first_date", span["first_date"], "date"),
        fact(voice, "newest_event", newest, "time"),
        fact(voice, "lag_seconds", lag, "count"),
        fact(voice, "last_ingest", ingested, "time"),
        fact(voice, "objects", sum(row["objects"] for row in states), "count"),
        fact(voice, "lake_bytes", lake.size_bytes, "bytes"),
        fact(voice, "lake_files", lake.files, "count"),
        fact(voice, "events_without_time", span["events_without_time"], "count"),
    ]
    if lag is None:
        sentence = voice.say("health.empty")
    elif lag < 0:
        sentence = voice.say("health.clock")
    else:
        sentence = voice.say("health.sentence", ago=_ago(voice, lag))
    # Of the night that is at work now, too.
    soon = now + dt.timedelta(minutes=1)
    steps = tables.table(engine, tables.RUN_STEPS, voice=voice, since=since, until=soon)
    return Section(
        "health",
        voice.say("titles.health"),
        (sentence, *_night(voice, steps)),
        facts=tuple(facts),
        tables=(steps,) if steps.rows else (),
    )


def _night(voice: Voice, steps: Table) -> list[str]:
    if not steps.rows:
        return []
    began = min(at for row in steps.rows if isinstance(at := row["started_at"], dt.datetime))
    ill = [voice.word(str(row["step"])) for row in steps.rows if row["state"] in WENT_BADLY]
    return [
        voice.say(
            f"health.night_{'ill' if ill else 'well'}",
            time=voice.clock(began),
            zone=voice.zone_name(began),
            steps=voice.listed(ill),
        )
    ]


def _ago(voice: Voice, seconds: int) -> str:
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return voice.say(f"ago.{noun}", n=seconds // size)
    return voice.many("ago_seconds", seconds)

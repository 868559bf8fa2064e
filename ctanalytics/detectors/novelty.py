"""novelty: a principal's first use of an API, region, network, program, role or account.

And impossible travel, where the user gives a file that tells where addresses are.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

import polars as pl
import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics.detectors import behaviour_evidence as evidence
from ctanalytics.detectors import behaviour_facts as facts
from ctanalytics.detectors import located
from ctanalytics.detectors import novelty_scores as scores
from ctanalytics.detectors import novelty_words as words
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.behaviour_evidence import Span
from ctanalytics.detectors.behaviour_told import Told, gather
from ctanalytics.detectors.by_date import ByDate
from ctanalytics.detectors.located import Places
from ctanalytics.detectors.novelty_scores import FAR_DAYS, HISTORY_DAYS, Novelty
from ctanalytics.detectors.novelty_travel import SCORE, SLACK, Journey, journeys
from ctanalytics.detectors.severity import severity
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key

DETECTOR: Final = "novelty"
FIRST_SEEN: Final = "first_seen"
TRAVEL: Final = "impossible_travel"

_STILL_GOING: Final = dt.timedelta(minutes=60)
_KEPT: Final = 20
_SURE: Final = 1.0
"""Impossible travel counts as strong, not as overwhelming: a phone beside a laptop does it too."""


def novelty(context: Context, window: Window) -> DetectorResult:
    """Find principals that did for the first time what is strange for them and their like."""
    if window.since >= window.until:
        return DetectorResult(ANOMALIES.empty_table())
    first = window.since.astimezone(dt.UTC).date()
    since = facts.day_bounds(first - dt.timedelta(days=scores.POOL_DAYS + FAR_DAYS))[0]
    known = located.register(context, since, window.until)
    by_date = ByDate.of(context)
    found = scores.read(by_date, first, window.until)
    settings = context.settings
    firsts = list(scores.judge(found, first, settings.budget, settings.share_novelty))
    travels: list[Journey] = []
    if context.geoip.city:
        news = frozenset(
            found.filter(pl.col("kind").is_in(["network", "country"]))
            .select("principal_key", "event_date", "kind", "value")
            .iter_rows()
        )
        span = (facts.day_bounds(first)[0], window.until)
        travels = list(journeys(by_date, *span, news))
    told = [Told(one.principal_key, one.history_key, *facts.day_bounds(one.day)) for one in firsts]
    told += [Told(one.principal_key, one.principal_key, *_trip(one)) for one in travels]
    gather(by_date, told)
    rows = [_first_seen(context, window, known, one) for one in firsts]
    rows += [_travel(context, window, one) for one in travels]
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    rows.sort(key=lambda row: (row["started_at"], row["kind"], row["series_key"]))
    return DetectorResult(pa.Table.from_pylist(rows, ANOMALIES), notes=_notes(found, first))


def _first_seen(context: Context, window: Window, known: Places, one: Novelty) -> dict[str, Any]:
    engine = context.engine
    told = words.firsts(one.news, one.principal_key)
    start, end = facts.day_bounds(one.day)
    seen = facts.touched(engine, one.principal_key, one.history_key, start, end)
    identity = (one.principal_arn, one.principal_key)
    sql = evidence.events_sql(*identity, [Span(start, end, words.condition(told, seen, known))])
    behind = evidence.read(engine, sql)
    lead = evidence.events_sql(
        *identity, [Span(start, end, words.condition(told[:1], seen, known))]
    )
    peers = engine.run(
        "detectors/first_seen_peers",
        since=start - dt.timedelta(days=HISTORY_DAYS),
        until=start,
        principal_key=one.principal_key,
        peer_class=one.peer_class,
        kind=told[0].kind,
        value=told[0].values[0],
    ).to_pylist()[0]
    name = facts.principal_name(*identity)
    text = words.sentence(
        told,
        name,
        evidence.place(engine, lead),
        days=min(one.age_days, FAR_DAYS if one.looks_far else HISTORY_DAYS),
        is_stranger=one.is_stranger,
        **peers,
    )
    row = _row(context, window, FIRST_SEEN, one.principal_arn, one.principal_key, behind)
    source, _, event = told[0].values[0].partition(":") if told[0].kind == "api" else ("", "", "")
    return row | {
        "severity": severity(behind.impact, one.margin),
        "score": one.score,
        "p_value": round(10.0**-one.score, 12),
        "event_source": source or None,
        "event_name": event or None,
        "title": words.title(told, name),
        "explanation": text,
        "evidence": _evidence(behind, first_seen=_kept(one), **peers),
    }


def _travel(context: Context, window: Window, one: Journey) -> dict[str, Any]:
    identity = (one.principal_arn, one.principal_key)
    span = Span(*_trip(one), one.condition or None)
    behind = evidence.read(context.engine, evidence.events_sql(*identity, [span]))
    name = facts.principal_name(*identity)
    person = (
        "" if one.person == one.principal_key else f" (used by {untrusted.one_line(one.person)})"
    )
    row = _row(context, window, TRAVEL, one.principal_arn, one.principal_key, behind)
    return row | {
        "severity": severity(behind.impact, _SURE),
        "score": SCORE,
        "p_value": None,
        "title": f"{name}{person} was in two places at once",
        "explanation": f"{name}{person} {one.text}; it had not come from one of them before.",
        "evidence": _evidence(behind),
    }


def _trip(one: Journey) -> tuple[dt.datetime, dt.datetime]:
    """When the calls of a journey can have been: it may begin on the day before."""
    start, end = facts.day_bounds(one.day)
    return start - SLACK, end


def _row(
    context: Context,
    window: Window,
    kind: str,
    principal_arn: str | None,
    principal_key: str,
    behind: evidence.Behind,
) -> dict[str, Any]:
    key = series_key("principal", principal_arn or principal_key)
    is_open = behind.last >= window.until - _STILL_GOING
    return {
        "anomaly_id": anomaly_id(DETECTOR, kind, key, behind.first),
        "state": "open" if is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": DETECTOR,
        "kind": kind,
        "started_at": behind.first,
        "ended_at": None if is_open else behind.last + dt.timedelta(seconds=1),
        "account_id": behind.account_id,
        "aws_region": behind.aws_region,
        "event_source": None,
        "event_name": None,
        "error_code": None,
        "principal_arn": principal_arn,
        "series_key": key,
        "insight": None,
        "detected_at": context.now,
    }


def _evidence(behind: evidence.Behind, **more: Any) -> str:
    known = {"event_ids": behind.event_ids, "events": behind.events, "sql": behind.sql}
    return json.dumps(known | more)


def _kept(one: Novelty) -> list[dict[str, Any]]:
    return [
        {
            "kind": news["kind"],
            "value": untrusted.one_line(news["value"], limit=200),
            "calls": news["calls"],
            "weight": news["weight"],
        }
        for news in one.news[:_KEPT]
    ]


def _notes(found: pl.DataFrame, first: dt.date) -> list[str]:
    """Say whose first times were not judged."""
    young = found.filter(
        (pl.col("event_date") >= first)
        & pl.col("kind").is_not_null()
        & (
            (pl.col("age_days") < scores.MIN_AGE_DAYS)
            | (pl.col("account_age_days") < scores.MIN_ACCOUNT_AGE_DAYS)
        )
    )["principal_key"].n_unique()
    if not young:
        return []
    return [
        f"{young} principal{'s' if young != 1 else ''} did new things too early to be told: first "
        f"times count after {scores.MIN_AGE_DAYS} days of a principal and "
        f"{scores.MIN_ACCOUNT_AGE_DAYS} of its account"
    ]

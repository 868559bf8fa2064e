"""Explain: an anomaly in a sentence, the facts behind it, its events, and how to list them all."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.app.anomaly import anomaly
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import QueryError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

EVENTS: Final = 20
_ATTRIBUTED: Final = 3
_MOST_CHARACTERS: Final = 2_048
"""Of a text of an event, which may be a user agent of megabytes; `show` has all of it."""
_COLUMNS: Final = (
    "event_time",
    "account_id",
    "aws_region",
    "event_source",
    "event_name",
    "error_code",
    "principal_arn",
    "source_ip_address",
    "user_agent",
    "event_id",
)


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """All that is known of an anomaly."""

    anomaly: dict[str, Any]
    """The newest revision, as the view `anomalies` has it, without evidence and insight."""
    facts: list[dict[str, str]]
    """What makes it one: fact, value, before (its own past), peers, and how likely by chance."""
    sql: str
    """Lists all events behind it."""
    event_count: int
    event_ids: list[str]
    """At most 100 of them."""
    events: list[dict[str, Any]]
    """The first of them, as the lake has them now; empty when the lake no longer has any."""
    next_steps: list[str]
    revisions: list[dict[str, Any]]
    sent: list[dict[str, Any]]
    """What became of it at each target."""
    notes: list[str]


def explain(
    anomaly_id: str,
    lake: str | Lake,
    *,
    events: int = EVENTS,
    settings: Settings | None = None,
) -> ExplainResult:
    """Return what an anomaly is made of.

    Args:
        anomaly_id: or the beginning of it.
        events: how many events to show.

    Raises:
        UsageError: there is no such anomaly.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        row = anomaly(engine, anomaly_id)
        revisions = engine.run("explain/revisions", anomaly_id=row["anomaly_id"]).to_pylist()
        sent = engine.run("explain/sent", anomaly_id=row["anomaly_id"]).to_pylist()
    evidence = _parsed(row.pop("evidence"))
    insight = _parsed(row.pop("insight"))
    sql = str(evidence.get("sql") or "")
    # The SQL comes from a table of the lake: it may read the lake and nothing else.
    with here.engine(locked=True) as engine:
        shown, notes = _events(engine, sql, events)
    rule = evidence.get("rule") or {}
    return ExplainResult(
        anomaly=row,
        facts=_facts(evidence, insight, row),
        sql=sql,
        event_count=int(evidence.get("events") or 0),
        event_ids=list(evidence.get("event_ids") or []),
        events=shown,
        next_steps=[str(step) for step in rule.get("next_steps") or []],
        revisions=revisions,
        sent=sent,
        notes=notes,
    )


def _events(engine: Engine, sql: str, limit: int) -> tuple[list[dict[str, Any]], list[str]]:
    if not sql:
        return [], ["no events are kept as its evidence"]
    columns = ", ".join(
        name if name == "event_time" else f"left({name}, {_MOST_CHARACTERS}) as {name}"
        for name in _COLUMNS
    )
    text = f"select {columns} from ({sql}) order by event_time, event_id limit {int(limit)}"
    try:
        found = engine.query(text).to_pylist()
    except QueryError as error:
        return [], [f"its statement no longer runs: {error.what}"]
    return found, [] if found else ["the lake no longer has its events"]


def _facts(
    evidence: dict[str, Any], insight: dict[str, Any], row: dict[str, Any]
) -> list[dict[str, str]]:
    found = [_feature(one, evidence) for one in evidence.get("features") or []]
    found += [_first_time(one) for one in evidence.get("first_seen") or []]
    if evidence.get("rate"):
        found.append(_rate(evidence["rate"], row))
    found += _attributions(insight)
    if evidence.get("rule"):
        found.append(_rule(evidence["rule"]))
    return found


def _feature(one: dict[str, Any], evidence: dict[str, Any]) -> dict[str, str]:
    from ctanalytics.detectors.behaviour_words import clause

    names = [str(name) for name in one.get("names") or []]
    peers = one.get("peers", evidence.get("peers", 0))
    return {
        "fact": clause(one["feature"], one["value"], names, in_all=int(one.get("names_in_all", 0))),
        "value": f"{one['value']:,}",
        "before": f"at most {one['own_most']:,}, usually {one['own_median']:,}",
        "peers": f"{peers:,}: at most {one['peers_most']:,}, usually {one['peers_median']:,}",
        "chance": _chance(one["surprise"]),
    }


def _first_time(one: dict[str, Any]) -> dict[str, str]:
    return {
        "fact": f"{one['kind']} {one['value']}",
        "value": f"{one['calls']:,} call{'s' if one['calls'] != 1 else ''}",
        "before": "never",
        "peers": "",
        "chance": "",
    }


def _rate(rate: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    """The highest (of a silence the lowest) of the rates that a chart would show, in its span."""
    start = row["started_at"].isoformat().replace("+00:00", "Z")
    during = [point for point in rate["points"] if point[0] >= start] or rate["points"]
    if not during:
        return {"fact": str(rate["unit"]), "value": "", "before": "", "peers": "", "chance": ""}
    pick = max if row["kind"] in ("surge", "error_surge") else min
    when, observed, expected = pick(during, key=lambda point: point[1] or 0.0)
    return {
        "fact": f"{rate['unit']} at {when}",
        "value": f"{observed or 0:g}",
        "before": f"{expected:g} expected" if expected is not None else "",
        "peers": "",
        "chance": _chance(row["score"]) if row["p_value"] is not None else "",
    }


def _attributions(insight: dict[str, Any]) -> list[dict[str, str]]:
    """Who and what made the rate, by the Insights record."""
    record = insight.get("end") or insight.get("start") or {}
    context = (record.get("insightDetails") or {}).get("insightContext") or {}
    found = []
    for attribution in context.get("attributions") or []:
        before = {one["value"]: one["average"] for one in attribution.get("baseline") or []}
        found += [
            {
                "fact": f"{attribution['attribute']}: {one['value']}",
                "value": f"{one['average']:g} per minute",
                "before": f"{before.get(one['value'], 0):g} per minute",
                "peers": "",
                "chance": "",
            }
            for one in (attribution.get("insight") or [])[:_ATTRIBUTED]
        ]
    return found


def _rule(rule: dict[str, Any]) -> dict[str, str]:
    tags = ", ".join(str(tag) for tag in rule.get("tags") or [])
    return {
        "fact": f"rule {rule.get('path') or rule.get('id')}" + (f" ({tags})" if tags else ""),
        "value": f"{rule.get('matches', 0):,} matches",
        "before": "",
        "peers": "",
        "chance": "",
    }


def _chance(surprise: float) -> str:
    """How often chance alone does it: -log10 p in words."""
    times = 10 ** min(float(surprise), 12.0)
    if times < 2:
        return "usual"
    digits = 10 ** max(len(str(int(times))) - 2, 0)
    return f"1 in {int(times // digits * digits):,}"


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def moment(time: dt.datetime | None) -> str:
    """Return a time as people read it."""
    return "" if time is None else untrusted.one_line(f"{time:%Y-%m-%d %H:%M:%S}")

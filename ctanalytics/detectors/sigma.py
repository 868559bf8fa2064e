"""sigma: what the rules match, as alerts by rule, principal and account.

| the rule's level | a call succeeded | all were refused or failed |
|---|---|---|
| critical | critical | medium |
| high | high | medium |
| medium | medium | low |
| low | low | info |
| informational | info | info |

Rules that ask for errors (refused calls, failed sign-ins) keep their level, medium at most.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from ctanalytics import settings, untrusted
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.sigma_parts import SpreadScan
from ctanalytics.detectors.spread import Spread
from ctanalytics.detectors.wording import short_principal
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key
from ctanalytics.sigma.condition import fields
from ctanalytics.sigma.exceptions import Kept, keep
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import is_named, placeholders, places, shown_path
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import run
from ctanalytics.sigma.span import EVENT, WHO, Span
from ctanalytics.sigma.translate import exact

_SUCCEEDED: Final = {
    "informational": "info",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}
_FAILED: Final = {
    "informational": "info",
    "low": "info",
    "medium": "low",
    "high": "medium",
    "critical": "medium",
}
_SCORES: Final = {"info": 1.0, "low": 2.0, "medium": 3.0, "high": 4.0, "critical": 5.0}
_ERROR_COLUMNS: Final = frozenset(("error_code", "error_message", "is_error"))
_LISTED: Final = 100
_NAMED: Final = 1_000
"""Events up to which a statement names each; above, it asks what the rule asks."""
_TOLD: Final = 5


def sigma(context: Context, window: Window) -> DetectorResult:
    """Run all rules, and make one alert of what one principal did in one account in a stretch."""
    asked = context.rules
    rules = load(places((), asked), placeholders(asked, context.engine))
    opened = _opened(window.since, asked.group_hours)
    reach = max((rule.correlation.seconds for rule in rules if rule.correlation), default=0)
    span = Span(opened - dt.timedelta(seconds=reach), window.until)
    found = run(context.engine, rules, span, SpreadScan(Spread.of(context)))
    kept = keep(context.engine, found.hits, rules, asked.exceptions)
    context.engine.register("sigma_kept", kept.hits)
    groups = context.engine.run("sigma/groups", group_seconds=asked.group_hours * 3_600)
    context.engine.unregister("sigma_kept")
    rows: list[dict[str, Any]] = []
    few = 0
    for group in groups.to_pylist():
        rule = rules[group["rule"]]
        if group["opened_at"] < opened or not rule.alerts:
            continue
        if group["last_at"] < window.since:
            continue
        if group["matches"] < _threshold(asked, rule):
            few += 1
            continue
        rows.append(_anomaly(context, rule, group))
    notes = [*_notes(rules, found.faults, kept, asked.exceptions)]
    if few:
        notes.append(f"{few} groups of matches stayed below their rule's threshold")
    return DetectorResult(pa.Table.from_pylist(rows, ANOMALIES), notes=notes)


def severity(rule: Rule, *, events: int, failed: int) -> str:
    """Return how loud an alert of a rule is; see the table above."""
    if failed < events:
        return _SUCCEEDED[rule.level]
    if rule.condition and any(one.column in _ERROR_COLUMNS for one in fields(rule.condition)):
        return min(_SUCCEEDED[rule.level], "medium", key=lambda name: _SCORES[name])
    return _FAILED[rule.level]


def _opened(since: dt.datetime, hours: int) -> dt.datetime:
    """The start of the stretch that a time lies in."""
    since = since.astimezone(dt.UTC)
    return since.replace(hour=since.hour // hours * hours, minute=0, second=0, microsecond=0)


def _threshold(asked: settings.Rules, rule: Rule) -> int:
    return max((n for name, n in asked.thresholds.items() if is_named(rule, name)), default=1)


def _anomaly(context: Context, rule: Rule, group: dict[str, Any]) -> dict[str, Any]:
    key = series_key(rule.key, group["account_id"], group["principal"])
    started = group["started_at"]
    ended = group["last_at"] + dt.timedelta(seconds=1)
    loud = severity(rule, events=group["events"], failed=group["failed"])
    who = short_principal(group["principal"]) if group["principal"] else "several callers"
    place = f" in {group['account_id']}" if group["account_id"] else ""
    return {
        "anomaly_id": anomaly_id("sigma", "rule", key, started),
        "state": "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": "sigma",
        "kind": "rule",
        "severity": loud,
        "score": _SCORES[loud],
        "p_value": None,
        "started_at": started,
        "ended_at": ended,
        "account_id": group["account_id"],
        "aws_region": _one(group["regions"]),
        "event_source": _one(group["sources"]),
        "event_name": _one(group["names"]),
        "error_code": _one(group["codes"]) if group["failed"] == group["events"] else None,
        "principal_arn": group["principal_arn"],
        "series_key": key,
        "title": untrusted.one_line(f"{rule.title}: {who}{place}"),
        "explanation": _explained(rule, group, who, place),
        "evidence": json.dumps(_evidence(rule, group, ended)),
        "insight": None,
        "detected_at": context.now,
    }


def _one(values: Sequence[str | None] | None) -> str | None:
    return values[0] if values and len(values) == 1 else None


def _explained(rule: Rule, group: dict[str, Any], who: str, place: str) -> str:
    names = [untrusted.one_line(name, limit=60) for name in group["names"] or ()]
    listed = ", ".join(names[:_TOLD]) + (f" and {len(names) - _TOLD} more" if names[_TOLD:] else "")
    times = f"{group['events']:,} time{'s' if group['events'] != 1 else ''}"
    regions = ", ".join(untrusted.one_line(one, limit=40) for one in (group["regions"] or ())[:3])
    refused = ""
    if group["failed"]:
        all_of_them = group["failed"] == group["events"]
        refused = "; all failed" if all_of_them else f"; {group['failed']:,} of them failed"
    first, last = (
        f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (group["started_at"], group["last_at"])
    )
    when = f"at {first}" if first == last else f"from {first} to {last}"
    said = (
        f"{who} called {listed or 'an unnamed API'} {times}{place}"
        f"{f' ({regions})' if regions else ''} {when} UTC{refused}."
    )
    about = " ".join(str(rule.document.get("description") or "").split())
    if about and not about.endswith("."):
        about += "."
    # ARNs and user:NAME keep their case.
    if said.startswith(("role ", "user ", "several ")):
        said = said[:1].upper() + said[1:]
    return f"{said} {about}".strip()


def _evidence(rule: Rule, group: dict[str, Any], ended: dt.datetime) -> dict[str, Any]:
    ids = list(dict.fromkeys(group["event_ids"]))
    return {
        "event_ids": ids[:_LISTED],
        "events": group["events"],
        "sql": _events_sql(rule, group, ids, ended),
        "rule": {
            "id": rule.rule_id,
            "path": shown_path(rule.path),
            "tags": list(rule.tags),
            "matches": group["matches"],
            "next_steps": _texts(rule.document.get("next_steps")),
            "false_positives": _texts(rule.document.get("falsepositives")),
        },
    }


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _events_sql(rule: Rule, group: dict[str, Any], ids: Sequence[str], ended: dt.datetime) -> str:
    """A statement over the views that lists all events of an alert."""
    span = Span(group["started_at"], ended)
    conditions = [span.condition()]
    if group["account_id"] is not None:
        conditions.append(f"account_id = {_quoted(group['account_id'])}")
    if rule.condition is None or len(ids) <= _NAMED:
        conditions.append(f"{EVENT} in ({', '.join(map(_quoted, ids))})")
    else:
        principal = group["principal"]
        quoted = "null" if principal is None else _quoted(principal)
        conditions.append(f"{WHO} is not distinct from {quoted}")
        conditions.append(f"try({exact(rule.condition)})")
    return "select *\nfrom events\nwhere " + "\n  and ".join(conditions) + "\norder by event_time"


def _quoted(text: str) -> str:
    return untrusted.sql_text(text.replace("\x00", ""))


def _notes(
    rules: Sequence[Rule],
    faults: Any,
    kept: Kept,
    exceptions: Sequence[settings.RuleException],
) -> Iterator[str]:
    broken = [
        f"{shown_path(rule.path)}: {faults.get(place) or rule.reason}"
        for place, rule in enumerate(rules)
        if rule.status != "ok" or place in faults
    ]
    if broken:
        more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
        yield f"rules that can't run: {'; '.join(broken[:_TOLD])}{more}"
    for place, events in kept.suppressed.items():
        exception = exceptions[place]
        yield f"{events:,} matches of {exception.rule} raise no alert: {exception.reason}"
    for place in kept.unknown:
        yield f"an exception is about {exceptions[place].rule!r}, and there is no such rule"

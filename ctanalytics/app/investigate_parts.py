"""The parts of an investigation: what each asks, and what it says when there is nothing to say."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ctanalytics.app.investigate_asked import HISTORY, Asked
from ctanalytics.app.investigate_evidence import anomalies, config, gaps
from ctanalytics.app.investigate_tables import counted, table
from ctanalytics.app.investigate_tactics import tactics
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import Figure
from ctanalytics.reporting.investigation import Part
from ctanalytics.reporting.series import clipped, daily, described, hourly

_MOST_ADDRESSES: Final = 200
_MOST_PRINCIPALS: Final = 50
_MOST_HOURS: Final = 24 * 14
"""Above, the chart of activity counts days."""


def parts(asked: Asked) -> tuple[Part, ...]:
    """Answer all parts, in the order of the page."""
    return tuple(
        _with_queries(asked, make(asked))
        for make in (
            _timeline,
            _sessions,
            _persistence,
            _touched,
            config,
            _denied,
            _first_seen,
            _networks,
            tactics,
            anomalies,
            gaps,
        )
    )


def _with_queries(asked: Asked, part: Part) -> Part:
    return dataclasses.replace(part, queries=(*asked.queries.get(part.name, ()), *part.queries))


def _timeline(asked: Asked) -> Part:
    hours = asked.rows_of("timeline", "hours", "Calls in each hour")
    steps = asked.rows_of("timeline", "timeline", "What was done, step by step")
    found = steps[0]["found"] if steps else 0
    sentence = (
        f"{counted(found, 'step')}: calls of one API with one credential, address and outcome are one "
        "while they follow each other within ten minutes."
    )
    if found > len(steps):
        sentence += " The weightiest are shown: sensitive calls, writes, refusals, rare APIs."
    return Part(
        "timeline",
        "Timeline",
        (sentence,),
        (table("timeline", "Steps, the oldest first", steps),),
        tuple(_activity(asked, hours)),
    )


def _activity(asked: Asked, hours: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    if not hours:
        return
    margin = dt.timedelta(hours=6)
    span = clipped(
        hours[0]["hour_start"] - margin, hours[-1]["hour_start"] + margin, asked.since, asked.until
    )
    points = hourly(hours, *(span or (asked.since, asked.until)))
    step, unit = 3600, "calls per hour"
    if len(points) > _MOST_HOURS:
        points, step, unit = daily(points), 86_400, "calls per day"
    yield Figure(
        name="activity",
        kind="activity",
        title=f"{unit[:1].upper()}{unit[1:]}",
        description=described(points, unit, second="failed"),
        unit=unit,
        step_seconds=step,
        points=points,
    )


def _sessions(asked: Asked) -> Part:
    who = asked.rows_of("sessions", "who", "Whom the subject called as")
    rows = asked.rows_of("sessions", "sessions", "All credentials of the case")
    derived = sum(row["relation"] == "derived" for row in rows)
    across = sum(bool(row["is_cross_account"]) for row in rows)
    sentences = [
        f"{counted(derived, 'credential')} came of the subject's calls"
        + (f", {across:,} of them in another account." if across else ".")
        if derived
        else "No credential came of the subject's calls."
    ]
    if asked.subject.kind == "ip":
        sentences.append(
            "Of a credential that was used from here and from elsewhere only the calls from here count."
        )
    sentences.append(
        "Only what logs prove is linked: by key ids in the answers of STS and IAM, and by the copies of one call in two accounts."
    )
    return Part(
        "sessions",
        "Credentials and sessions",
        tuple(sentences),
        (
            table("who", "Whom the subject's own calls were made as", who),
            table("sessions", "Credentials: the subject's, then those that came of them", rows),
        ),
    )


def _persistence(asked: Asked) -> Part:
    rows = asked.rows_of("persistence", "persistence", "What may outlive the credentials")
    if not rows:
        return Part(
            "persistence", "Left behind", ("Nothing that outlives its credentials is known.",)
        )
    undone = _undone(asked, rows)
    for row in rows:
        row["undone"] = undone.get(row["event_id"])
        if row["event_name"] != "CreateAccessKey":
            row["calls"] = None
    arns = sorted({row["target_arn"] for row in rows if row["target_arn"]} - set(asked.principals))
    used = (
        asked.rows_of(
            "persistence",
            "aftermath",
            "What these users and roles did",
            asked.lake,
            arns=arns,
            since=min(row["event_time"] for row in rows),
        )
        if arns
        else []
    )
    still = sum(row["undone"] is None for row in rows)
    return Part(
        "persistence",
        "Left behind",
        (
            f"{counted(len(rows), 'thing')} may outlive the credentials; of {still:,} these logs show no undoing.",
            "Whether a thing is still there only the account itself can tell.",
        ),
        (
            table("persistence", "What was left behind", rows),
            table("aftermath", "Calls since then by the users and roles it is about", used),
        ),
    )


def _undone(asked: Asked, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Event id of what was left behind -> who undid it when, where a later call names it."""
    names = sorted({name for row in rows for name in row["undone_by"].split(",") if name})
    targets = sorted({row["target"] for row in rows if row["target"]})
    if not names or not targets:
        return {}
    calls = asked.rows_of(
        "persistence",
        "undone",
        "Calls that may have undone it",
        asked.lake,
        names=names,
        targets=targets,
    )
    found: dict[str, str] = {}
    for row in rows:
        for call in calls:
            if (
                row["target"] in call["targets"]
                and call["event_name"] in row["undone_by"].split(",")
                and call["account_id"] == row["account_id"]
                and call["event_time"] > row["event_time"]
            ):
                when = call["event_time"].astimezone(dt.UTC)
                found[row["event_id"]] = (
                    f"{call['event_name']} {when:%Y-%m-%d %H:%M} by {call['principal']}"
                )
                break
    return found


def _touched(asked: Asked) -> Part:
    captions = {
        "created": "Created",
        "changed": "Changed",
        "deleted": "Deleted",
        "read": "Read, the most often read first",
    }
    tables = []
    for deed, caption in captions.items():
        rows = asked.rows_of("resources", "touched", caption.split(",")[0], deed=deed)
        tables.append(table(deed, caption, rows))
    said = ", ".join(
        f"{counted(each.found, 'resource')} {each.name}" for each in tables if each.found
    )
    return Part(
        "resources",
        "Created, changed, read",
        (
            f"By what its successful calls name: {said}."
            if said
            else "Its successful calls name no resource.",
            "A call that names three resources counts for each; reads of listings name none.",
        ),
        tuple(tables),
    )


def _denied(asked: Asked) -> Part:
    rows = asked.rows_of("denied", "denied", "Refused calls by API")
    total = sum(row["calls"] for row in rows)
    later = sum(row["later_calls"] > 0 for row in rows)
    sentence = (
        f"{counted(total, 'call')} to {counted(len({(r['event_source'], r['event_name']) for r in rows}), 'API')} "
        f"were refused" + (f"; {later:,} of these APIs were let through later." if later else ".")
        if rows
        else "No call was refused for want of a permission."
    )
    return Part("denied", "Denied probes", (sentence,), (table("denied", "Refused calls", rows),))


def _first_seen(asked: Asked) -> Part:
    if not asked.principals:
        return Part(
            "first_seen",
            "Seen for the first time",
            absent="The calls name no principal by an ARN, so nothing is known of their past.",
        )
    since = asked.since - HISTORY
    rows = asked.rows_of(
        "first_seen",
        "first_seen",
        "What these principals did for the first time",
        asked.lake,
        principals=list(asked.principals),
        history_since=since,
        history_date=since.date(),
    )
    sentence = (
        f"{counted(rows[0]['found'], 'thing was', 'things were')} new for a principal that had been at "
        f"work for a day or more; its past is what the lake has of {HISTORY.days} days before the span."
        if rows
        else f"Nothing was new for these principals against the {HISTORY.days} days before, as far as the lake reaches."
    )
    return Part(
        "first_seen",
        "Seen for the first time",
        (sentence,),
        (table("first_seen", "First seen", rows),),
    )


def _networks(asked: Asked) -> Part:
    rows = asked.rows_of("networks", "networks", "Networks of the calls")
    addresses = [
        row["source_ip_address"]
        for row in asked.case.run("investigate/addresses", rows=_MOST_ADDRESSES).to_pylist()
    ]
    others = (
        asked.rows_of(
            "networks",
            "shared_addresses",
            "What else came from these addresses",
            asked.lake,
            addresses=addresses,
        )
        if addresses
        else []
    )
    sentences = [
        f"Calls came from {counted(len(rows), 'network or service', 'networks and services')}."
        if rows
        else "The calls bear no address."
    ]
    if addresses and not others:
        sentences.append("Nothing else came from its addresses in this span.")
    return Part(
        "networks",
        "Networks",
        tuple(sentences),
        (
            table("networks", "Networks and services, the first one first", rows),
            table("shared_addresses", "What else came from the same addresses", others),
        ),
    )


def whom(case: Engine) -> tuple[str, ...]:
    """Return the ARNs that the subject's own calls were made as, the busiest first."""
    rows = case.sql(
        "select principal_arn from subject_events where relation = 'subject' "
        "and starts_with(principal_arn, 'arn:') "
        "group by principal_arn order by count(*) desc, principal_arn limit $1",
        [_MOST_PRINCIPALS],
    )
    return tuple(row["principal_arn"] for row in rows.to_pylist())


def places(case: Engine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the accounts and the regions of the case's events."""
    found = []
    for column in ("account_id", "aws_region"):
        rows = case.sql(
            f"select distinct {column} as place from subject_events where {column} is not null order by 1"
        )
        found.append(tuple(row["place"] for row in rows.to_pylist()))
    return found[0], found[1]

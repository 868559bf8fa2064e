"""Three made-up days for report tests: calls, anomalies, sign-ins, and hostile text in all."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from ctanalytics import findings
from ctanalytics.engines.duckdb import Engine
from ctanalytics.records.incidents import INCIDENTS
from ctanalytics.reporting import sections
from ctanalytics.reporting.document import Document, LakeFacts
from ctanalytics.reporting.voice import ENGLISH, Voice
from tests import builders

SINCE = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
UNTIL = SINCE + dt.timedelta(days=3)
NOW = UNTIL + dt.timedelta(hours=2)
DORA = "arn:aws:iam::111122223333:user/dora"
ROLE = "arn:aws:iam::444455556666:role/ci-deploy"

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></svg></title><!--",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "gpj\u202eexe\u2066.png",
    "\x1b]8;;http://evil.example\x07click\x1b[2J",
    "a`b``c|d\n# heading\r\n- [x](http://evil.example) ![i](//evil.example/i.png)",
    "www.evil.example https://evil.example dora@evil.example &lt;b&gt; &#60;",
    "\\| `<b>` \\\\| <u>",
    "zero\x00byte \ufeff\u200f",
)


def anomaly(
    started_at: dt.datetime = SINCE + dt.timedelta(hours=30), **columns: Any
) -> dict[str, Any]:
    """One row of `anomalies`: a closed surge of half an hour, unless the columns say otherwise."""
    key = columns.get("series_key", "series")
    row: dict[str, Any] = {
        "anomaly_id": findings.anomaly_id("call_rate", "surge", key, started_at),
        "state": "closed",
        "revision": 1,
        "detector": "call_rate",
        "kind": "surge",
        "severity": "high",
        "score": 9.0,
        "p_value": 1e-9,
        "started_at": started_at,
        "ended_at": started_at + dt.timedelta(minutes=30),
        "account_id": "111122223333",
        "aws_region": "eu-west-1",
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "series_key": key,
        "title": "RunInstances surged to 31 calls a minute",
        "explanation": "dora made 310 calls in 10 minutes; in 28 days never more than 2.",
        "evidence": evidence(),
        "detected_at": started_at + dt.timedelta(minutes=45),
    }
    assert not columns.keys() - set(findings.ANOMALIES.names)
    return row | columns


def incident(*members: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """One row of `incidents` that holds these anomalies, unless the columns say otherwise."""
    first = members[0]
    row: dict[str, Any] = dict.fromkeys(INCIDENTS.names) | {
        "incident_id": first["anomaly_id"],
        "state": "open",
        "revision": 1,
        "severity": first["severity"],
        "first_severity": first["severity"],
        "score": first["score"],
        "started_at": first["started_at"],
        "opened_at": first["detected_at"],
        "detected_at": first["detected_at"],
        "title": f"{first['title']}, and more",
        "story": "dora did what she never did.\nWho: dora.",
        "next_steps": ["See whether backups are whole."],
        "anomaly_ids": [member["anomaly_id"] for member in members],
        "account_ids": ["111122223333"],
        "account_names": ["shop-prod"],
        "principal_arns": [DORA],
        "tactics": ["impact"],
        "techniques": ["T1496"],
        "lanes": "[]",
        "events": 310,
    }
    assert not columns.keys() - set(INCIDENTS.names)
    return row | columns


def evidence(**members: Any) -> str:
    """The evidence of an anomaly with two event ids and its SQL."""
    found = {"event_ids": ["e1", "e2"], "events": 2, "sql": "select *\nfrom events"}
    return json.dumps(found | members)


def rate(
    start: dt.datetime, values: list[float], *, unit: str = "calls per minute"
) -> dict[str, Any]:
    """The rate of an evidence: five-minute points with an expected value of 1.5."""
    step = dt.timedelta(minutes=5)
    return {
        "unit": unit,
        "minutes": 5,
        "points": [
            [(start + place * step).isoformat(), value, 1.5] for place, value in enumerate(values)
        ],
    }


def calls() -> list[dict[str, Any]]:
    """A few hundred calls: two principals, two accounts, errors of each class."""
    rows = []
    for number in range(400):
        time = SINCE + dt.timedelta(minutes=10 * number, seconds=number % 60)
        by_role = number % 4 == 0
        code = {0: "AccessDenied", 1: "ThrottlingException", 2: "NoSuchKey"}.get(number % 20)
        rows.append(
            builders.event(
                time,
                event_id=f"call-{number}",
                event_name="RunInstances" if number % 5 == 0 else "DescribeInstances",
                read_only=number % 5 != 0,
                aws_region="eu-west-1" if number % 3 else "us-east-1",
                account_id="444455556666" if by_role else "111122223333",
                principal_arn=ROLE if by_role else DORA,
                principal_type="role" if by_role else "user",
                error_code=code,
                error_message=f"message {number}" if code else None,
            )
        )
    return rows


def sign_in(
    time: dt.datetime, outcome: str = "Success", mfa: str = "Yes", **columns: Any
) -> dict[str, Any]:
    """One console sign-in."""
    given = {
        "event_source": "signin.amazonaws.com",
        "event_name": "ConsoleLogin",
        "response_elements": json.dumps({"ConsoleLogin": outcome}),
        "additional_event_data": json.dumps({"MFAUsed": mfa}),
        "is_error": outcome == "Failure",
        "error_message": "Failed authentication" if outcome == "Failure" else None,
    }
    return builders.event(time, **(given | columns))


def hostile_tables() -> dict[str, list[dict[str, Any]]]:
    """Rows whose every free text is hostile."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number, text in enumerate(HOSTILE):
        for table, rows in _hostile(number, text).items():
            found.setdefault(table, []).extend(rows)
    return found


def _hostile(number: int, text: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table that bear a text wherever a text can stand."""
    time = SINCE + dt.timedelta(hours=number + 1)
    who = f"arn:aws:iam::111122223333:user/{text}"
    where = {
        "account_id": text,
        "aws_region": text,
        "event_source": text,
        "event_name": text,
    }
    call = builders.event(
        time,
        event_id=f"hostile-{number}",
        principal_arn=who,
        error_code=text if number % 2 else "AccessDenied",
        error_message=text,
        user_agent=text,
        source_ip_address=text,
        **where,
    )
    failure = sign_in(
        time,
        "Failure",
        event_id=f"sign-in-{number}",
        user_name=text,
        principal_arn=None,
        error_message=text,
        source_ip_address=text,
    )
    row = anomaly(
        time,
        series_key=str(number),
        title=text,
        explanation=text,
        error_code=text,
        principal_arn=who if number % 2 else None,
        evidence=evidence(
            event_ids=[text],
            sql=f"select 1 -- {text}",
            rate=None if number % 2 else rate(time, [1, 2, 3], unit=text),
        ),
        insight=json.dumps({"start": insight(text), "end": None}),
        **where,
    )
    lists = ("next_steps", "principal_arns", "people", "tactics", "techniques", "account_names")
    alert = {"anomaly_id": row["anomaly_id"], "state": "closed", "revision": 1}
    file = {"bucket": text, "key": text, "reason": text, "plan_id": 1}
    return {
        "events": [call, failure],
        "anomalies": [row],
        "incidents": [incident(row, title=text, story=text, **{name: [text] for name in lists})],
        "outbox": [
            alert
            | {"target": f"file:{text}", "outcome": "failed", "reason": text}
            | {"attempts": 2, "at": time}
        ],
        "log_files": [file | {"state": "partial", "kind": text, "ingested_at": time}],
        "quarantine": [
            file
            | {"record": number, "json_path": text, "detail": text, "content": b"{}"}
            | {"quarantined_at": time}
        ],
    }


def insight(value: str = DORA) -> dict[str, Any]:
    """A record in the shape of AWS's Insights events."""
    return {
        "eventType": "AwsCloudTrailInsight",
        "insightDetails": {
            "state": "Start",
            "insightContext": {
                "statistics": {
                    "baseline": {"average": 0.0183744258},
                    "insight": {"average": 12.4},
                    "insightDuration": 20,
                    "baselineDuration": 10667,
                },
                "attributions": [
                    {
                        "attribute": "userIdentityArn",
                        "insight": [{"value": value, "average": 12.4}],
                        "baseline": [{"value": value, "average": 0.0183744258}],
                    },
                    {
                        "attribute": "errorCode",
                        "insight": [{"value": "null", "average": 12.4}],
                        "baseline": [],
                    },
                ],
            },
        },
    }


def engine(folder: Path, **tables: Any) -> Engine:
    """An engine over these rows."""
    return builders.engine(folder, **tables)


def document(
    engine: Engine, *, top: int = 20, now: dt.datetime = NOW, voice: Voice = ENGLISH
) -> Document:
    """The report of all three days."""
    return sections.document(
        engine,
        since=SINCE,
        until=UNTIL,
        now=now,
        top=top,
        lake=LakeFacts("/srv/lake", 123_456, 7),
        voice=voice,
    )

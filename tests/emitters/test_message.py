"""An anomaly in words: nothing that an attacker wrote gets out of its line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.emitters.message import SUBJECT_CHARACTERS, ascii_line, body, subject
from tests.emitters.alerts import alert, incident

HOSTILE = st.text() | st.sampled_from(
    ["a\nseverity    low", "\x1b[2J", "\u202egnp.exe", "\r\nBcc: x@example.com", "😀", "\ud800"]
)


@settings(deadline=None)
@given(HOSTILE, st.integers(4, 200))
def test_an_ascii_line_is_printable_and_within_its_limit(text: str, limit: int) -> None:
    shown = ascii_line(text, limit)
    assert shown.isascii()
    assert not shown or shown.isprintable()
    assert len(shown) <= limit


@settings(deadline=None)
@given(HOSTILE)
def test_a_subject_is_what_sns_takes(title: str) -> None:
    shown = subject(alert(title=title))
    assert len(shown) <= SUBJECT_CHARACTERS
    assert shown.isascii()
    assert shown.isprintable()
    assert shown.startswith("[HIGH]")


def test_a_subject_tells_what_became_of_what_was_told() -> None:
    assert subject(alert(state="open", title="T")) == "[HIGH] T"
    # Most anomalies are over when they are found: that is no reason to call the first word on one "closed".
    assert subject(alert(state="closed", title="T")) == "[HIGH] T"
    assert subject(alert(state="closed", title="T", is_update=True)) == "[HIGH] closed: T"
    told = incident(state="escalated", severity="critical", title="T")
    assert subject(replace(told, is_update=True)) == "[CRITICAL] escalated: T"


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_a_body_has_the_same_lines_whatever_the_log_says(
    title: str, explanation: str, principal: str
) -> None:
    plain = alert(title="t", explanation="e", principal_arn="p")
    hostile = alert(title=title, explanation=explanation, principal_arn=principal or "p")
    shown = body(hostile, 250_000)
    assert len(shown.split("\n")) == len(body(plain, 250_000).split("\n"))
    assert not any(character in shown for character in "\x1b\r\u202e\u2028")
    data = json.loads(shown.rpartition("\n")[2])
    assert data["anomaly_id"] == hostile.anomaly_id
    assert data["explanation"] == explanation


def test_a_body_reads_and_parses() -> None:
    text, rule, data = body(alert(), 250_000).partition("-" * 60 + "\n")
    assert rule
    assert "severity    high" in text
    assert "API         ec2.amazonaws.com RunInstances" in text
    assert "    where event_name = 'RunInstances'" in text
    parsed = json.loads(data)
    assert parsed["evidence"]["events"] == 214
    assert "rate" not in parsed["evidence"]
    assert parsed["insight"]["start"] == {"eventName": "RunInstances"}
    assert parsed["schema"] == "1"


def test_a_large_body_loses_its_details_step_by_step_and_points_to_them() -> None:
    large: dict[str, Any] = {
        "insight": json.dumps({"start": {"x": "i" * 4_000}}),
        "evidence": json.dumps({"event_ids": ["e" * 36] * 100, "events": 100, "sql": "s" * 1_000}),
        "explanation": "w" * 3_000,
    }
    whole = body(alert(**large), 250_000)
    assert len(whole) > 14_000
    assert "shortened" not in whole
    for limit, kept, lost in [
        (14_000, "e" * 36, "i" * 100),
        (5_000, '"events": 100', "e" * 36),
        (1_500, "call_rate", "w" * 400),
    ]:
        shown = body(alert(**large), limit)
        assert len(shown.encode()) <= limit
        assert "This message is shortened." in shown
        assert "select * from lake.anomalies where anomaly_id" in shown
        assert kept in shown
        assert lost not in shown
        assert json.loads(shown.rpartition("\n")[2])["anomaly_id"] == alert().anomaly_id


@settings(deadline=None)
@given(st.text(alphabet="äöü😀", max_size=3_000), st.integers(10, 3_000))
def test_a_body_never_exceeds_its_limit(text: str, limit: int) -> None:
    assert len(body(alert(title=text, explanation=text), limit).encode()) <= limit


def test_an_incident_tells_its_story_and_what_to_look_at_next() -> None:
    text, _, data = body(incident(), 250_000).partition("-" * 60 + "\n")
    for line in (
        "  ci called RunInstances 214 times.",
        "  Then it made a key.",
        "account     111122223333, 444455556666",
        "API         ec2.amazonaws.com:RunInstances, iam.amazonaws.com:CreateAccessKey",
        "ATT&CK      T1098.001",
        "  - Ask who runs ci.",
        f"    ctanalytics incidents show {incident().anomaly_id}",
    ):
        assert f"\n{line}\n" in text
    parsed = json.loads(data)
    assert parsed["incident_id"] == incident().anomaly_id
    assert "anomaly_id" not in parsed
    assert parsed["incident"]["opened_at"] == "2024-05-02T06:00:00Z"


@given(HOSTILE)
def test_no_sentence_of_a_story_looks_like_a_line_of_ours(name: str) -> None:
    shown = body(incident(story=f"{name} made a key."), 250_000)
    lines = shown.partition("What to look at next")[0].split("\n")
    assert sum(line.startswith("severity    ") for line in lines) == 1


def test_an_incident_of_hundreds_of_accounts_fits_into_a_small_message() -> None:
    wide = incident(account_ids=[f"{n:012}" for n in range(400)], story="s" * 9_000)
    assert "and 396 more" in body(wide, 250_000)
    shown = body(wide, 4_000)
    assert len(shown.encode()) <= 4_000
    assert json.loads(shown.rpartition("\n")[2])["incident"] == {"anomalies": 2}

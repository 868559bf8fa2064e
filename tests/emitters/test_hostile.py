"""Text of a log in what machines are sent: data in its own field, and nothing more."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.emitters import eventbridge, logs, securityhub, sns, webhook
from ctanalytics.emitters.base import Account, Alert
from ctanalytics.emitters.cloudwatch import CloudWatch
from ctanalytics.emitters.document import fitting
from ctanalytics.emitters.eventbridge import EventBridge
from ctanalytics.emitters.finding import finding
from ctanalytics.emitters.sns import Sns
from ctanalytics.settings import Aws
from tests.emitters.alerts import NOW, alert
from tests.emitters.test_ocsf import faults

TOPIC = "arn:aws:sns:eu-west-1:111122223333:alerts"
TEXTS = st.sampled_from(
    [
        "\x1b[2J",
        "\u202egnp.exe",
        '","severity":"Low","x":"',
        "</script><script>alert(1)</script>",
        "'; drop table events; --",
        "\x00",
        "=1+1",
        "a\nseverity    low\n```\n<!channel>",
        " ",
        "x" * 5_000,
        "\x1b" * 2_000,
        "&" * 3_000,
        "ä😀" * 400,
    ]
) | st.text(st.characters(exclude_categories=["Cs"]))
"""No half surrogate pairs: Arrow, from which alerts come, holds none."""

Texts = tuple[str, str, str, str]


def hostile(test: Callable[[Texts], None]) -> Callable[[], None]:
    """Try a test on any texts, and on what once was too long or blank for a field."""
    tried = given(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS))(test)
    return settings(max_examples=20)(example(("\x1b" * 2_000, "&" * 3_000, " ", " "))(tried))


def told(title: str, explanation: str, name: str, principal: str) -> Alert:
    """An alert whose every text is of the log."""
    said = {"title": title, "explanation": explanation, "event_name": name, "event_source": name}
    arn = f"arn:aws:iam::111122223333:role/{principal}"
    account = Account("111122223333", title, explanation, None, name)
    return replace(alert(**said, principal_arn=arn, aws_region=name), accounts=(account,))


PLAIN = told("t", "e", "n", "p")


@hostile
def test_findings_have_the_same_shape_whatever_the_log_says(texts: Texts) -> None:
    one = told(*texts)
    found = finding(one)
    assert faults(found) == []
    named = texts[2] != ""  # an event without a name has no API
    if named:
        assert _shape(found) == _shape(finding(PLAIN))
    assert found["severity_id"] == finding(PLAIN)["severity_id"]
    asff = securityhub.finding(one, "111122223333", "arn", NOW)
    ordinary = securityhub.finding(PLAIN, "111122223333", "arn", NOW)
    assert asff.keys() | {"Action"} == ordinary.keys()
    assert asff["FindingProviderFields"] == ordinary["FindingProviderFields"]
    for document in (found, asff):
        assert json.loads(json.dumps(document).encode()) == document


LIMITS = {"Title": 256, "Description": 1_024, "GeneratorId": 512, "Api": 128, "ServiceName": 128}


@hostile
def test_security_hub_refuses_no_finding_for_what_the_log_says(texts: Texts) -> None:
    """It takes no blank text and none beyond its field: an alert could be silenced by a name."""
    asff = securityhub.finding(told(*texts), "111122223333", "arn", NOW)
    assert len(json.dumps(asff).encode()) < securityhub.MAX_FINDING_BYTES
    for field, text in _texts(asff):
        assert text.strip(), field
        assert len(text) <= LIMITS.get(field, 2_048), field
    for resource in asff["Resources"]:
        assert len(resource["Id"]) <= 512
        assert all(len(text) <= 256 for _, text in _texts(resource.get("Details", {})))


@hostile
def test_bodies_hold_the_same_fields_whatever_the_log_says(texts: Texts) -> None:
    one = told(*texts)
    entry, plain = Sns(TOPIC, Aws())._entry(one, 0), Sns(TOPIC, Aws())._entry(PLAIN, 0)
    assert entry["MessageAttributes"].keys() <= plain["MessageAttributes"].keys()
    for name in ("severity", "detector", "account_id", "state", "score"):
        assert entry["MessageAttributes"][name] == plain["MessageAttributes"][name]
    for attribute in entry["MessageAttributes"].values():
        assert _is_printable_ascii(attribute["StringValue"], 100)
    assert _is_printable_ascii(entry["Subject"], 99)
    assert len(entry["Message"].encode()) + 2_048 <= sns.MAX_BYTES
    event = EventBridge("default", Aws())._entry(one)
    assert (event["Source"], event["DetailType"]) == ("ctanalytics", "CloudTrail Anomaly")
    assert eventbridge._size(event) <= eventbridge.MAX_BYTES
    assert _shape(json.loads(event["Detail"])) == _shape(
        json.loads(EventBridge("default", Aws())._entry(PLAIN)["Detail"])
    )
    assert json.loads(event["Detail"])["explanation"] == texts[1]
    assert _is_printable_ascii(event["Detail"], eventbridge.MAX_BYTES)
    line = fitting(one, logs.MAX_EVENT_BYTES)
    assert _is_printable_ascii(line, logs.MAX_EVENT_BYTES)  # one line, one event
    metrics = CloudWatch("Security", Aws(), by_account=True, by_region=True)
    for (name, dimensions), (same, _) in zip(
        metrics._metrics(one), metrics._metrics(PLAIN), strict=bool(texts[2])
    ):
        assert name == same
        assert all(_is_printable_ascii(value, 255) and value.strip() for _, value in dimensions)


@hostile
def test_a_chat_shows_who_and_where_whatever_the_log_says(texts: Texts) -> None:
    shown: str = webhook._message(told(*texts))["text"]
    assert len(shown) < webhook.MAX_CHARACTERS + 2_000
    assert shown.count("```") == 2
    assert "<" not in shown
    assert ">" not in shown
    steering = ("Cc", "Cf", "Co", "Zl", "Zp")
    assert not [one for one in shown if one != "\n" and unicodedata.category(one) in steering]
    lines = shown.split("\n")
    assert lines.count("severity    high") == 1
    assert sum(line.startswith("account     111122223333") for line in lines) == 1


def _texts(document: Any, field: str = "") -> list[tuple[str, str]]:
    """The texts in a document, each with the name of its field."""
    if isinstance(document, dict):
        return [found for name, value in document.items() for found in _texts(value, name)]
    if isinstance(document, list):
        return [found for value in document for found in _texts(value, field)]
    return [(field, document)] if isinstance(document, str) else []


def _is_printable_ascii(text: str, most: int) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) <= most


def _shape(value: Any) -> Any:
    """The keys of a document, without the values."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else type(value)

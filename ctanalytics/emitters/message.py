"""An alert in words, for mail and chat: nothing in it can forge a line or a control character.

Names of principals, user agents and error messages are written by whoever makes the calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Account, Alert, moment
from ctanalytics.emitters.document import pointer, shorter

SUBJECT_CHARACTERS: Final = 99  # SNS: fewer than 100
_RULE: Final = "-" * 60
_SENTENCES: Final = (2_000, 2_000, 500, 100)  # characters of each, as the message gets shorter
_STORY_LINES: Final = 60
_OURS: Final = ("summary", "test")
"""Kinds of messages that are no finding."""


def ascii_line(text: str, limit: int) -> str:
    """Turn text into printable ASCII on one line; what is cut off ends in three dots."""
    shown = untrusted.one_line(text, limit=10 * limit)
    shown = shown.encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def headline(alert: Alert) -> str:
    """Return one line: severity, what became of it since it was told, title."""
    again = f" {alert.state}:" if alert.is_update else ""
    return f"[{alert.severity.upper()}]{again} {alert.title}"


def subject(alert: Alert) -> str:
    """Return the subject of a mail."""
    return ascii_line(headline(alert), SUBJECT_CHARACTERS)


def body(alert: Alert, max_bytes: int) -> str:
    """Return readable text, then the alert as one JSON object, within a size.

    What is too large is shortened step by step: first the insight, then the event ids and SQL,
    at last the sentences; a pointer tells where the rest is.
    """
    shown = ""
    for data, limit in zip(shorter(alert), _SENTENCES, strict=True):
        text = lines(alert, limit, shortened="shortened" in data)
        shown = "\n".join([*text, _RULE, json.dumps(data)])
        if len(shown.encode()) <= max_bytes:
            return shown
    return shown.encode()[:max_bytes].decode("utf-8", "ignore")


def lines(alert: Alert, limit: int = 2_000, *, shortened: bool = False) -> list[str]:
    """Return what a person reads of an alert, line by line.

    Args:
        limit: characters of a sentence; with less than 2,000 SQL is left out too.
        shortened: say that it is.
    """
    incident: Mapping[str, Any] = alert.incident or {}
    found = [untrusted.one_line(alert.title, limit=limit), "", *_sentences(alert, limit), ""]
    found += [f"{name:<12}{untrusted.one_line(value)}" for name, value in _facts(alert)] + [""]
    steps = incident.get("next_steps") or ()
    if steps:
        found += ["What to look at next:"]
        found += [f"  - {untrusted.one_line(step, limit=limit)}" for step in steps] + [""]
    statement = alert.evidence.get("sql")
    if limit >= 2_000 and isinstance(statement, str):
        found += ["All of its events:", *_indented(statement), ""]
    if shortened:
        found += ["This message is shortened.", ""]
    if alert.kind not in _OURS:
        noun = "incident" if incident else "anomaly"
        found += [f"The {noun} with all its evidence is in the lake:"]
        found += [*_indented(pointer(alert)), ""]
    return found


def _sentences(alert: Alert, limit: int) -> list[str]:
    """A story has a sentence a line, indented: a line break in a name can't begin one of ours."""
    if alert.incident is None and not alert.stands_for:
        return [untrusted.one_line(alert.explanation, limit=limit)]
    story = alert.explanation.splitlines()
    return [f"  {untrusted.one_line(sentence, limit=limit)}" for sentence in story[:_STORY_LINES]]


def account_text(account: Account) -> str:
    """Return an account's id with its name and environment, where they are known."""
    name = f" {account.account_name}" if account.account_name else ""
    return f"{account.account_id}{name}" + (
        f" ({account.environment})" if account.environment else ""
    )


def _facts(alert: Alert) -> Iterator[tuple[str, Any]]:
    """What there is to say in a word, each with its name."""
    yield from ((name, value) for name, value in _all_facts(alert) if value)


def _all_facts(alert: Alert) -> Iterator[tuple[str, Any]]:
    incident: Mapping[str, Any] = alert.incident or {}
    yield "severity", alert.severity
    if alert.kind in _OURS:
        return
    because = incident.get("closed_because")
    yield "state", f"{alert.state} ({because})" if because else alert.state
    found_by = ", ".join(alert.detectors)
    kinds = ", ".join(incident.get("kinds") or ()) or alert.kind
    yield "detector", f"{found_by} ({kinds}), score {alert.score:.1f}"
    yield "account", _some([account_text(account) for account in alert.accounts])
    yield "region", alert.aws_region or _some(incident.get("aws_regions"))
    api = " ".join(name for name in (alert.event_source, alert.event_name) if name)
    yield "API", api or _some(incident.get("apis"))
    yield "error", alert.error_code
    yield "principal", alert.principal_arn or _some(incident.get("principal_arns"))
    yield "network", _some(incident.get("networks"))
    yield "ATT&CK", _some(incident.get("techniques"))
    yield "from", moment(alert.started_at)
    yield "to", moment(alert.ended_at) if alert.ended_at else "still going on"
    yield "events", alert.evidence.get("events")
    noun = "incident" if incident else "anomaly"
    yield noun, f"{alert.anomaly_id}, revision {alert.revision}"


def _some(values: Any, most: int = 4) -> str:
    """The first of several values, and how many there are beside them."""
    found = [str(value) for value in values or ()]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def _indented(text: str) -> list[str]:
    # Indented, so that a line break inside a name can't begin a line that looks like ours.
    return [f"    {untrusted.one_line(line, limit=2_000)}" for line in text.splitlines()]

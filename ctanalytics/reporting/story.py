"""An incident's story in another language than the lake's, from the columns of its row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.reporting.retold import Told, principal
from ctanalytics.reporting.voice import Voice

_TOLD: Final = 3  # anomalies whose own sentence is part of the story
_NAMED: Final = 5  # names in a list of names
_AS_GRAVE: Final = re.compile(r"^How unusual: ([0-9,]+) incidents?", re.MULTILINE)
"""A line of ours: no text of a log begins one."""


def story(
    voice: Voice, row: Mapping[str, Any], texts: Mapping[str, Told]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Tell an incident.

    Args:
        row: of incidents/listed.
        texts: what the anomalies of the span are called, by id.

    Returns:
        Its title, its lines, and the lines as the lake has them where these are others.
    """
    stored = tuple(line for line in row["story"].splitlines() if line.strip())
    if voice.is_english:
        return row["title"], stored, ()
    ids = row["anomaly_ids"] or ()
    known = [texts[one] for one in texts if one in set(ids)]  # in their order, the gravest first
    lines = [*(one.explanation for one in known[:_TOLD])]
    left_out = len(ids) - len(lines)
    if lines and left_out:
        lines.append(_say(voice, "left_out", n=left_out))
    lines += [_who(voice, row), _where(voice, row), _when(voice, row), _together(voice, row)]
    lines.append(_unusual(voice, row["story"]))
    return _title(voice, row, known), tuple(line for line in lines if line), stored


def labels(voice: Voice) -> tuple[str, ...]:
    """Return what the lines of a story that a mail has room for begin with."""
    if voice.is_english:
        return ("Who: ", "Where: ", "When: ", "How unusual: ")
    lines = (voice.stored[f"story.{key}"] for key in ("who", "where", "when", "unusual"))
    return tuple(line.partition(": ")[0] + ": " for line in lines)


def _say(voice: Voice, key: str, **values: object) -> str:
    return voice.retell(f"story.{key}", values)


def _title(voice: Voice, row: Mapping[str, Any], known: Sequence[Told]) -> str:
    if not known:
        return str(row["title"])
    rest = len(row["anomaly_ids"]) - 1
    title = untrusted.one_line(known[0].title, limit=160)
    return _say(voice, "title", title=title, n=rest) if rest else title


def _who(voice: Voice, row: Mapping[str, Any]) -> str:
    arns = row["principal_arns"] or ()
    people = [name for name in row["people"] or () if name not in arns]
    parts = {
        "people": [principal(voice, name) for name in people],
        "keys": row["access_key_ids"] or (),
        "networks": row["networks"] or (),
    }
    said = {
        key: _say(voice, key, names=_names(voice, names)) if names else ""
        for key, names in parts.items()
    }
    who = _names(voice, [principal(voice, arn) for arn in arns])
    return _say(voice, "who", who=who or _say(voice, "nobody"), **said)


def _where(voice: Voice, row: Mapping[str, Any]) -> str:
    ids = row["account_ids"] or ()
    if not ids:
        return ""
    places = [
        account if account == name else _say(voice, "account", account=account, name=name)
        for account, name in zip(ids, row["account_names"] or ids, strict=False)
    ]
    regions = row["aws_regions"] or ()
    shown = _say(voice, "regions", names=_names(voice, regions)) if regions else ""
    return _say(voice, "where", places=_names(voice, places), regions=shown)


def _when(voice: Voice, row: Mapping[str, Any]) -> str:
    start, end = row["started_at"], row["ended_at"]
    values = {"start": voice.clock(start), "zone": voice.zone_name(start)}
    if end is None:
        return _say(voice, "when_open", **values)
    return _say(voice, "when", **values, length=voice.length(start, end))


def _together(voice: Voice, row: Mapping[str, Any]) -> str:
    many = len(row["anomaly_ids"] or ())
    if many < 2:
        return ""
    links = [voice.word(link) for link in row["linked_by"] or ()]
    shared = _say(voice, "shared", names=_names(voice, links)) if links else ""
    return _say(voice, "together", n=many, shared=shared)


def _unusual(voice: Voice, stored: str) -> str:
    if found := _AS_GRAVE.search(stored):
        return _say(voice, "unusual", n=int(found[1].replace(",", "")))
    return _say(voice, "unusual_never") if "How unusual: no incident" in stored else ""


def _names(voice: Voice, values: Iterable[str]) -> str:
    names = [untrusted.one_line(value, limit=120) for value in values]
    shown = voice.listed(names[:_NAMED])
    rest = len(names) - _NAMED
    return voice.say("list.more", names=shown, n=rest) if rest > 0 else shown

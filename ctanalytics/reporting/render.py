"""A document as HTML, Markdown and JSON: the same facts in three forms."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.reporting import charts, markdown
from ctanalytics.reporting.document import Cell, Column, Document, Fact, Figure, Section, Table
from ctanalytics.reporting.page import cell, environment_of, page
from ctanalytics.reporting.series import number
from ctanalytics.reporting.values import duration, show
from ctanalytics.reporting.voice import Voice

FORMAT = "ctanalytics-report"
FORMAT_VERSION = 1

NUMBERS = ("count", "bytes", "share", "rate")
_CELL_CHARACTERS = 300


def html(document: Document, *, more: Mapping[str, Callable[..., Any]] | None = None) -> str:
    """Render one self-contained page: no script, no network, everything from a log escaped.

    Args:
        more: filters in the place of those that all reports have.
    """
    return page(
        "report.html.j2",
        ("report.css",),
        filters={**filters(document.voice), **(more or {})},
        names=NAMES,
        voice=document.voice,
        document=document,
    )


def filters(voice: Voice) -> dict[str, Callable[..., Any]]:
    """Return the filters that the parts of a report need, besides those of all pages."""
    return {
        "bar": charts.bar,
        "cell": partial(_html_cell, voice=voice),
        "chart": partial(charts.svg, voice=voice),
        "trend": partial(charts.trend, voice=voice),
    }


def text(document: Document) -> str:
    """Render Markdown that reads well as it is and can't turn log content into markup."""
    environment = environment_of(_markdown_value, autoescape=False)
    environment.filters.update(block=markdown.block, code=markdown.code, word=document.voice.word)
    voice = document.voice
    environment.globals.update(
        # What they make of numbers and times needs no escape.
        duration=lambda start, end: markdown.Raw(duration(start, end, voice)),
        number=lambda value: markdown.Raw(number(value)),
        say=partial(_markdown_said, voice),
        show=partial(_markdown_show, voice=voice),
        table=partial(_markdown_table, voice=voice),
        voice=voice,
        word=voice.word,
    )
    text: str = environment.get_template("report.md.j2").render(document=document)
    return text


def data(document: Document) -> str:
    """Render JSON in ASCII, so that no terminal acts on what a log says."""
    return json.dumps(_plain_document(document), indent=1, sort_keys=False) + "\n"


def _html_cell(value: Cell, kind: str, voice: Voice) -> str:
    """A value in a table, of a time only the minute."""
    if isinstance(value, dt.datetime):
        return voice.minute(value)
    return cell(voice.word(value) if kind == "word" and isinstance(value, str) else value, kind)


def _markdown_said(voice: Voice, key: str, /, **values: object) -> markdown.Raw:
    """What the catalogue says, with values escaped as anywhere in the text."""
    shown = {name: _markdown_value(value) for name, value in values.items()}
    return markdown.Raw(voice.say(key, **shown))


def _markdown_value(value: Any) -> Any:
    if isinstance(value, markdown.Raw) or not isinstance(value, str):
        return value
    return markdown.text(value)


def _markdown_show(value: Cell, kind: str, voice: Voice) -> markdown.Raw:
    shown = untrusted.one_line(show(value, kind, voice), limit=_CELL_CHARACTERS)
    if not isinstance(value, str):
        return markdown.Raw(shown)
    return markdown.code(shown) if kind == "code" else markdown.text(shown)


def _markdown_table(table: Table, voice: Voice) -> markdown.Raw:
    columns = [column for column in table.columns if column.kind != "trend"]
    aligned = ["---:" if column.kind in NUMBERS else "---" for column in columns]
    shown = (
        voice.say("further.shown", shown=len(table.rows), found=table.found)
        if table.left_out
        else ""
    )
    lines = [
        f"**{markdown.text(table.caption)}**{shown}\n",
        _markdown_line([markdown.text(column.label) for column in columns]),
        _markdown_line(aligned),
    ]
    lines += [
        _markdown_line([_markdown_show(row[column.name], column.kind, voice) for column in columns])
        for row in table.rows
    ]
    return markdown.Raw("\n".join(lines) + "\n")


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _largest(table: Table, column: Column) -> float:
    values = [row[column.name] for row in table.rows]
    return max((value for value in values if isinstance(value, int | float)), default=0)


NAMES: Final[Mapping[str, Callable[..., Any]]] = {"largest": _largest, "number": number}
"""What the parts of a report call, besides what all pages have."""


def _plain_document(document: Document) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ctanalytics_version": document.version,
        "generated_at": _iso(document.generated_at),
        "since": _iso(document.since),
        "until": _iso(document.until),
        "language": document.voice.language,
        "timezone": document.voice.timezone,
        "headline": document.headline,
        "facts": _plain_facts(document.facts),
        "severities": dict(document.severities),
        "withdrawn": document.withdrawn,
        "incidents": [_plain(incident) for incident in document.incidents],
        "further_incidents": document.further_incidents,
        "anomalies": [_plain(entry) for entry in document.entries],
        "further_anomalies": _plain_table(document.further) if document.further else None,
        "sections": {section.name: _plain_section(section) for section in document.sections},
        "notes": list(document.notes),
    }


def _plain_section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "sentences": list(section.sentences),
        "facts": _plain_facts(section.facts),
        "figures": {figure.name: _plain(figure) for figure in section.figures},
        "tables": {table.name: _plain_table(table) for table in section.tables},
    }


def _plain_facts(facts: tuple[Fact, ...]) -> dict[str, Any]:
    return {fact.name: _plain(fact.value) for fact in facts}


def _plain_table(table: Table) -> dict[str, Any]:
    return {
        "caption": table.caption,
        "found": table.found,
        "rows": [{name: _plain(value) for name, value in row.items()} for row in table.rows],
    }


def _plain(value: Any) -> Any:
    """Turn dataclasses, tuples and times into what JSON has."""
    if isinstance(value, dt.datetime):
        return _iso(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no infinity
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Figure):
        points = [[_iso(start), one, two] for start, one, two in value.points]
        named = {name: _plain(getattr(value, name)) for name in _names(value) if name != "points"}
        return named | {"points": points}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in _names(value)}
    return value


def _names(value: Any) -> list[str]:
    return list(value.__dataclass_fields__)


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")

"""A document as HTML, Markdown and JSON: the same facts in three forms."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ctanalytics import untrusted
from ctanalytics.reporting import charts, markdown
from ctanalytics.reporting.document import Cell, Column, Document, Fact, Figure, Section, Table
from ctanalytics.reporting.series import clock, number

FORMAT = "ctanalytics-report"
FORMAT_VERSION = 1

NUMBERS = ("count", "bytes", "share", "rate")
_CELL_CHARACTERS = 300
_TEXT_CHARACTERS = 180
_BREAKS = re.compile(r"([:/])(?=\w)")
_SQL_CHARACTERS = 20_000


def html(document: Document) -> str:
    """Render one self-contained page: no script, no network, everything from a log escaped."""
    style = _template_text("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = _environment(autoescape=True, finalize=_html_value)
    environment.filters.update(
        bar=charts.bar,
        cell=_html_cell,
        chart=charts.svg,
        code=_html_code,
        trend=charts.trend,
        sql=_html_sql,
    )
    return environment.get_template("report.html.j2").render(
        document=document,
        style=Markup(style),  # noqa: S704 - a file of ours
        style_hash=digest,
    )


def text(document: Document) -> str:
    """Render Markdown that reads well as it is and can't turn log content into markup."""
    environment = _environment(autoescape=False, finalize=_markdown_value)
    environment.filters.update(block=markdown.block, code=markdown.code)
    environment.globals.update(
        # What they make of numbers and times needs no escape.
        duration=lambda start, end: markdown.Raw(duration(start, end)),
        number=lambda value: markdown.Raw(number(value)),
        show=_markdown_show,
        table=_markdown_table,
    )
    page: str = environment.get_template("report.md.j2").render(document=document)
    return page


def data(document: Document) -> str:
    """Render JSON in ASCII, so that no terminal acts on what a log says."""
    return json.dumps(_plain_document(document), indent=1, sort_keys=False) + "\n"


def show(value: Cell, kind: str) -> str:
    """Show a value for people by its kind; what is not there is a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dt.datetime):
        return clock(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "share":
            return f"{value:.1%}"
        if kind == "bytes":
            return _bytes(value)
        return f"{value:,}" if isinstance(value, int) else number(value)
    return str(value)


def duration(start: dt.datetime, end: dt.datetime) -> str:
    """Say how long something took, in at most two units."""
    seconds = int((end - start).total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _environment(**options: Any) -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701 - Markdown has an escape of its own
        loader=jinja2.PackageLoader("ctanalytics.reporting"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.globals.update(duration=duration, largest=_largest, show=show, number=number)
    return environment


def _html_value(value: Any) -> Any:
    """Make control and bidi characters visible in every value; Jinja escapes it afterwards."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return untrusted.terminal(value)
    return value


def _html_code(value: object) -> Markup:
    """An identifier of a log: kept apart from the direction of the text around it."""
    shown = str(escape(untrusted.one_line(value, limit=_CELL_CHARACTERS)))
    # Lines may break after the marks that part an ARN, rather than anywhere.
    return Markup("<bdi><code>{}</code></bdi>").format(
        Markup(_BREAKS.sub(r"\1<wbr>", shown))  # noqa: S704 - escaped above
    )


def _html_cell(value: Cell, kind: str) -> str:
    """A value in a table: on one line, cut to what a reader takes in."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")
    return untrusted.one_line(show(value, kind), limit=_TEXT_CHARACTERS)


def _html_sql(value: str) -> Markup:
    return escape(untrusted.terminal(value, limit=_SQL_CHARACTERS))


def _markdown_value(value: Any) -> Any:
    if isinstance(value, markdown.Raw) or not isinstance(value, str):
        return value
    return markdown.text(value)


def _markdown_show(value: Cell, kind: str) -> markdown.Raw:
    shown = untrusted.one_line(show(value, kind), limit=_CELL_CHARACTERS)
    if not isinstance(value, str):
        return markdown.Raw(shown)
    return markdown.code(shown) if kind == "code" else markdown.text(shown)


def _markdown_table(table: Table) -> markdown.Raw:
    columns = [column for column in table.columns if column.kind != "trend"]
    aligned = ["---:" if column.kind in NUMBERS else "---" for column in columns]
    shown = f" ({len(table.rows):,} of {table.found:,})" if table.left_out else ""
    lines = [
        f"**{markdown.text(table.caption)}**{shown}\n",
        _markdown_line([markdown.text(column.label) for column in columns]),
        _markdown_line(aligned),
    ]
    lines += [
        _markdown_line([_markdown_show(row[column.name], column.kind) for column in columns])
        for row in table.rows
    ]
    return markdown.Raw("\n".join(lines) + "\n")


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _largest(table: Table, column: Column) -> float:
    values = [row[column.name] for row in table.rows]
    return max((value for value in values if isinstance(value, int | float)), default=0)


def _bytes(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@cache
def _template_text(name: str) -> str:
    return resources.files("ctanalytics.reporting").joinpath("templates", name).read_text("utf-8")


def _plain_document(document: Document) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ctanalytics_version": document.version,
        "generated_at": _iso(document.generated_at),
        "since": _iso(document.since),
        "until": _iso(document.until),
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

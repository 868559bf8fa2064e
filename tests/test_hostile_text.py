"""Hostile values in every text that people control, and every output run over them.

Log content is an attacker's. What a terminal, a browser, a spreadsheet or a SQL prompt gets of it
is harmless, and JSON holds the original.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from markdown_it import MarkdownIt

from ctanalytics.lake.lake import Lake
from tests import builders
from tests.cli import runner
from tests.reporting import scene

INJECTED = "x'; drop table events; --"
VALUES = (
    *scene.HOSTILE,
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    INJECTED,
    '"; select 1; --',
    "../../../etc/passwd",
    "$(id)`id`;|&",
    "\x9b31m\x85\u2028\u2029",
)
STEERING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
SINCE = "2026-11-10"
WHO = "arn:aws:iam::111122223333:role/"


@dataclass(frozen=True)
class Place:
    """A lake of hostile texts, and the ids under which to ask for them."""

    home: Path
    anomaly: str
    incident: str

    def run(self, *arguments: str) -> runner.Ran:
        """Run a command over the lake; it does its work, whatever the lake says."""
        ran = runner.run(*arguments, "--lake", "lake", cwd=self.home)
        assert ran.code in (0, 3), ran.err
        return ran


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    home = tmp_path_factory.mktemp("hostile")
    lake = Lake.create(home / "lake")
    tables = scene.hostile_tables()
    for number, text in enumerate(VALUES):
        tables["events"].append(
            builders.event(
                scene.SINCE + dt.timedelta(hours=2, minutes=number),
                event_id=f"text-{number}",
                principal_arn=WHO + text,
                identity_arn=WHO + text,
                actor=WHO + text,
                access_key_id=f"AKIAIOSFODNN7EXAMPLE{text}" if number else "AKIAIOSFODNN7EXAMPLE",
                source_ip_address=text if number else "203.0.113.9",
                user_agent=text,
                error_message=text,
                request_parameters=json.dumps({"bucketName": "logs", "roleName": text}),
                read_only=False,
                is_error=False,
            )
        )
    nul = builders.event(
        scene.SINCE, event_id="nul\0'id", read_only=False, request_parameters='{"a":"logs"}'
    )
    tables["events"].append(nul)
    row = scene.anomaly(title=VALUES[0], explanation=VALUES[7], principal_arn=WHO + VALUES[7])
    found = scene.incident(row, title=VALUES[7], story=VALUES[6])
    tables["anomalies"].append(row)
    tables["incidents"].append(found)
    for name, rows in tables.items():
        lake.append(name, pa.Table.from_pylist(rows, builders.SCHEMAS[name]))
    (home / "iocs.txt").write_text("203.0.113.9\nAKIAIOSFODNN7EXAMPLE\naws-cli/*\n")
    return Place(home, row["anomaly_id"], found["incident_id"])


ASKED = [
    pytest.param(["query", "select * exclude (event_date) from events"], id="query"),
    pytest.param(["show", "text-7"], id="show"),
    pytest.param(["hunt", "--iocs", "iocs.txt"], id="hunt"),
    pytest.param(["timeline", "logs"], id="timeline"),
    pytest.param(["explain", "{anomaly}"], id="explain"),
    pytest.param(["incidents", "list"], id="incidents-list"),
    pytest.param(["incidents", "show", "{incident}"], id="incidents-show"),
]


@pytest.mark.parametrize("asked", ASKED)
def test_a_terminal_is_not_steered_and_json_is_json(place: Place, asked: list[str]) -> None:
    words = [word.format(anomaly=place.anomaly, incident=place.incident) for word in asked]
    ran = place.run(*words)
    assert ran.out
    assert _steering(ran.out + ran.err) == set()
    told = place.run(*words, "--json")
    json.loads(told.out)
    assert _steering(told.out + told.err) == set()


def test_json_holds_the_original_and_so_does_every_other_form(place: Place) -> None:
    sql = "select user_agent from events where event_id like 'text-%' order by event_time"
    rows = json.loads(place.run("query", sql, "--json").out)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    assert [row["user_agent"] for row in rows] == list(VALUES)
    cells = place.run("query", sql, "--format", "csv").out
    held = [row[0] for row in csv.reader(io.StringIO(cells, newline=""))][1:]
    assert not [cell for cell in held if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    table = place.run("query", sql, "--format", "markdown").out
    assert _steering(table) == set()
    inner = [one for token in MARKDOWN.parse(table) for one in token.children or ()]
    assert {one.type for one in inner} <= {"text", "code_inline", "text_special"}
    assert len(table.strip().splitlines()) == 2 + len(VALUES)


class _Page(HTMLParser):
    """Collects what would run."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base"):
            self.running.append(tag)
        for name, value in attrs:
            if name.startswith("on") or "javascript:" in (value or "").lower():
                self.running.append(f"{tag} {name}={value}")


def test_pages_run_nothing_of_a_log_and_sql_to_copy_is_one_select(place: Place) -> None:
    place.run("report", "--since", SINCE, "--until", "2026-11-13", "--output", "report")
    case = ["investigate", "--principal", WHO + INJECTED, "--since", SINCE, "--output", "case"]
    assert _steering(place.run(*case).out) == set()
    place.run("timeline", "logs", "--html", "timeline.html")
    pages = sorted(place.home.rglob("*.html"))
    assert [path.stem for path in pages] == ["investigation", "report", "timeline"]
    for path in pages:
        text, reader = path.read_text("utf-8"), _Page()
        reader.feed(text)
        assert reader.running == [], path.name  # our own pages run nothing either
        written = "drop table events" if path.stem == "investigation" else "&lt;script"
        assert written in text, path.name  # what was logged is there, as text
        assert _steering(text) == set(), path.name
    found = json.loads((place.home / "case" / "investigation.json").read_text())
    statements = list(_members(found, "sql"))
    assert statements
    for text in statements:
        (one,) = duckdb.extract_statements(text)
        assert one.type == duckdb.StatementType.SELECT
    quoted = INJECTED.replace("'", "''")
    assert any(quoted in text for text in statements)


def _members(found: dict[str, Any] | list[Any], name: str) -> Iterator[str]:
    """Texts of the mappings of that name, however deep they lie."""
    if isinstance(found, dict):
        yield from found.get(name, {}).values()
    for value in found.values() if isinstance(found, dict) else found:
        if isinstance(value, dict | list):
            yield from _members(value, name)


def _steering(text: str) -> set[str]:
    """Characters that move a cursor, turn or hide text."""
    return {
        repr(one) for one in text if one not in "\n\t" and unicodedata.category(one) in STEERING
    }

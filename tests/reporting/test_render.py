from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import itertools
import json
import operator
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ctanalytics import untrusted
from ctanalytics.reporting import render, values
from ctanalytics.reporting.document import Document
from tests.reporting import scene

VOID = frozenset(("meta", "wbr"))
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "header",
        "p",
        "h1",
        "ul",
        "li",
        "strong",
        "dl",
        "div",
        "dt",
        "dd",
        "span",
        "nav",
        "main",
        "section",
        "h2",
        "ol",
        "article",
        "h3",
        "bdi",
        "code",
        "figure",
        "figcaption",
        "svg",
        "g",
        "path",
        "rect",
        "line",
        "text",
        "details",
        "summary",
        "pre",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "wbr",
        "footer",
    ]
)


class Page(HTMLParser):
    """Reads a page: its tags with attributes, its text, and whether all that opens also closes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Document:
    with scene.engine(tmp_path_factory.mktemp("hostile"), **scene.hostile_tables()) as engine:
        return scene.document(engine)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Twenty anomalies over ordinary calls, each with 100 event ids and a rate of 576 points."""
    rows = []
    for number in range(20):
        start = scene.SINCE + dt.timedelta(hours=30 + number)
        series = scene.rate(
            start - dt.timedelta(hours=24), [float(i % 7) for i in range(288)] + [40.0] * 288
        )
        ids = [f"5b6f0d0e-2d5e-4b5f-9b52-{number:04d}{i:08d}" for i in range(100)]
        rows.append(
            scene.anomaly(
                start,
                series_key=str(number),
                severity=["critical", "high", "medium", "low"][number % 4],
                evidence=scene.evidence(event_ids=ids, events=343, rate=series),
                insight=json.dumps({"start": scene.insight(), "end": None}),
            )
        )
    folder = tmp_path_factory.mktemp("usual")
    with scene.engine(folder, events=scene.calls(), anomalies=rows) as engine:
        return scene.document(engine)


@pytest.fixture(scope="module")
def usual_page(usual: Document) -> str:
    return render.html(usual)


@pytest.fixture(scope="module")
def hostile_page(hostile: Document) -> Page:
    return Page(render.html(hostile))


def visible(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_hostile_text_adds_no_element_and_no_attribute(hostile_page: Page) -> None:
    assert hostile_page.open == []
    assert {tag for tag, _ in hostile_page.tags} <= TAGS
    for tag, attributes in hostile_page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "style", "srcdoc", "action", "xlink:href", "srcset")
            if name == "href":
                assert value.startswith("#")


@pytest.mark.parametrize("text", scene.HOSTILE)
def test_hostile_text_is_shown_as_text(hostile_page: Page, text: str) -> None:
    assert visible(untrusted.one_line(text)) in visible(hostile_page.text)


@pytest.mark.parametrize("form", [render.html, render.text, render.data])
def test_no_control_or_bidi_character_is_left(hostile: Document, form: Any) -> None:
    unwanted = {
        character
        for character in form(hostile)
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    }
    assert unwanted == set()


def test_hostile_text_stays_text_in_markdown(hostile: Document) -> None:
    page = render.text(hostile)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    kinds = {token.type for token in tokens}
    for token in tokens:
        kinds |= {child.type for child in token.children or ()}
    assert not kinds & {"html_inline", "html_block", "link_open", "image"}
    headings = sum(token.type == "heading_open" for token in tokens)
    # Title, incidents, anomalies; one of each incident, anomaly and section.
    parts = (hostile.incidents, hostile.entries, hostile.sections)
    assert all(parts)
    assert headings == 3 + sum(map(len, parts))
    # What readers turn into links without any markup.
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page, flags=re.DOTALL)
    assert not re.search(r"https?://|www\.\w|\w@\w", prose)


def test_every_row_of_a_markdown_table_has_all_its_cells(hostile: Document) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(render.text(hostile))
    width, cells = 0, 0
    rows = 0
    for token in tokens:
        if token.type == "thead_open":
            width = 0
        elif token.type == "th_open":
            width += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == width
            rows += 1
    tables = [table for section in hostile.sections for table in section.tables]
    assert rows == 1 + sum(len(table.rows) for table in tables)


def test_json_keeps_hostile_text_exactly(hostile: Document) -> None:
    text = render.data(hostile)
    assert text.isascii()
    titles = {entry["title"] for entry in json.loads(text)["anomalies"]}
    assert titles == set(scene.HOSTILE)


def test_policy_allows_this_style_alone(usual_page: str) -> None:
    page = usual_page
    policy = next(
        attributes["content"]
        for attributes in Page(page).all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    style = page.split("<style>", 1)[1].split("</style>", 1)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_page_of_twenty_anomalies_is_small(usual: Document, usual_page: str) -> None:
    assert len(usual.entries) == 20
    assert len(usual_page.encode()) < 3_000_000
    assert 20 < len([tag for tag in Page(usual_page).all("svg") if tag["class"] == "chart"]) <= 30


def test_same_facts_in_all_three_forms(usual: Document, usual_page: str) -> None:
    page, prose, data = (
        Page(usual_page).text,
        render.text(usual),
        json.loads(render.data(usual)),
    )
    assert data["headline"] == usual.headline
    for text in (page, prose):
        assert usual.headline in text
        assert text.count("dora made 310 calls in 10 minutes") == 20
        assert f"{usual.events:,}" in text
        for section in usual.sections:
            assert section.title in text
    assert data["facts"]["events"] == usual.events
    assert [entry["anomaly_id"] for entry in data["anomalies"]] == [
        entry.anomaly_id for entry in usual.entries
    ]
    assert data["sections"].keys() == {section.name for section in usual.sections}


def test_page_reads_well_without_eyes(usual_page: str) -> None:
    page = Page(usual_page)
    assert page.all("html") == [{"lang": "en"}]
    for svg in page.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(th == {"scope": "col"} or th.get("class") == "number" for th in page.all("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)


SHAPE = {
    (): "format format_version ctanalytics_version generated_at since until language timezone headline "
    "facts severities withdrawn incidents further_incidents anomalies further_anomalies sections notes",
    ("severities",): "critical high medium low info",
    ("facts",): "events accounts principals apis errors denied_calls",
    ("anomalies", 0): "anomaly_id severity detector kind state revision title explanation original "
    "score p_value started_at ended_at detected_at account_id aws_region event_source event_name "
    "error_code principal_arn events event_ids sql figure insight alerts",
    ("sections",): "activity first_seen errors sign_ins insights set_aside health",
    ("sections", "activity"): "title sentences facts figures tables",
    ("sections", "activity", "tables"): "users apis regions accounts",
    ("sections", "activity", "tables", "users", "rows", 0): "principal account_id principal_type "
    "calls writes errors denied_calls regions addresses last_seen trend",
}
"""Where in the JSON -> its keys, in their order."""


def test_json_has_the_documented_shape(usual: Document) -> None:
    data = json.loads(render.data(usual))
    for path, keys in SHAPE.items():
        found = functools.reduce(operator.getitem, path, data)
        assert list(found) == keys.split(), path
    assert (data["format"], data["format_version"]) == ("ctanalytics-report", 1)
    assert (data["since"], data["until"]) == ("2026-11-10T00:00:00Z", "2026-11-13T00:00:00Z")


def test_same_lake_and_time_give_the_same_bytes(tmp_path: Path) -> None:
    tables = scene.hostile_tables()
    tables["events"] = tables["events"] + scene.calls()
    found = []
    for threads, name in ((1, "one"), (2, "two")):
        (tmp_path / name).mkdir()
        with scene.engine(tmp_path / name, **tables) as engine:
            engine.connection.execute(f"set threads = {threads}")
            document = scene.document(engine)
        found.append([form(document) for form in (render.html, render.text, render.data)])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        pytest.param(None, "count", "–", id="nothing"),
        pytest.param(0, "count", "0", id="zero"),
        pytest.param(1_234_567, "count", "1,234,567", id="thousands"),
        pytest.param(0.1234, "share", "12.3%", id="share"),
        pytest.param(0.0183744258, "rate", "0.0184", id="small-rate"),
        pytest.param(999, "bytes", "999 B", id="bytes"),
        pytest.param(1_500_000, "bytes", "1.5 MB", id="megabytes"),
        pytest.param(dt.date(2026, 11, 10), "date", "2026-11-10", id="date"),
        pytest.param(scene.SINCE, "time", "2026-11-10 00:00", id="minute"),
        pytest.param(scene.SINCE + dt.timedelta(seconds=7), "time", "2026-11-10 00:00:07", id="second"),
    ],
)  # fmt: skip
def test_values_are_shown_by_their_kind(value: Any, kind: str, shown: str) -> None:
    assert values.show(value, kind) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (1500, "25 min"), (5400, "1 h 30 min"), (1_209_600, "14 d")],
)
def test_durations_are_said_in_two_units(seconds: int, shown: str) -> None:
    assert values.duration(scene.SINCE, scene.SINCE + dt.timedelta(seconds=seconds)) == shown


def test_charts_are_loaded_only_when_one_is_drawn() -> None:
    code = (
        "import sys, ctanalytics.reporting.render as r;"
        "print([m for m in ('altair', 'vl_convert', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

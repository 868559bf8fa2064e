from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from ctanalytics.app.serve import routes
from ctanalytics.app.serve.fields import Fields
from ctanalytics.app.serve.guard import guard
from ctanalytics.app.serve.http import MAX_BYTES, SEALED, STRICT, Response, page
from ctanalytics.app.serve.lakes import AT_ONCE, TimedLake
from ctanalytics.app.serve.site import Site
from ctanalytics.reporting.voice import catalogue
from tests.app.serve import scene
from tests.reporting.scene import DORA, HOSTILE

ELEMENTS = frozenset(
    [
        "a",
        "article",
        "bdi",
        "body",
        "button",
        "caption",
        "code",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "form",
        "g",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "input",
        "label",
        "li",
        "line",
        "link",
        "main",
        "meta",
        "nav",
        "ol",
        "option",
        "p",
        "path",
        "pre",
        "rect",
        "section",
        "select",
        "span",
        "strong",
        "style",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
        "wbr",
        "br",
    ]
)
SPAN = "since=2026-11-10&until=2026-11-13"
PAGES = [
    "/",
    f"/events?{SPAN}",
    f"/anomalies?{SPAN}",
    f"/incidents?{SPAN}",
    f"/anomaly?id={scene.SURGE['anomaly_id']}",
    f"/incident?id={scene.FOUND['incident_id']}",
    "/event?id=call-3",
    "/event?id=hostile-0",
    "/report?day=2026-11-11",  # the hostile day has two dozen charts, and is for the browser tests
]


Pages = Mapping[str, str]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return scene.site(scene.lake(tmp_path_factory.mktemp("pages")))


@pytest.fixture(scope="module")
def pages(here: Site) -> Pages:
    """Each page made once: a report has two dozen charts."""
    return {path: scene.text(here, path) for path in PAGES}


class Parsed(HTMLParser):
    """What a browser would make of a page: its elements, attributes and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name in ("href", "action")]


@pytest.mark.parametrize("path", PAGES)
def test_hostile_log_content_stays_text(pages: Pages, path: str) -> None:
    parsed = Parsed(pages[path])
    assert parsed.elements <= ELEMENTS
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name == "style"]
    assert all(link.startswith((f"/{scene.SECRET}/", "#")) for link in parsed.links())
    text = "".join(parsed.words)
    assert not re.search("[\x00\x1b\u202e\u2066\u200f]", text)


def test_every_link_leads_to_a_page_that_is_known(pages: Pages) -> None:
    paths = {
        link.removeprefix(f"/{scene.SECRET}").partition("?")[0]
        for path in PAGES
        for link in Parsed(pages[path]).links()
        if not link.startswith("#")
    }
    assert paths <= {*routes.PAGES, "/style.css"}
    assert {*routes.PAGES} - paths == {"/stored"}  # no report is stored here


def test_hostile_text_in_the_search_comes_back_as_text(here: Site) -> None:
    names = ("principal", "api", "account", "error", "region")
    given = "&".join(f"{name}={quote(text)}" for name, text in zip(names, HOSTILE, strict=False))
    parsed = Parsed(scene.text(here, f"/events?{SPAN}&{given}"))
    assert parsed.elements <= ELEMENTS
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert {("value", text) for text in HOSTILE[:5]} <= {*parsed.attributes}


def test_a_search_shows_what_it_found_and_leads_on(here: Site) -> None:
    page = scene.text(here, f"/events?{SPAN}&principal=dora&api=RunInstances")
    assert "60 events" in page
    assert "1–50 of 60" in page
    next_page = re.search(r'rel="next" href="/secret([^"]+)"', page)
    assert next_page
    rest = scene.text(here, next_page[1].replace("&amp;", "&"))
    assert "51–60 of 60" in rest
    assert 'rel="prev"' in rest
    assert 'rel="next"' not in rest


def test_an_anomaly_names_its_incident_its_chart_and_its_facts(pages: Pages) -> None:
    page = pages[f"/anomaly?id={scene.SURGE['anomaly_id']}"]
    assert scene.SURGE["title"] in page
    assert f"/incident?id={scene.FOUND['incident_id']}" in page
    assert '<svg class="chart"' in page
    assert "select *" in page


def test_an_event_is_shown_whole_and_its_caller_can_be_investigated(pages: Pages) -> None:
    page = pages["/event?id=call-3"]
    assert DORA in page.replace("<wbr>", "")
    assert f"/secret/principal?name={quote(DORA, safe='')}" in page


def test_the_report_of_a_day_leads_on_by_its_identifiers(pages: Pages) -> None:
    page = pages["/report?day=2026-11-11"]
    assert f'href="/secret/principal?name={quote(DORA, safe="")}"' in page
    assert 'href="/secret/events?account=111122223333"' in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/../../etc/passwd", 404),
        ("//etc/passwd", 404),
        ("/style.css/../report", 404),
        ("/event", 400),
        ("/event?id=none", 404),
        ("/anomaly?id=zz", 400),
        ("/incident?id=" + "0" * 32, 400),
        ("/report?day=2026-13-01", 400),
        ("/stored?day=../../2026-11-10", 400),
        ("/stored?day=2026-11-10", 404),
        ("/anomalies?severity=dire", 400),
        ("/events?since=2026-11-11&until=2026-11-10", 400),
    ],
)
def test_what_is_not_there_is_told_on_a_page(here: Site, path: str, status: int) -> None:
    response = scene.ask(here, path)
    assert response.status == status
    assert b"/etc" not in response.body or b"passwd" not in response.body
    assert Parsed(response.body.decode()).elements <= ELEMENTS


def test_every_response_bears_the_headers_that_guard_the_reader(here: Site) -> None:
    for path in ("/style.css", "/nothing", "/event"):
        headers = scene.ask(here, path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
    refused = scene.ask(here, "/", host="evil.example")
    assert (refused.status, refused.headers["X-Frame-Options"]) == (421, "DENY")
    assert scene.ask(here, "/event").policy == STRICT


def test_the_report_of_a_night_is_shown_sealed(here: Site, tmp_path: Path) -> None:
    place = tmp_path / "reports" / "2026-11-10"
    place.mkdir(parents=True)
    (place / "report.html").write_text("<p>stored<script>alert(1)</script>")
    (tmp_path / "reports" / "2026-99-99").mkdir()
    (tmp_path / "reports" / "2026-99-99" / "report.html").write_text("no day")
    with_reports = scene.site(
        Path(here.settings.lake), **{"report.output": str(tmp_path / "reports")}
    )
    response = scene.ask(with_reports, "/stored?day=2026-11-10")
    assert response.status == 200
    assert response.body.startswith(b"<p>stored")
    assert response.policy == SEALED
    assert SEALED.endswith("; sandbox")
    assert "/secret/stored?day=2026-11-10" in scene.text(with_reports, "/")


def test_a_page_that_takes_too_long_is_stopped(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = scene.site(Path(here.settings.lake), **{"serve.timeout_seconds": 0.3})

    def endless(_site: Site, lake: TimedLake, _fields: Fields) -> Response:
        # As an investigation does: the session that takes too long is made of the lake's own.
        with lake.engine() as engine, dataclasses.replace(engine) as other:
            other.sql("select count(*) from range(100000000000) a, range(1000000) b")
        return page("never")

    monkeypatch.setattr(routes, "PAGES", {"/": endless})
    begun = time.monotonic()
    response = scene.ask(slow, "/")
    assert response.status == 503
    assert b"0.3 seconds" in response.body
    assert time.monotonic() - begun < 30  # not hours


def test_when_all_lakes_are_lent_a_page_waits_and_then_says_so(here: Site) -> None:
    busy = scene.site(Path(here.settings.lake), **{"serve.timeout_seconds": 0.05})
    with busy.lakes.one(), busy.lakes.one():
        assert scene.ask(busy, "/").status == 503
    assert AT_ONCE == 2


def test_a_page_that_is_too_large_is_not_sent() -> None:
    assert page("x" * MAX_BYTES).status == 200
    assert page("x" * (MAX_BYTES + 1)).status == 500


def test_what_is_no_unicode_can_still_be_sent() -> None:
    assert page("\ud800").body == b"\\ud800"


def test_both_languages_say_the_same_with_the_same_values() -> None:
    english, japanese = catalogue("serve", "en"), catalogue("serve", "ja")
    fields = re.compile(r"{(\w+)")
    assert list(english) == list(japanese)
    for key, text in english.items():
        assert sorted(fields.findall(text)) == sorted(fields.findall(japanese[key])), key


def test_in_japanese_times_are_of_the_zone(here: Site) -> None:
    tokyo = scene.site(
        Path(here.settings.lake), **{"report.language": "ja", "report.timezone": "Asia/Tokyo"}
    )
    page = scene.text(tokyo, "/event?id=call-3")
    assert '<html lang="ja">' in page
    assert "2026-11-10 09:30:03 JST" in page


def test_a_named_server_answers_by_its_name(here: Site) -> None:
    named = guard(scene.SECRET, "0.0.0.0", ["lake.example.com"])
    assert scene.ask(here, "/style.css", check=named, host="lake.example.com").status == 200
    assert scene.ask(here, "/style.css", check=named, host="127.0.0.1").status == 421

"""Reports and the pages of `serve` in Chromium: they render, they filter, and nothing in them acts.

The lake is that of the report tests: every text that an attacker could choose is hostile.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from ctanalytics.app.serve import Serving, serve
from ctanalytics.reporting import render
from ctanalytics.reporting.voice import voice_of
from tests.app.serve import scene
from tests.browser.chromium import EVIL, Watched, chromium, watched
from tests.reporting.scene import DORA, HOSTILE, document

SPAN: Final = "since=2026-11-10&until=2026-11-13"
PAGES: Final = {
    "overview": "",
    "search": f"events?{SPAN}",
    "event": "event?id=hostile-0",
    "anomalies": f"anomalies?{SPAN}",
    "anomaly": f"anomaly?id={scene.SURGE['anomaly_id']}",
    "incidents": f"incidents?{SPAN}",
    "incident": f"incident?id={scene.FOUND['incident_id']}",
    "day": "report?day=2026-11-10",
    "principal": f"principal?name={quote(DORA)}&{SPAN}",
}
REPORTS: Final = {"report": "en", "report in Japanese": "ja"}

# What a pointer or a key could set off; an attribute that acts would act on one of these.
TOUCH_ALL: Final = """() => {
    for (const node of document.querySelectorAll('details')) node.open = true;
    for (const node of document.querySelectorAll('*'))
        for (const name of ['mouseover', 'focus', 'error', 'load', 'toggle', 'animationend'])
            node.dispatchEvent(new Event(name));
    return {
        scripts: document.querySelectorAll('script,iframe,object,embed,img,base,video,audio').length,
        handlers: [...document.querySelectorAll('*')].flatMap(
            node => node.getAttributeNames().filter(name => name.startsWith('on'))).length,
        schemes: [...new Set([...document.querySelectorAll('a')].map(link => link.protocol))],
    };
}"""
LIGHTNESS: Final = """() => {
    const of = colour => colour.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0) / 765;
    const style = getComputedStyle(document.body);
    return [of(style.backgroundColor), of(style.color)];
}"""
FOCUSABLE: Final = "a[href], button, input, select, summary, [tabindex='0']"
FOCUSED: Final = """() => {
    const node = document.activeElement;
    if (!node || node === document.body) return null;
    const all = [...document.querySelectorAll('*')];
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    return {place: all.indexOf(node), shown: box.width > 0 && box.height > 0
        && (style.outlineStyle !== 'none' || box.top >= 0)};
}"""


STORED: Final = (
    "<!doctype html><title>stored</title><p id=said>as it was stored</p>"
    "<script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">"
    '<form action="http://evil.example/"><button>send</button></form>'
)
"""A stored report that somebody has changed."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = scene.lake(tmp_path_factory.mktemp("browser"))
    stored = place.parent / "reports" / "2026-11-10"
    stored.mkdir(parents=True)
    (stored / "report.html").write_text(STORED, "utf-8")
    return place


@pytest.fixture(scope="session")
def reports(lake: Path) -> dict[str, str]:
    """Reports of all three days as files, by language: their addresses."""
    found = {}
    here = scene.site(lake)
    for language in ("en", "ja"):
        with here.lakes.one() as own, own.engine() as engine:
            page = render.html(document(engine, voice=voice_of(language)))
        file = lake.parent / f"report.{language}.html"
        file.write_text(page, "utf-8")
        found[language] = file.as_uri()
    return found


@pytest.fixture(scope="session")
def serving(lake: Path) -> Iterator[Serving]:
    with serve(scene.settings(lake)) as found:
        worker = threading.Thread(target=found.server.serve_forever, args=(0.02,))
        worker.start()
        yield found
        found.server.shutdown()
        worker.join()


def addressed(name: str, serving: Serving, reports: dict[str, str]) -> str:
    return reports[REPORTS[name]] if name in REPORTS else serving.url + PAGES[name]


@pytest.mark.parametrize("name", [*REPORTS, *PAGES])
def test_a_page_renders_in_light_and_dark_and_nothing_in_it_acts(
    browser: Browser, serving: Serving, reports: dict[str, str], name: str
) -> None:
    address = addressed(name, serving, reports)
    with watched(browser) as found:
        page = found.page
        page.goto(address)
        assert page.locator("h1").inner_text().strip()
        assert page.evaluate(LIGHTNESS)[0] > 0.9 > 0.5 > page.evaluate(LIGHTNESS)[1]
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(LIGHTNESS)[0] < 0.2 < 0.5 < page.evaluate(LIGHTNESS)[1]
        # On a phone tables scroll in their boxes, and the page does not.
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        acting = page.evaluate(TOUCH_ALL)
        assert (acting["scripts"], acting["handlers"]) == (0, 0)
        assert {*acting["schemes"]} <= {urlsplit(address).scheme + ":"}
        assert not re.search("[\x00\x1b\u202e\u2066\u200f]", page.locator("body").inner_text())
        assert_quiet(found, address)


def assert_quiet(found: Watched, address: str) -> None:
    """Nothing went wrong, and nothing was asked of anybody but the server of the page."""
    assert found.troubles == []
    own = urlsplit(address)[:2]
    assert {urlsplit(url)[:2] for url in found.requests} == {own}


@pytest.mark.parametrize("name", ["report", "search", "anomaly", "overview"])
def test_all_that_can_be_used_is_reached_by_the_keyboard(
    browser: Browser, serving: Serving, reports: dict[str, str], name: str
) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(addressed(name, serving, reports))
        reached: dict[int, bool] = {}
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
        for _ in range(1_500):
            focused = page.evaluate(FOCUSED)
            if focused is None:
                break
            reached[focused["place"]] = focused["shown"]
            page.keyboard.press("Tab")
        expected = page.evaluate(
            "wanted => { const all = [...document.querySelectorAll('*')];"
            " return [...document.querySelectorAll(wanted)]"
            " .filter(node => node.checkVisibility()).map(node => all.indexOf(node)) }",
            FOCUSABLE,
        )
        assert {*expected} <= {*reached}
        assert all(reached.values())


def test_details_open_by_the_keyboard(browser: Browser, reports: dict[str, str]) -> None:
    with watched(browser) as found:
        found.page.goto(reports["en"])
        first = found.page.locator("article summary").first
        first.focus()
        found.page.keyboard.press("Enter")
        assert first.evaluate("node => node.parentElement.open")
        assert found.page.locator("article details[open] > :nth-child(2)").first.is_visible()


def test_the_skip_link_leads_to_the_content(browser: Browser, serving: Serving) -> None:
    with watched(browser) as found:
        found.page.goto(serving.url)
        found.page.keyboard.press("Tab")
        found.page.keyboard.press("Enter")
        assert urlsplit(found.page.url).fragment == "content"


def test_on_paper_a_page_is_black_on_white_without_its_navigation(
    browser: Browser, reports: dict[str, str]
) -> None:
    with watched(browser, dark=True) as found:
        found.page.goto(reports["en"])
        found.page.emulate_media(media="print")
        assert found.page.evaluate(LIGHTNESS) == [1, 0]
        assert not found.page.locator("nav").first.is_visible()


def fields(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def press_enter(page: Page) -> None:
    """Send the form that has the focus, and wait for the answer."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_search_is_narrowed_by_form_and_by_link_and_leafed_through(
    browser: Browser, serving: Serving
) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(f"{serving.url}events")
        page.fill("[name=since]", "2026-11-10T00:00")
        page.fill("[name=until]", "2026-11-13T00:00")
        page.fill("[name=api]", "runinstances")
        press_enter(page)
        expect(page.locator("h1")).to_have_text("80 events, 20 failed")
        expect(page.locator("table.events tbody tr")).to_have_count(50)
        assert page.input_value("[name=api]") == "runinstances"
        page.click("a[rel=next]")
        expect(page.locator("caption")).to_have_text("51–80 of 80, the newest first")
        page.click("td.account a:has-text('444455556666')")
        expect(page.locator("h1")).to_have_text("20 events, 20 failed")
        assert fields(page)["account"] == "444455556666"
        page.select_option("[name=kind]", "reads")
        page.click("button:has-text('Search')")
        expect(page.locator("h1")).to_have_text("No event matches")
        page.click("a:has-text('Reset')")
        expect(page.locator("[name=account]")).to_have_value("")
        assert fields(page) == {}
        assert_quiet(found, serving.url)


def test_anomalies_are_narrowed_by_severity(browser: Browser, serving: Serving) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(f"{serving.url}anomalies?{SPAN}")
        page.select_option("[name=severity]", "critical")
        page.click("button")
        expect(page.locator("h1")).to_have_text("Anomalies: 0")
        page.select_option("[name=severity]", "high")
        page.click("button")
        expect(page.locator("tbody tr")).to_have_count(len(HOSTILE) + 1)


def test_from_an_incident_down_to_an_event_and_its_caller(
    browser: Browser, serving: Serving
) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(serving.url)
        page.click("nav a:has-text('Incidents')")
        page.click(f"a:has-text('{scene.FOUND['title']}')")
        page.click(f"p a:has-text('{DORA}')")
        page.click("table.events td.time a")
        expect(page.locator("main")).to_contain_text("user/dora")
        page.click("a:has-text('Its other events')")
        expect(page.locator("[name=principal]")).to_have_value(DORA)
        assert fields(page)["principal"] == DORA
        assert_quiet(found, serving.url)


def test_hostile_text_that_is_searched_for_stays_in_its_field(
    browser: Browser, serving: Serving
) -> None:
    with watched(browser) as found:
        page = found.page
        for text in HOSTILE[:6]:
            page.goto(f"{serving.url}events?{SPAN}&api=x")
            page.fill("[name=principal]", text)
            press_enter(page)
            assert page.input_value("[name=principal]") == text
        assert_quiet(found, serving.url)


def test_a_stored_report_that_was_changed_runs_nothing(browser: Browser, serving: Serving) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(f"{serving.url}stored?day=2026-11-10")
        assert page.locator("#said").inner_text() == "as it was stored"
        page.click("button")
        assert page.title() == "stored"
        assert page.url.startswith(serving.url)
        # The browser says what it kept from running; nothing was loaded from elsewhere.
        assert any(
            "sandbox" in said or "Content Security Policy" in said for said in found.troubles
        )
        assert {urlsplit(url).netloc for url in found.requests} == {urlsplit(serving.url).netloc}


def test_a_name_of_somebody_else_reaches_nothing(browser: Browser, serving: Serving) -> None:
    with watched(browser) as found:
        response = found.page.goto(serving.url.replace("127.0.0.1", EVIL))
        assert response
        assert response.status == 421
        assert "lake" not in found.page.content()


def test_pages_of_other_sites_read_and_frame_nothing(browser: Browser, serving: Serving) -> None:
    with watched(browser) as found:
        page = found.page
        page.goto(serving.url.rpartition("/")[0].rpartition("/")[0].replace("127.0.0.1", EVIL))
        # The worst case: the other site has got to know the secret.
        script = f"""async () => {{
            const frame = document.createElement('iframe');
            frame.src = {json.dumps(serving.url)};
            document.body.append(frame);
            const read = how => fetch({json.dumps(serving.url)}, how)
                .then(answer => answer.text()).catch(() => 'refused');
            const found = [await read({{mode: 'cors'}}), await read({{mode: 'no-cors'}})];
            await new Promise(done => setTimeout(done, 300));
            return [...found, document.cookie];
        }}"""
        assert page.evaluate(script) == ["refused", "refused", ""]
        # A framed page of ours would hold a link to its search.
        assert all(frame.locator("nav.site").count() == 0 for frame in page.frames)


def test_no_cookie_is_set_that_other_ports_would_be_sent(
    browser: Browser, serving: Serving
) -> None:
    with watched(browser) as found:
        found.page.goto(serving.url)
        assert found.page.context.cookies() == []


def test_every_link_in_japanese_leads_to_a_page_that_is_there(lake: Path) -> None:
    site = scene.site(lake, **{"report.language": "ja", "report.timezone": "Asia/Tokyo"})
    seen: dict[str, int] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop(0)
        kind = path.partition("?")[0]
        # Of pages of one kind two: they differ in what they show alone. Of what is slow one; an
        # investigation of a hostile name would find nothing.
        most = {"/principal": 0, "/report": 1}.get(kind, 2)
        if path in seen or sum(one.partition("?")[0] == kind for one in seen) >= most:
            continue
        response = scene.ask(site, path)
        seen[path] = response.status
        if response.content_type.startswith("text/html") and kind != "/stored":
            links = re.findall(r'(?:href|action)="/secret([^"#]+)"', response.body.decode())
            waiting += [link.replace("&amp;", "&") for link in links]
    assert {*seen.values()} == {200}
    assert len({path.partition("?")[0] for path in seen}) == 10

"""One browser, one lake and one server for all tests of pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ctanalytics.app.serve import Serving, serve
from ctanalytics.reporting import render
from ctanalytics.reporting.voice import voice_of
from tests.app.serve import scene
from tests.browser.chromium import chromium
from tests.reporting.scene import document

STORED = (
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

"""Draws docs/images anew: pictures of reports and of `serve`, from the lake that `make demo` leaves.

make screenshots
"""

from __future__ import annotations

import datetime as dt
import io
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page

from ctanalytics.app.report import report
from ctanalytics.app.serve import serve
from ctanalytics.settings import load
from tests.browser.chromium import chromium, watched

ROOT: Final = Path(__file__).parent.parent
IMAGES: Final = Path(__file__).parent / "images"
LAKE: Final = ROOT / "build" / "demo" / "lake"
MAX_BYTES: Final = 200_000
DAY: Final = dt.timedelta(days=1)

_DAY: Final = dt.date(2025, 10, 30)
"""Of sample_logs: a stolen key, and a burst of RunInstances."""
_COLOURS: Final = 128


def main() -> None:
    """Draw all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        with reported("en") as url:
            draw(browser, "report", url)
            draw(browser, "report-incident", url, to="article:has(svg.chart)")
        with reported("ja") as url:
            draw(browser, "report-ja", url)
        with serving() as url:
            search = f"events?since={_DAY}&until={_DAY + DAY}&error=*"
            draw(browser, "serve-search", f"{url}{search}")
            draw(browser, "serve-dark", f"{url}anomalies", dark=True, to="td.title a", follow=True)


@contextmanager
def reported(language: str) -> Iterator[str]:
    """Write the day's report of the demo's lake; its address."""
    since = dt.datetime.combine(_DAY, dt.time(), dt.UTC)
    settings = load({"report.language": language}, environ={})
    with tempfile.TemporaryDirectory() as folder:
        made = report(LAKE, settings=settings, output=folder, since=since, until=since + DAY)
        yield Path(made.html).as_uri()


@contextmanager
def serving() -> Iterator[str]:
    """Serve the demo's lake."""
    with serve(load({"lake": str(LAKE)}, environ={})) as found:
        worker = threading.Thread(target=found.server.serve_forever, args=(0.02,))
        worker.start()
        try:
            yield found.url
        finally:
            found.server.shutdown()
            worker.join()


def draw(
    browser: Browser,
    name: str,
    url: str,
    *,
    dark: bool = False,
    to: str = "",
    follow: bool = False,
) -> None:
    """Draw what a window shows of a page.

    Args:
        to: what to scroll to, or with `follow` to click on, first.
    """
    with watched(browser, dark=dark, width=1180, height=760) as found:
        page = found.page
        page.goto(url)
        if follow:
            page.click(to)
            page.wait_for_load_state()
        elif to:
            _scroll(page, to)
        _save(name, page.screenshot())


def _scroll(page: Page, to: str) -> None:
    page.locator(to).first.evaluate(
        "node => window.scrollTo(0, node.getBoundingClientRect().top + scrollY - 80)"
    )


def _save(name: str, picture: bytes) -> None:
    """Keep a picture in few colours, as pages have few."""
    few = (
        Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    )
    file = IMAGES / f"{name}.png"
    few.save(file, optimize=True)
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{file.name} has {size:,} bytes; at most {MAX_BYTES:,} are wanted")


if __name__ == "__main__":
    main()

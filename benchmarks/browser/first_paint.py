"""How soon a reader sees something: first contentful paint in headless Chromium.

make bench-paint                                    the demo's report, and pages of `serve` over its lake
python -m benchmarks.browser.first_paint FILE...    reports of your own

The paint is the browser's own figure (Performance API), counted from the start of the navigation, so
that of a page of `serve` holds what the server took. Median of RUNS, each in a new profile.
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from ctanalytics.app.serve import serve
from ctanalytics.settings import load
from tests.browser.chromium import chromium, watched

RUNS: Final = 5
BAR_MS: Final = 1_500
DEMO: Final = Path(__file__).parents[2] / "build" / "demo"
PAGES: Final = ("", "events", "incidents", "report?day=2025-10-30")

_PAINT: Final = """() => new Promise(done => new PerformanceObserver(list => {
    for (const one of list.getEntriesByName('first-contentful-paint')) done(one.startTime);
}).observe({type: 'paint', buffered: true}))"""


def main(files: list[str]) -> int:
    """Print a table; exit 1 when a report misses the bar."""
    print(f"Chromium, {RUNS} runs each, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| page | bytes | first paint, ms (least to most) |\n|---|---:|---:|")
    reports = [Path(file) for file in files] or [DEMO / "report.html"]
    with chromium() as browser:
        slowest = max([_told(browser, file.name, file.absolute().as_uri()) for file in reports])
        if not files:
            for url, page in served():
                _told(browser, f"serve: /{page}", url)
    print(f"\nbar: a report within {BAR_MS:,} ms: {'met' if slowest < BAR_MS else 'missed'}")
    return 0 if slowest < BAR_MS else 1


def served() -> Iterator[tuple[str, str]]:
    """Serve the demo's lake, and yield the address of each page."""
    with serve(load({"lake": str(DEMO / "lake")}, environ={})) as found:
        worker = threading.Thread(target=found.server.serve_forever, args=(0.02,))
        worker.start()
        try:
            for page in PAGES:
                yield found.url + page, page
        finally:
            found.server.shutdown()
            worker.join()


def _told(browser: Browser, name: str, url: str) -> float:
    figures, size = [], 0
    for _ in range(RUNS):
        with watched(browser) as found:
            found.page.goto(url)
            figures.append(float(found.page.evaluate(_PAINT)))
            size = len(found.page.content().encode())
    middle = statistics.median(figures)
    print(f"| {name} | {size:,} | {middle:,.0f} ({min(figures):,.0f} to {max(figures):,.0f}) |")
    return middle


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

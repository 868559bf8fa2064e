"""Chromium without a window, and pages of it that hear of everything that goes wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

_MOST_MS: Final = 300_000
"""What a page may take on a busy machine: no test is about time."""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
EVIL: Final = "evil.example"
"""A name of somebody else that leads to this machine, as after DNS rebinding."""


def executable() -> str:
    """Return where Chromium is: CHROMIUM, or one of its names on the path."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError("no Chromium: apt-get install chromium, or name one by CHROMIUM=")
    return found


expect.set_options(timeout=_MOST_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own profile that resolves EVIL to this machine."""
    arguments = [f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # which refuses to start for root
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and what happened on it that must not."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    """Errors of the console (violations of the policy are some), of scripts, and dialogs."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def watched(
    browser: Browser, *, dark: bool = False, width: int = 1280, height: int = 900
) -> Iterator[Watched]:
    """A new page without history or cookies."""
    context = browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport={"width": width, "height": height},
        locale="en-GB",  # a clock of 24 hours in the fields of times
    )
    context.set_default_timeout(_MOST_MS)
    found = Watched(context.new_page())
    page, troubles = found.page, found.troubles
    page.on("console", lambda said: troubles.append(said.text) if said.type != "log" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))

    def dismiss(dialog: object) -> None:
        troubles.append(f"a dialog opened: {dialog}")
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", dismiss)
    try:
        yield found
    finally:
        context.close()

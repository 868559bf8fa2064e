"""Opening a browser without showing the secret to other users of the machine."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path


@contextmanager
def opened(url: str, *, wanted: bool = True) -> Iterator[None]:
    """Open a URL in the user's browser, for as long as the with block lasts.

    The arguments of a process are there for all users to read. So the browser is given a file that
    its owner alone may read, which leads on to the URL.
    """
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ctanalytics-open-") as folder:  # made with mode 0700
        file = Path(folder) / "open.html"
        file.touch(mode=0o600)
        place = escape(url)
        file.write_text(
            '<!doctype html><meta charset="utf-8"><title>ctanalytics</title>'
            f'<meta http-equiv="refresh" content="0; url={place}"><a href="{place}">ctanalytics</a>\n',
            "utf-8",
        )
        webbrowser.open(file.as_uri())
        yield

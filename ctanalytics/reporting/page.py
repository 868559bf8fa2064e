"""How a self-contained page is rendered: no script, nothing from outside, log content inert."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ctanalytics import untrusted
from ctanalytics.reporting.bars import bars
from ctanalytics.reporting.document import Cell
from ctanalytics.reporting.values import duration, show
from ctanalytics.reporting.voice import ENGLISH, Voice

_CELL_CHARACTERS = 300
_TEXT_CHARACTERS = 180
_SQL_CHARACTERS = 20_000
_BREAKS = re.compile(r"([:/])(?=\w)")


def page(
    template: str,
    styles: tuple[str, ...],
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    names: Mapping[str, Any] | None = None,
    voice: Voice = ENGLISH,
    **values: Any,
) -> str:
    """Render a template of `templates/` with its style sheets inside.

    The page's policy lets it load nothing, and names its style by its hash; a template prints both.

    Args:
        filters: further ones, or in the place of those that all pages have.
        names: what templates that are imported may use too.
        voice: the language and the time zone of what all pages share.
    """
    folder = resources.files("ctanalytics.reporting").joinpath("templates")
    style = "".join(folder.joinpath(name).read_text("utf-8") for name in styles)
    environment = environment_of(_visible, autoescape=True)
    environment.filters.update(cell=cell, bars=bars, code=code, sql=_sql, word=voice.word)
    environment.filters.update(filters or {})
    environment.globals.update(
        duration=partial(duration, voice=voice),
        language=voice.language,
        say=partial(_said, voice),
        show=partial(show, voice=voice),
        voice=voice,
        word=voice.word,
    )
    environment.globals.update(names or {})
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        style=Markup(style),  # noqa: S704 - files of ours
        style_hash=digest,
        **values,
    )


def environment_of(finalize: Callable[[Any], Any], *, autoescape: bool) -> jinja2.Environment:
    """Return an environment in which a name that is not there is an error.

    Args:
        finalize: what every value goes through before it is printed.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ctanalytics.reporting"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
        autoescape=autoescape,  # noqa: S701 - Markdown has an escape of its own
    )


def _visible(value: Any) -> Any:
    """Make control and bidi characters visible in every value; Jinja escapes it afterwards."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return untrusted.terminal(value)
    return value


def _said(voice: Voice, key: str, /, **values: object) -> Markup:
    """What the catalogue says, with values escaped as anywhere on the page."""
    shown = {name: _visible(value) for name, value in values.items()}
    return Markup(escape(voice.messages[key])).format(**shown)  # noqa: S704 - escaped


def code(value: object) -> Markup:
    """Show an identifier of a log: kept apart from the direction of the text around it."""
    shown = str(escape(untrusted.one_line(value, limit=_CELL_CHARACTERS)))
    # Lines may break after the marks that part an ARN, rather than anywhere.
    return Markup("<bdi><code>{}</code></bdi>").format(
        Markup(_BREAKS.sub(r"\1<wbr>", shown))  # noqa: S704 - escaped above
    )


def cell(value: Cell, kind: str) -> str:
    """A value in a table: on one line, cut to what a reader takes in."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    return untrusted.one_line(show(value, kind), limit=_TEXT_CHARACTERS)


def _sql(value: str) -> Markup:
    return escape(untrusted.terminal(value, limit=_SQL_CHARACTERS))

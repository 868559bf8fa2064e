"""A site: what all its pages share, and how one is rendered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from typing import Any, Final

from ctanalytics._version import __version__
from ctanalytics.app.serve.http import Response, page
from ctanalytics.app.serve.lakes import Lakes
from ctanalytics.app.serve.links import Link, linked, linker
from ctanalytics.reporting import render
from ctanalytics.reporting.page import code
from ctanalytics.reporting.page import page as rendered
from ctanalytics.reporting.voice import Voice, catalogue, voice_of
from ctanalytics.settings import Settings

_STYLES: Final = ("report.css", "serve/serve.css")


@dataclass(frozen=True)
class Site:
    """Where pages come from."""

    lakes: Lakes
    settings: Settings
    base: str
    """The path below which all pages lie: a slash and the secret."""
    now: Callable[[], dt.datetime]

    @cached_property
    def voice(self) -> Voice:
        """The language and the time zone of reports, which also know this site's texts."""
        report = self.settings.report
        voice = voice_of(report.language, report.timezone)
        return replace(voice, messages={**voice.messages, **catalogue("serve", voice.language)})

    @cached_property
    def link(self) -> Link:
        """Makes the address of a page."""
        return linker(self.base)

    @cached_property
    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """The filter of identifiers, which become links."""
        return {"code": linked(code, self.link)}

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Render one of this site's templates."""
        text = rendered(
            f"serve/{template}.html.j2",
            (),
            filters={**render.filters(self.voice), **self.filters, "plain": code},
            names={
                **render.NAMES,
                "link": self.link,
                "local": self._local,
                "lake": self.settings.lake,
                "version": __version__,
            },
            voice=self.voice,
            here=template,
            **values,
        )
        return page(text, status)

    def _local(self, moment: dt.datetime) -> str:
        """A time as a form's field takes it, in the site's zone."""
        here = self.voice.here(moment)
        return here.strftime("%Y-%m-%dT%H:%M:%S" if here.second else "%Y-%m-%dT%H:%M")


def style() -> Response:
    """Return the style sheet of all pages."""
    folder = resources.files("ctanalytics.reporting").joinpath("templates")
    text = "".join(folder.joinpath(name).read_text("utf-8") for name in _STYLES)
    return Response(200, text.encode(), "text/css; charset=utf-8")

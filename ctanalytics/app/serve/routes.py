"""Which page answers which path; a pure function of the request and the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ctanalytics.app.serve import site as sites
from ctanalytics.app.serve import views
from ctanalytics.app.serve.fields import Fields
from ctanalytics.app.serve.guard import Guard
from ctanalytics.app.serve.http import Request, Response
from ctanalytics.app.serve.lakes import TimedLake
from ctanalytics.app.serve.site import Site
from ctanalytics.errors import CtanalyticsError, LakeBusy, LakeError, QueryError, UsageError

Page = Callable[[Site, TimedLake, Fields], Response]

PAGES: Final[Mapping[str, Page]] = {
    "/": views.home,
    "/anomalies": views.anomalies,
    "/anomaly": views.anomaly,
    "/event": views.event,
    "/events": views.events,
    "/incident": views.incident,
    "/incidents": views.incidents,
    "/principal": views.principal,
    "/report": views.report,
    "/stored": views.stored,
}
"""Whole paths: nothing in a path is a name of anything, so that none can lead to a file."""


def handle(request: Request, site: Site, guard: Guard) -> Response:
    """Answer a request."""
    path = guard.path_of(request)
    if isinstance(path, Response):
        return path
    if path == "/style.css":
        return sites.style()
    make = PAGES.get(path)
    if make is None:
        return _trouble(site, 404, site.voice.messages["serve.no_page"])
    try:
        fields = Fields(request.target.partition("?")[2], site.voice.zone)
        return _made(make, site, fields)
    except UsageError as error:
        return _trouble(site, 400, error.what, error)
    except LakeBusy as error:
        return _trouble(site, 503, site.voice.messages["serve.busy"], error)
    except (LakeError, QueryError) as error:
        return _trouble(site, 500, error.what, error)
    except CtanalyticsError as error:
        return _trouble(site, 404, error.what, error)


def _made(make: Page, site: Site, fields: Fields) -> Response:
    with site.lakes.one() as lake:
        try:
            response = make(site, lake, fields)
        except Exception:
            # An interrupted statement ends in DuckDB's own error, or in one of ours.
            if not lake.is_late:
                raise
        else:
            if not lake.is_late:
                return response
    seconds = site.settings.serve.timeout_seconds
    return _trouble(site, 503, site.voice.say("serve.too_long", seconds=seconds))


def _trouble(site: Site, status: int, what: str, error: CtanalyticsError | None = None) -> Response:
    return site.page(
        "trouble",
        status,
        what=what,
        where=error.where if error else "",
        mend=error.mend if error else "",
    )

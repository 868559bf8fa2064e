"""A lake on disk with the scene of report tests, and a site over it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.app.serve.guard import Guard, guard
from ctanalytics.app.serve.http import Request, Response
from ctanalytics.app.serve.lakes import Lakes
from ctanalytics.app.serve.routes import handle
from ctanalytics.app.serve.site import Site
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings, load
from tests.builders import SCHEMAS
from tests.reporting import scene

SECRET = "secret"
SURGE = scene.anomaly()
FOUND = scene.incident(SURGE)


def lake(folder: Path) -> Path:
    """Three days of calls, an anomaly in an incident, and rows whose every text is hostile."""
    place = folder / "lake"
    made = Lake.create(place)
    tables: dict[str, list[dict[str, Any]]] = scene.hostile_tables()
    tables["events"] += scene.calls()
    tables["anomalies"].append(SURGE)
    tables["incidents"].append(FOUND)
    for name, rows in tables.items():
        made.append(name, pa.Table.from_pylist(rows, SCHEMAS[name]))
    return place


def settings(place: Path, **flags: Any) -> Settings:
    """Settings of a site over a lake, without a settings file."""
    given = {"lake": str(place), "report.output": str(place.parent / "reports")}
    return load(given | flags, environ={})


def site(place: Path, **flags: Any) -> Site:
    """A site whose clock stands still."""
    found = settings(place, **flags)
    return Site(Lakes(found), found, f"/{SECRET}", lambda: scene.NOW)


def ask(
    here: Site, path: str, *, check: Guard | None = None, method: str = "GET", **headers: str
) -> Response:
    """Answer a request for a path after the secret."""
    request = Request(method, f"/{SECRET}{path}", {"host": "127.0.0.1:8000"} | headers)
    return handle(request, here, check or guard(SECRET, "127.0.0.1"))


def text(here: Site, path: str) -> str:
    """Return a page that is there."""
    response = ask(here, path)
    assert response.status == 200, response.body.decode()
    return response.body.decode()


def day(number: int = 0) -> dt.date:
    """A day of the scene."""
    return (scene.SINCE + dt.timedelta(days=number)).date()

"""Finds the SQL statements that ship with the package, by name."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^--\s*(?P<field>grain|reads|units|params):\s*(?P<text>.+)$")


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql`, such as "views/users".

    Raises:
        KeyError: there is no such statement; a fault of the program, not of the user.
    """
    file = resources.files("ctanalytics").joinpath("sql", *f"{name}.sql".split("/"))
    if not file.is_file():
        raise KeyError(name)
    return file.read_text("utf-8")


@cache
def names(folder: str) -> tuple[str, ...]:
    """Return the names of all statements of a folder, sorted: ("views/accounts", ...)."""
    home = resources.files("ctanalytics").joinpath("sql", folder)
    return tuple(
        sorted(
            f"{folder}/{file.name.removesuffix('.sql')}"
            for file in home.iterdir()
            if file.name.endswith(".sql")
        )
    )


@cache
def header(name: str) -> dict[str, str]:
    """Return a statement's header: `about` (first comment lines), grain, reads, units, params.

    A line that names no field goes on with the one above it.
    """
    found = {"about": ""}
    field = "about"
    for line in statement(name).splitlines():
        if not line.startswith("--"):
            break
        match = _HEADER.match(line)
        field = match["field"] if match else field
        text = match["text"] if match else line.removeprefix("--")
        found[field] = f"{found.get(field, '')} {text.strip()}".strip()
    return found


@cache
def reads(view: str) -> frozenset[str]:
    """Return the views that a view reads, by its header."""
    words = re.findall(r"[a-z_.]+", header(view).get("reads", ""))
    return frozenset(f"views/{word}" for word in words) - {view}


@cache
def views() -> tuple[str, ...]:
    """Return the names of all views, each after those that it reads."""
    found: list[str] = []
    waiting = {name: reads(name) for name in names("views")}
    while waiting:
        ready = sorted(name for name, before in waiting.items() if not before & waiting.keys())
        if not ready:
            raise RuntimeError(f"views read each other in a circle: {sorted(waiting)}")
        found += ready
        for name in ready:
            del waiting[name]
    return tuple(found)

"""Views: which there are, what they mean, and their columns."""

from __future__ import annotations

from dataclasses import dataclass

from ctanalytics.engines import statements
from ctanalytics.lake.lake import Lake


@dataclass(frozen=True, slots=True)
class View:
    """A published view."""

    name: str
    about: str
    grain: str
    units: str
    columns: dict[str, str]
    """Column name to DuckDB type, in order."""


def views(lake: Lake) -> list[View]:
    """Return all views of a lake, sorted by name."""
    with lake.engine() as engine:
        rows = engine.run("lake/view_columns").to_pylist()
    columns: dict[str, dict[str, str]] = {}
    for row in rows:
        columns.setdefault(row["view"], {})[row["column"]] = row["type"]
    found = []
    for name in statements.names("views"):
        header = statements.header(name)
        short = name.removeprefix("views/")
        found.append(
            View(
                short,
                header["about"],
                header.get("grain", ""),
                header.get("units", ""),
                columns.get(short, {}),
            )
        )
    return found

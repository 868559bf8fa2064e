"""What a query's plan says that it would read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Scan:
    """What a query would read of the files of one table."""

    files: int
    of_files: int
    columns: tuple[str, ...]
    filters: tuple[str, ...]


def scans_of(plan: str) -> list[Scan]:
    """Return the scans of Parquet files in a plan of DuckDB, in the form of JSON."""
    return [_scan(found) for found in _scans_of_files(msgspec.json.decode(plan))]


def _scans_of_files(tree: Any) -> Iterator[dict[str, Any]]:
    """What the plan says of each scan of Parquet files."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, dict):
            if "Scanning Files" in part.get("extra_info", {}):
                yield part["extra_info"]
            elif part.get("name") == "READ_PARQUET":
                yield {"Scanning Files": "1/1", **part["extra_info"]}
            waiting.extend(part.get("children", []))


def _scan(found: Mapping[str, Any]) -> Scan:
    files, of_files = found["Scanning Files"].split("/")
    return Scan(
        files=int(files),
        of_files=int(of_files),
        columns=_texts(found.get("Projections")),
        filters=_texts(found.get("File Filters")) + _texts(found.get("Filters")),
    )


def _texts(value: object) -> tuple[str, ...]:
    """A plan gives one text alone, and several as a list."""
    if value is None:
        return ()
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)

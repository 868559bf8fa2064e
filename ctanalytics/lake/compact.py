"""Files of one table and date -> fewer files with the same rows; a worker's task."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from ctanalytics.errors import LakeError
from ctanalytics.lake import compacted
from ctanalytics.lake.candidates import Task
from ctanalytics.lake.external_sort import sorted_rows
from ctanalytics.lake.store import Store, store_from
from ctanalytics.settings import Care

SPILL: Final = "staging/compact-"
"""Where a local lake's runs go; none is of use to a later compaction."""

_OVERHEAD_BYTES: Final = 350 * 1024 * 1024
_LEAST_BYTES: Final = 32 * 1024 * 1024
_MOST_BYTES: Final = 1_500 * 1024 * 1024  # a column of more text than 2 GiB can't be in one piece


def part(task: Task, store: Store, care: Care, memory_bytes: int) -> dict[str, Any]:
    """Describe a task for a worker.

    Args:
        memory_bytes: what the worker may use in all.
    """
    return {
        "store": store.spec(),
        "table": task.table,
        "date": task.date.isoformat() if task.date else None,
        "why": task.why,
        "paths": [file.path for file in task.files],
        "rows": task.rows,
        "size_bytes": task.size_bytes,
        "prefix": task.prefix,
        "order": list(task.order),
        "level": task.level,
        "file_bytes": care.file_bytes,
        "group_rows": care.group_rows,
        "spill": care.spill,
        # Rows are once in memory sorted and once on their way out, beside what all costs anyhow.
        "memory_bytes": min(
            max(int((memory_bytes - _OVERHEAD_BYTES) / 2.2), _LEAST_BYTES), _MOST_BYTES
        ),
    }


def compact_part(part: dict[str, Any]) -> dict[str, Any]:
    """Write the rows of some files to fewer files; nothing is committed.

    Args:
        part: as `part` makes it.

    Returns:
        table, date, why, paths (of the old files) and adds (see `maintenance.replace`).

    Raises:
        LakeError: the files do not have the rows that the table's log states.
    """
    store = store_from(part["store"])
    # Files of about one size, none of them a small rest.
    count = max(1, round(part["size_bytes"] / part["file_bytes"]))
    writer = compacted.Writer(
        store=store,
        table=part["table"],
        date=part["date"],
        prefix=part["prefix"],
        rows_per_file=max(1, -(-part["rows"] // count)),
        group_rows=part["group_rows"],
        level=part["level"],
        ordered_by=tuple(part["order"]),
    )
    rows = compacted.read(store, part["table"], part["paths"])
    with _spill_folder(store, part["spill"]) as folder, writer:
        for piece in sorted_rows(
            rows, part["order"], memory_bytes=part["memory_bytes"], folder=Path(folder)
        ):
            writer.write(piece)
    written = sum(add["rows"] for add in writer.adds)
    if written != part["rows"]:
        raise LakeError(
            f"the files have {written} rows, and the table's log says {part['rows']}",
            where=f"{store.uri}: {part['table']} {part['date'] or ''}",
            mend="run `ctanalytics lake check`; nothing was changed",
        )
    return {key: part[key] for key in ("table", "date", "why", "paths")} | {"adds": writer.adds}


def _spill_folder(store: Store, wanted: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for the owner alone; in a local lake, so that logs stay on the lake's disk."""
    if wanted or not store.is_local:
        return tempfile.TemporaryDirectory(prefix="ctanalytics-", dir=wanted or None)
    parent = Path(store.location("staging"))
    parent.mkdir(mode=0o700, exist_ok=True)
    name = SPILL.rpartition("/")[2]
    return tempfile.TemporaryDirectory(prefix=name, dir=parent)

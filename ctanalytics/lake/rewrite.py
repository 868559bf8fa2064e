"""Files written again with some of their rows changed or gone, and put in the old ones' place.

Whatever is decided by the rows themselves may be done over: when another commit has removed files
meanwhile, what was written is left for `vacuum`, and the work begins again on the newest files.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ctanalytics.errors import LakeError
from ctanalytics.lake import compacted, maintenance
from ctanalytics.lake.layout import table_path
from ctanalytics.lake.maintenance import DataFile
from ctanalytics.settings import Care

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

Change = Callable[[pa.Table], tuple[pa.Table, int]]
"""Rows of a file -> those that are to be there instead, with the same columns, and how many of
these are changed."""

Touches = Callable[[pa.Table], bool]
"""Whether a change would do something to rows, of which it sees some columns."""

_TRIES: Final = 20


@dataclass
class Rewritten:
    """What a rewrite of one table came to."""

    removes: list[str] = field(default_factory=list)
    adds: list[dict[str, Any]] = field(default_factory=list)
    rows_before: int = 0
    """Rows of the files that were written again."""
    rows_after: int = 0
    rows_changed: int = 0
    gone: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Rows that are gone, by the object and the plan that brought them."""


def rewrite(
    lake: Lake,
    table: str,
    change: Change,
    touches: Touches,
    columns: Sequence[str],
    *,
    why: str,
    adds: Sequence[Mapping[str, Any]] = (),
    plan_id: int | None = None,
) -> Rewritten:
    """Change rows of a table, and add files, in one commit.

    Args:
        touches: asked of each row group, with `columns` only; files without a yes stay.
        why: the table's history tells it.
        adds: further files; as `Lake.commit_plan` takes them.
        plan_id: of the ingest plan that this is part of; a table that has it is left alone.

    Raises:
        LakeError: other commits always come first.
    """
    for _ in range(_TRIES):
        seen = maintenance.snapshot(lake, table)
        if plan_id is not None and seen.ingested >= plan_id:
            return Rewritten()
        made = _written(lake, seen, change, touches, columns)
        if not made.removes:
            if plan_id is not None:
                lake.commit_plan(table, plan_id, adds)
            return made
        if maintenance.replace(
            lake,
            seen,
            made.removes,
            [*made.adds, *adds],
            why=why,
            loses_rows=True,
            plan_id=plan_id,
        ):
            return made
    raise LakeError(
        f"the table {table} changes faster than its files can be written again",
        where=lake.uri,
        mend="run it again when no other process takes care of the lake",
    )


def touched(
    lake: Lake, seen: maintenance.Snapshot, touches: Touches, columns: Sequence[str]
) -> list[DataFile]:
    """Return the files of a table with rows that a change would do something to."""
    return [file for file in seen.files if _touches(lake, seen.table, file, touches, columns)]


def _touches(
    lake: Lake, table: str, file: DataFile, touches: Touches, columns: Sequence[str]
) -> bool:
    with lake.store.open_parquet(f"{table_path(table)}/{file.path}") as parquet:
        names = [name for name in columns if name in parquet.schema_arrow.names]
        return any(
            touches(parquet.read_row_group(place, columns=names))
            for place in range(parquet.num_row_groups)
        )


def _written(
    lake: Lake,
    seen: maintenance.Snapshot,
    change: Change,
    touches: Touches,
    columns: Sequence[str],
) -> Rewritten:
    made = Rewritten()
    for file in touched(lake, seen, touches, columns):
        made.removes.append(file.path)
        writer = compacted.Writer(
            store=lake.store,
            table=seen.table,
            date=file.date.isoformat() if file.date else None,
            prefix=_prefix(file),
            rows_per_file=sys.maxsize,
            group_rows=Care().group_rows,
            level=1,
        )
        with writer:
            for rows in compacted.read(lake.store, seen.table, [file.path]):
                made.rows_before += len(rows)
                left, changed = change(rows)
                if len(left) < len(rows):
                    made.gone += _origins(rows) - _origins(left)
                made.rows_changed += changed
                if len(left):
                    writer.write(left.unify_dictionaries())
        made.adds += writer.adds
        made.rows_after += sum(add["rows"] for add in writer.adds)
    return made


def _origins(rows: pa.Table) -> Counter[tuple[str, int]]:
    if "source_object" not in rows.column_names:
        return Counter()
    names = rows["source_object"].cast(pa.string()).to_pylist()
    return Counter(zip(names, rows["plan_id"].to_pylist(), strict=True))


def _prefix(file: DataFile) -> str:
    """The new file's rows have been through the same as the old one's."""
    if file.is_closed:
        return maintenance.closed_prefix()
    return maintenance.merged_prefix(file.level)

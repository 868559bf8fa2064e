"""Objects read again: their rows of earlier plans go in the commit that brings the new ones.

A plan's result names the objects, not the files: files may be compacted between the result and its
commit. So whoever carries the result into a table looks for the objects' rows there and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.lake import forgotten, rewrite
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.redact_compare import is_forgotten
from ctanalytics.lake.store import Store

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake


def commit(
    lake: Lake,
    table: str,
    plan_id: int,
    adds: Sequence[Mapping[str, Any]],
    replaced: frozenset[str],
) -> None:
    """Carry a plan into a table: add its files, and take out the older rows of some objects.

    Args:
        replaced: objects, as the column source_object names them. The ledger keeps all its rows.
    """
    if not replaced or table == "log_files":
        lake.commit_plan(table, plan_id, adds)
        return
    columns = _columns(table)
    rewrite.rewrite(
        lake,
        table,
        lambda rows: (without(rows, replaced, plan_id), 0),
        lambda rows: bool(pc.any(_old(rows, replaced, plan_id)).as_py()),
        columns,
        why="reingest",
        adds=adds,
        plan_id=plan_id,
    )


def spared(store: Store) -> frozenset[str]:
    """Return the tables whose rows are not replaced, since an erasure may have changed any row.

    Unlike events, these don't tell which rows were changed.
    """
    return (
        frozenset(("aws_insights", "aggregated_events"))
        if forgotten.entries(store)
        else frozenset()
    )


def without(rows: pa.Table, replaced: frozenset[str], plan_id: int) -> pa.Table:
    """Leave out the rows of some objects that came with earlier plans."""
    return rows.filter(pc.invert(_old(rows, replaced, plan_id)))


def without_each(
    tables: Iterator[pa.Table], replaced: frozenset[str], plan_id: int
) -> Iterator[pa.Table]:
    """As `without`, one table at a time."""
    for rows in tables:
        yield without(rows, replaced, plan_id) if replaced else rows


def _columns(table: str) -> tuple[str, ...]:
    names = TABLES[table].schema.names
    wanted = ("source_object", "bucket", "key", "plan_id", "masked_paths")
    return tuple(name for name in wanted if name in names)


def _old(rows: pa.Table, replaced: frozenset[str], plan_id: int) -> Any:
    if "source_object" in rows.column_names:
        names = rows["source_object"]
        if pa.types.is_dictionary(names.type):
            names = names.cast(names.type.value_type)
    else:
        names = pc.binary_join_element_wise(
            rows["bucket"].cast(pa.string()), rows["key"].cast(pa.string()), "/"
        )
    among = pc.is_in(names, pa.array(sorted(replaced), pa.string()))
    old = pc.fill_null(pc.and_(among, pc.less(rows["plan_id"], plan_id)), False)
    if "masked_paths" not in rows.column_names:
        return old
    # What an erasure request has changed stays: read again, it would be as it was.
    return pc.and_(old, pa.array(~is_forgotten(rows).to_numpy()))


def save(store: Store, path: str, replaced: frozenset[str]) -> None:
    """Write the names of objects where workers can read them."""
    table = pa.table({"source_object": pa.array(sorted(replaced), pa.string())})
    with store.create(path, durable=False) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def load(store: Store, path: str | None) -> frozenset[str]:
    """Read what `save` has written; nothing when there is no path."""
    if path is None:
        return frozenset()
    table = pa.ipc.open_file(store.buffer(path)).read_all()
    return frozenset(table["source_object"].to_pylist())

"""Makes the tables of a lake."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from deltalake import DeltaTable

from ctanalytics.lake import layout
from ctanalytics.lake.store import Store

_CONFIGURATION: Final = {"delta.checkpointInterval": "20"}


def create_table(store: Store, name: str) -> None:
    """Make an empty table, unless it is there."""
    spec = layout.TABLES[name]
    DeltaTable.create(
        store.location(layout.table_path(name)),
        # An explicit schema: a first append of nulls would fix their columns as untyped for ever.
        nullable(spec.schema),
        mode="ignore",
        partition_by=[layout.PARTITION] if spec.partitioned else None,
        configuration=_CONFIGURATION,
        storage_options=store.storage_options(),
    )


def nullable(columns: pa.Schema) -> pa.Schema:
    """Return the same columns, all nullable, as Delta has them."""
    return pa.schema([pa.field(column.name, column.type) for column in columns])

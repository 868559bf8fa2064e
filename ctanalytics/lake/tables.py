"""Makes the tables of a lake."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable

from ctanalytics import untrusted
from ctanalytics.errors import LakeError
from ctanalytics.lake import layout
from ctanalytics.lake.store import Store

_CONFIGURATION: Final = {"delta.checkpointInterval": "20"}
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_DENIED: Final = re.compile(r"AccessDenied|403 Forbidden")


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


def not_opened(name: str, error: Exception, uri: str) -> LakeError:
    """Return our error for a table that Delta can't open: delta-rs answers S3's XML, in colours."""
    said = untrusted.one_line(" ".join(_COLOURS.sub("", str(error)).split()), limit=300)
    if _DENIED.search(str(error)):
        rights = "s3:ListBucket or s3:GetObject"
        return LakeError(
            f"the table {name} can't be opened: access denied, {rights} is missing",
            where=uri,
            mend="allow both on the lake's prefix to this principal, and kms:Decrypt on its key",
        )
    return LakeError(
        f"the table {name} can't be opened: {said}",
        where=uri,
        mend="check that the lake is whole and may be read",
    )

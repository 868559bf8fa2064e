"""How the lake's Parquet files are encoded, whoever writes them, and how Delta's log tells of them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.lake.columns import DISTINCT

PLAIN: Final = DISTINCT | {"event_time", "sha256", "content", "record", "evidence", "item_id"}
"""Columns of which nearly every row has a value of its own: a dictionary would only cost."""
_PRUNING: Final = frozenset(
    (
        "event_time",
        "account_id",
        "aws_region",
        "event_source",
        "event_name",
        "principal_arn",
        "resource_type",
        "resource_id",
    )
)
"""Columns whose least and greatest value in a row group can tell that nothing is to be found there.
For all columns they would cost 0.5 us a row."""
_DICTIONARY_BYTES: Final = 16 * 1024 * 1024
"""Largest dictionary of a column in a row group; with Parquet's usual 1 MiB, userIdentity goes
plain after some 8,000 rows, and a file is 10 % larger."""


def writer(
    sink: Any, columns: pa.Schema, *, level: int, ordered_by: tuple[str, ...] = ()
) -> pq.ParquetWriter:
    """Open a file of the lake for writing, row group by row group.

    Args:
        level: of zstd, 1 to 22.
        ordered_by: columns by which the rows come sorted; those it lacks are passed over.
    """
    names = columns.names
    ordered = [(name, "ascending") for name in ordered_by if name in names]
    return pq.ParquetWriter(
        sink,
        columns,
        compression="zstd",
        compression_level=level,
        use_dictionary=[name for name in names if name not in PLAIN],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_statistics=[name for name in names if name in _PRUNING],
        sorting_columns=pq.SortingColumn.from_ordering(columns, ordered, "at_start")
        if ordered
        else None,
        store_schema=False,
    )


def statistic(value: Any) -> Any:
    """Write a least or greatest value as Delta's log has it."""
    if not isinstance(value, dt.datetime):
        return value.isoformat() if isinstance(value, dt.date) else value
    # isoformat pads the year, which strftime does not before the year 1000.
    moment = value.astimezone(dt.UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"

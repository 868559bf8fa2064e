"""Some rows of a Parquet file: groups of rows that hold none of them are not read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq


class Some(Protocol):
    """Says which rows of a table are wanted, by its first columns."""

    def may_hold(self, least: str, most: str) -> bool:
        """Tell whether rows may be wanted of which the first column lies between two texts."""
        ...

    def mask(self, keys: pa.Table) -> npt.NDArray[np.bool_]:
        """Tell of each row whether it is wanted."""
        ...


def some_of(file: pq.ParquetFile, group: int, names: Sequence[str], some: Some) -> pa.Table | None:
    """Return those rows of a group that are wanted; None: there is none.

    Args:
        names: the columns that tell, the first of which the file's statistics know.
    """
    place = file.schema_arrow.get_field_index(names[0])
    known = file.metadata.row_group(group).column(place).statistics
    is_told = known is not None and known.has_min_max and not known.null_count
    if is_told and not some.may_hold(known.min, known.max):
        return None
    kept = np.flatnonzero(some.mask(file.read_row_group(group, list(names), use_threads=False)))
    if not len(kept):
        return None
    rows = file.read_row_group(group, use_threads=False)
    if kept[-1] - kept[0] + 1 == len(kept):
        return rows.slice(kept[0], len(kept))
    return rows.take(pa.array(kept))

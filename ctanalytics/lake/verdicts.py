"""Keeps what validation found: only what is news is added."""

from __future__ import annotations

import pyarrow as pa

from ctanalytics.lake.lake import Lake
from ctanalytics.records.file_verdicts import FILE_VERDICTS


def keep(lake: Lake, rows: pa.Table) -> int:
    """Add rows to `file_verdicts` unless the newest one of the same file says the same.

    Returns:
        How many rows were added.
    """
    if not rows.num_rows:
        return 0
    with lake.engine() as engine:
        engine.register("found_verdicts", rows.cast(FILE_VERDICTS))
        news = engine.run("lake/news_of_verdicts")
    lake.append("file_verdicts", news)
    return int(news.num_rows)

"""What one worker may hold at a time, so that all together stay within `ingest.memory_bytes`."""

from __future__ import annotations

from typing import Final

import msgspec

from ctanalytics.engines.local import cores
from ctanalytics.settings import Ingest

_PROGRAM_BYTES: Final = 170 * 1024 * 1024
"""Of a worker before it has read anything: the interpreter, Arrow, Polars and Delta."""

_LEAST_BYTES: Final = 64 * 1024 * 1024
"""With less for its data a worker would set most log files aside."""

_CONTENT_SHARE: Final = 4
"""A file's content, its records as objects, their columns, and the copy that goes to disk: the
peak of decoding files of 50 MB was 3.6 times their content."""

_MERGE_SHARE: Final = 3
"""Staged rows, the same sorted, and what the Parquet writer holds."""


def within(limits: Ingest) -> Ingest:
    """Lower the limits on objects and rows to what one worker's share of the memory can hold."""
    workers = limits.workers or cores()
    share = max(limits.memory_bytes // workers - _PROGRAM_BYTES, _LEAST_BYTES)
    content, rows = share // _CONTENT_SHARE, share // _MERGE_SHARE
    return msgspec.structs.replace(
        limits,
        max_object_bytes=min(limits.max_object_bytes, content),
        max_decompressed_bytes=min(limits.max_decompressed_bytes, content),
        part_unpacked_bytes=min(limits.part_unpacked_bytes, content),
        merge_bytes=min(limits.merge_bytes, rows),
    )

"""Limits of a worker, as the memory of all workers sets them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ctanalytics.app.ingest import ingest
from ctanalytics.app.ingest_memory import within
from ctanalytics.settings import Ingest, Settings

GIB = 1024**3


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_less_memory_never_allows_more(workers: int) -> None:
    limits = [within(Ingest(workers=workers, memory_bytes=size * GIB)) for size in (1, 2, 8)]
    for name in ("max_object_bytes", "max_decompressed_bytes", "part_unpacked_bytes"):
        sizes = [getattr(limit, name) for limit in limits]
        assert sizes == sorted(sizes)


def test_files_of_the_largest_size_that_cloudtrail_delivers_fit_the_default() -> None:
    assert within(Ingest(workers=2)).max_decompressed_bytes > 50_000_000


def test_what_the_user_limits_further_stays_so() -> None:
    assert (
        within(Ingest(memory_bytes=64 * GIB, max_decompressed_bytes=7)).max_decompressed_bytes == 7
    )


def test_a_file_too_large_for_the_memory_is_set_aside_and_read_with_more(tmp_path: Path) -> None:
    record = {
        "eventVersion": "1.08",
        "eventID": "a",
        "eventName": "X",
        "errorMessage": "x" * 30_000_000,
    }
    (tmp_path / "logs").mkdir()
    content = json.dumps({"Records": [record]}).encode()
    (tmp_path / "logs" / "a.json.gz").write_bytes(gzip.compress(content))
    little, more = (
        Settings(ingest=Ingest(workers=1, memory_bytes=size)) for size in (200_000_000, 2 * GIB)
    )
    place = str(tmp_path / "lake")
    first = ingest([str(tmp_path / "logs")], place, settings=little)
    assert first.objects_quarantined == 1
    assert "ingest.memory_bytes" in first.set_aside[0]["detail"]
    assert ingest([str(tmp_path / "logs")], place, settings=more, retry=True).records_written == 1

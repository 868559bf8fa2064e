"""Records to try rules on: of `tests/data`, of `sample_logs`, and real ones where they lie near."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ctanalytics.lake import containers
from tests import logs

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "AWSLogs"


@functools.cache
def real() -> tuple[str, ...]:
    """The JSON texts of all records of `tests/data` and, where it is there, of the shared data."""
    return tuple(_with_own_ids(_of_folder(logs.DATA)) + _with_own_ids(_of_folder(logs.SHARED), "s"))


@functools.cache
def simulated(files: int = 60) -> tuple[str, ...]:
    """Records of the sample, from files spread over all of its days."""
    found = sorted(file for file in SAMPLE.rglob("*.json.gz") if "Digest" not in str(file))
    return tuple(_with_own_ids(map(Path.read_bytes, found[:: max(len(found) // files, 1)]), "m"))


def _of_folder(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.stat().st_size < 5_000_000:
            yield file.read_bytes()


def _with_own_ids(contents: Iterator[bytes] | Any, prefix: str = "r") -> list[str]:
    """The records of files, each under an eventID that no other has."""
    found = []
    for content in contents:
        data = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        try:
            items = containers.read(data).items
        except UnicodeDecodeError:
            continue
        for item in items:
            try:
                record = json.loads(bytes(item.text))
            except ValueError:
                continue
            if (
                isinstance(record, dict)
                and "eventName" in record
                and "insightDetails" not in record
            ):
                found.append(json.dumps(record | {"eventID": f"{prefix}{len(found)}"}))
    return found

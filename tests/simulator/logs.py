"""Reads what a simulation wrote, without the code that wrote it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def log_files(out: Path) -> list[Path]:
    """All log files, sorted by key."""
    return sorted(out.glob("AWSLogs/**/CloudTrail/**/*.json.gz"))


def digest_files(out: Path) -> list[Path]:
    """All digest files, sorted by key."""
    return sorted(out.glob("AWSLogs/**/CloudTrail-Digest/**/*.json.gz"))


def records(out: Path) -> Iterator[Record]:
    """All records as delivered, duplicates among them."""
    for path in log_files(out):
        yield from records_of(path)


def records_of(path: Path) -> list[Record]:
    """The records of one file."""
    content = json.loads(gzip.decompress(path.read_bytes()))
    assert list(content) == ["Records"]
    found: list[Record] = content["Records"]
    return found


def labels(out: Path) -> list[dict[str, Any]]:
    """The lines of labels.jsonl."""
    return [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]

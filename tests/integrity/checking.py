"""Validates a trail as a folder, for tests."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

from ctanalytics.app.validate import ValidateResult, validate
from ctanalytics.integrity.verdict import Checked
from tests.integrity.trail import HOUR, START, Trail


def check(trail: Trail, folder: Path, **more: Any) -> tuple[ValidateResult, dict[str, str]]:
    """Validate a trail as a folder; return the result and the verdict of every key."""
    rows: list[Checked] = []
    result = validate(trail.write(folder), report=rows.append, **more)
    return result, {row.key: row.verdict for row in rows if row.kind != "gap"}


def spans(result: ValidateResult) -> list[tuple[dt.datetime, dt.datetime]]:
    return [(gap.since, gap.until) for gap in result.gaps if gap.since and gap.until]


def hours(*span: float) -> tuple[dt.datetime, ...]:
    return tuple(START + hour * HOUR for hour in span)


def flip(data: bytes) -> bytes:
    content = gzip.decompress(data)
    return gzip.compress(content.replace(b"ListBuckets", b"ListBucketz"), mtime=0)


def append_member(data: bytes) -> bytes:
    return data + gzip.compress(b'{"Records":[{"eventName":"forged"}]}')

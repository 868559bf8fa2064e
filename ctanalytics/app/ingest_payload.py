"""Payloads: what an ingest has fetched itself, on its way into a plan."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ctanalytics.app.ingest_part import listed
from ctanalytics.lake import staging
from ctanalytics.lake.store import Store
from ctanalytics.sources.base import LogObject


@dataclass(frozen=True, slots=True)
class Payload:
    """Something fetched, under the bucket and key that it gets in the ledger."""

    bucket: str
    key: str
    data: bytes
    fetched_at: dt.datetime


def described(payloads: Sequence[Payload]) -> list[dict[str, Any]]:
    """Return payloads as objects of a plan; where each waits is not told yet."""
    return [
        listed(
            LogObject(
                bucket=payload.bucket,
                key=payload.key,
                etag=hashlib.sha256(payload.data).hexdigest(),
                size_bytes=len(payload.data),
                last_modified=payload.fetched_at,
            )
        )
        for payload in payloads
    ]


def stage(
    store: Store, plan_id: int, payloads: Sequence[Payload], work: Sequence[dict[str, Any]]
) -> None:
    """Write payloads into a plan's folder before the plan is put, and tell its objects where.

    Whoever finishes the plan reads them there; they go with the plan's other staged files.
    """
    data = {payload.key: payload.data for payload in payloads}
    for number, found in enumerate(work):
        path = f"{staging.folder(plan_id)}payload-{number:06d}"
        store.write(path, data[found["key"]])
        found["locator"] = path

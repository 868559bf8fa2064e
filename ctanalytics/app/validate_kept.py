"""Verdicts on their way to a lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ctanalytics.integrity.verdict import Checked

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

_KEPT_ROWS: Final = 50_000


@dataclass
class Kept:
    """Takes verdicts, and writes them in batches; without a lake it does nothing."""

    lake: Lake | None
    keys_from: str
    now: dt.datetime
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Checked) -> None:
        """Take a verdict; a gap is none of a file."""
        if self.lake is None or row.kind == "gap" or not row.stored_key:
            return
        self.rows.append(
            {
                "kind": row.kind,
                "bucket": row.stored_bucket,
                "key": row.stored_key,
                "verdict": row.verdict,
                "detail": row.detail or None,
                "delivered_bucket": row.bucket or None,
                "delivered_key": row.key,
                "account_id": row.account_id,
                "aws_region": row.aws_region,
                "trail": row.trail,
                "backfill": row.backfill,
                "delivered_at": row.stamp,
                "covers_since": row.since,
                "covers_until": row.until,
                "promised": row.log_files,
                "sha256": row.sha256,
                "etag": row.etag,
                "oldest_event_time": row.oldest_event_time,
                "newest_event_time": row.newest_event_time,
                "digest_bucket": row.digest_bucket,
                "digest_key": row.digest_key,
                "keys_from": self.keys_from,
                "validated_at": self.now,
            }
        )
        if len(self.rows) >= _KEPT_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self.lake is None or not self.rows:
            return
        # Loaded only where a lake is named: half a second that a plain check need not pay.
        import pyarrow as pa

        from ctanalytics.lake import verdicts
        from ctanalytics.records.file_verdicts import FILE_VERDICTS

        verdicts.keep(self.lake, pa.Table.from_pylist(self.rows, FILE_VERDICTS))
        self.rows.clear()

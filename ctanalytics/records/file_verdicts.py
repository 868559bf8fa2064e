"""What validation found about each digest and log file: the columns that the lake keeps."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

TEXT: Final = pa.string()
TIMESTAMP: Final = pa.timestamp("us", "UTC")

FILE_VERDICTS: Final = pa.schema(
    [
        pa.field("kind", TEXT),  # log, digest
        pa.field("bucket", TEXT),  # where it was read, as log_files has it
        pa.field("key", TEXT),
        pa.field("verdict", TEXT),  # one of integrity.verdict.VERDICTS
        pa.field("detail", TEXT),
        pa.field("delivered_bucket", TEXT),  # where AWS delivered it
        pa.field("delivered_key", TEXT),
        pa.field("account_id", TEXT),
        pa.field("aws_region", TEXT),
        pa.field("trail", TEXT),
        pa.field("backfill", pa.bool_()),
        pa.field("delivered_at", TIMESTAMP),  # minute in a log file's name; a digest's end
        pa.field("covers_since", TIMESTAMP),  # delivery times of a digest
        pa.field("covers_until", TIMESTAMP),
        pa.field("promised", pa.int32()),  # log files that a digest lists
        pa.field("sha256", TEXT),  # of the uncompressed content that was read
        pa.field("etag", TEXT),
        pa.field("oldest_event_time", TIMESTAMP),  # as the digest says
        pa.field("newest_event_time", TIMESTAMP),
        pa.field("digest_bucket", TEXT),  # the digest that lists a log file, where it was read
        pa.field("digest_key", TEXT),
        pa.field("keys_from", TEXT),  # what the signatures rest on
        pa.field("validated_at", TIMESTAMP),
    ]
)
"""Table `file_verdicts`, append-only: the newest row of a kind, bucket and key counts."""

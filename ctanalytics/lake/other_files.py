"""Files that people take for logs, or that lie beside them: what each is, and what to do instead."""

from __future__ import annotations

import csv
from typing import Final

_MAGIC: Final = (
    (b"PAR1", "a Parquet file", "CloudTrail's own JSON files are needed"),
    (b"Obj\x01", "an Avro file", "CloudTrail's own JSON files are needed"),
    (b"ORC", "an ORC file", "CloudTrail's own JSON files are needed"),
    (b"PK\x03\x04", "a zip file", "fetch it, and name it or its folder as a source"),
    (b"\xfd7zXZ\x00", "an xz file", "unpack it, or pack it as gzip"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it, or pack it as gzip"),
    (b"BZh", "a bzip2 file", "unpack it, or pack it as gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
)
_TAR: Final = b"ustar"
_HISTORY: Final = (
    "an event history download as CSV, which lacks most of each event; download it as JSON, or "
    "ingest the source lookup-events"
)
_RESULTS: Final = (
    "query results as CSV (CloudTrail Lake, Athena), from which no record can be made again; "
    "ingest the trail's files, or for 90 days back the source lookup-events"
)
LAKE_ROWS: Final = (
    "query results of CloudTrail Lake, from which no record can be made again; ingest the trail's "
    "files, or for 90 days back the source lookup-events"
)
OCSF: Final = (
    "an event in OCSF's form (Security Lake), from which no record can be made again; ingest the "
    "trail's files"
)
_NAMES: Final = frozenset(
    (
        "eventname",
        "eventtime",
        "eventid",
        "eventsource",
        "eventversion",
        "useridentity",
        "awsregion",
        "recipientaccountid",
        "username",
    )
)
WRITE_TEST: Final = b"Permission Check Successful"
"""What CloudWatch Logs writes into `aws-logs-write-test` before an export."""


def told(content: bytes) -> str | None:
    """Say what a file that is no JSON is, and what to do; None for what is not known."""
    for magic, what, mend in _MAGIC:
        if content.startswith(magic):
            return f"it is {what}; {mend}"
    if content[257:262] == _TAR:
        return "it is a tar file; fetch it, and name it or its folder as a source"
    return _table(content.partition(b"\n")[0][:4_096])


def _table(line: bytes) -> str | None:
    """A CSV file is known by the names of its columns."""
    text = line.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    try:
        names = next(csv.reader([text]), [])
    except csv.Error:
        return None
    known = {name.strip().lower().replace(" ", "").replace("_", "") for name in names} & _NAMES
    if len(known) < 2:
        return None
    return f"it is {_HISTORY if any(' ' in name.strip() for name in names) else _RESULTS}"

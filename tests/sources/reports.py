"""S3 Inventory reports as AWS writes them, in each of its formats."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

FOLDER = "reports/logs/daily"
DATED = f"{FOLDER}/2026-11-27T01-00Z"

CSV_NAMES = {
    "bucket": "Bucket",
    "key": "Key",
    "version_id": "VersionId",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "e_tag": "ETag",
    "storage_class": "StorageClass",
}
"""The columns of ORC and Parquet, and what CSV calls them."""


def row(
    key: str, size: Any = 10, etag: str = "0cc175b9c0f1b6a831c399e269772661", **more: Any
) -> dict[str, Any]:
    """An object of the bucket `logs`."""
    return {
        "bucket": "logs",
        "key": key,
        "size": size,
        "last_modified_date": dt.datetime(2026, 11, 26, 12, 30, tzinfo=dt.UTC),
        "e_tag": etag,
        "storage_class": "STANDARD",
    } | more


def report(
    files: Sequence[Sequence[Mapping[str, Any]]],
    kind: str = "CSV",
    dated: str = DATED,
    bucket: str = "logs",
) -> dict[str, bytes]:
    """The keys and contents of a report whose data files hold these rows."""
    found: dict[str, bytes] = {}
    described = []
    write = {"CSV": _csv, "Parquet": _parquet, "ORC": _orc}[kind]
    ending = {"CSV": "csv.gz", "Parquet": "parquet", "ORC": "orc"}[kind]
    for number, rows in enumerate(files):
        key = f"{FOLDER}/data/{dated[-17:]}-{number}.{ending}"
        found[key] = write(rows)
        sum_ = hashlib.md5(found[key]).hexdigest()
        described.append({"key": key, "size": len(found[key]), "MD5checksum": sum_})
    names = list(files[0][0])
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::inventory",
        "version": "2016-11-30",
        "creationTimestamp": "1795741200000",
        "fileFormat": kind,
        "fileSchema": ", ".join(CSV_NAMES[name] for name in names) if kind == "CSV" else "…",
        "files": described,
    }
    text = json.dumps(manifest).encode()
    found[f"{dated}/manifest.json"] = text
    found[f"{dated}/manifest.checksum"] = hashlib.md5(text).hexdigest().encode()
    return found


def save(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write a report to a folder as a copy of its bucket; return its manifest."""
    for key, data in files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return next(folder.rglob("manifest.json"))


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for found in rows:
        writer.writerow([_csv_value(name, value) for name, value in found.items()])
    return gzip.compress(text.getvalue().encode())


def _csv_value(name: str, value: Any) -> str:
    if name == "key":
        return quote_plus(value, safe="/")
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    table = pa.Table.from_pylist(list(rows))
    place = table.schema.get_field_index("last_modified_date")
    times = table.column(place).cast(pa.timestamp("ms"))
    return table.set_column(place, "last_modified_date", times)


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_table(rows), sink)
    return sink.getvalue()


def _orc(rows: Sequence[Mapping[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    orc.write_table(_table(rows), sink)
    return sink.getvalue().to_pybytes()

"""Bundle: rows with the log files, digests and keys that prove them, in one file."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics._version import __version__
from ctanalytics.app.anomaly import anomaly as anomaly_of
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import QueryError, UsageError
from ctanalytics.integrity import case
from ctanalytics.integrity.case import DigestMember, LogMember, Manifest, Writer
from ctanalytics.integrity.keys import AwsKeys, KeyFiles, Keys
from ctanalytics.integrity.log_file import content_of
from ctanalytics.integrity.place import Place, Stored, open_place
from ctanalytics.integrity.signature import span_of
from ctanalytics.lake.inflate import inflate
from ctanalytics.lake.lake import Lake
from ctanalytics.records import digest as form
from ctanalytics.records import object_key
from ctanalytics.settings import Settings

MOST_ROWS: Final = 100_000
_NEEDED: Final = ("event_id", "source_object", "source_row")


@dataclass(frozen=True)
class BundleResult:
    """What a bundle holds."""

    path: str
    rows: int
    rows_in_all: int
    log_files: dict[str, int]
    """Log files by verdict; "not validated" where there is none."""
    digests: int
    keys: int
    absent: list[str]
    """Log files that could not be packed, each with the reason."""
    notes: list[str]

    @property
    def proved(self) -> bool:
        """Whether every row comes from a log file that is packed with a digest that lists it."""
        return not self.absent and set(self.log_files) <= {"valid"} and self.rows > 0


def bundle(
    lake: str | Path | Lake,
    output: str | Path,
    *,
    incident: str | None = None,
    sql: str | None = None,
    public_keys: Sequence[str | Path] = (),
    settings: Settings | None = None,
    most_rows: int = MOST_ROWS,
    now: dt.datetime | None = None,
) -> BundleResult:
    """Pack the rows of an anomaly or of a query, and all that proves them, into a zip file.

    Args:
        incident: an anomaly's id, or the beginning of it.
        sql: else a SELECT over the views whose columns hold event_id, source_object, source_row.
        public_keys: files with AWS's keys; else those that validation used.

    Raises:
        UsageError: there is no such anomaly, or the SQL lacks a column.
        QueryError: the SQL is wrong.
        SourceError: a place that log files come from can't be read.
        CaseError: the file can't be written.
    """
    settings = settings or Settings()
    if (incident is None) == (sql is None):
        raise UsageError("give an incident or SQL, one of them", where="--incident, --sql")
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    packing = _Packing(settings)
    with here.engine(locked=True) as engine:
        anomaly = None if incident is None else anomaly_of(engine, incident, where="--incident")
        text = sql if anomaly is None else _evidence_sql(anomaly)
        if text is None:
            raise UsageError("the anomaly has no evidence that can be packed", where="--incident")
        found = _rows(engine, text)
        rows = found.slice(0, most_rows)
        files = _files(engine, rows)
        digests = _digests(engine, files)
    with case.writing(Path(output)) as writer:
        writer.add(case.README, case.README_TEXT.encode())
        writer.add(case.ROWS, _ndjson(rows))
        if anomaly is not None:
            writer.add(case.ANOMALY, _json(anomaly).encode())
        packed_digests = [packing.digest(writer, row) for row in digests]
        by_place = {
            (row["bucket"], row["key"]): packed.member
            for row, packed in zip(digests, packed_digests, strict=True)
            if packed is not None
        }
        logs = [packing.log(writer, row, by_place) for row in files]
        keys, origin = packing.keys(public_keys, digests)
        writer.add(case.KEYS, form.build_public_keys(keys))
        writer.finish(
            Manifest(
                created_at=(now or dt.datetime.now(dt.UTC)).isoformat(timespec="seconds"),
                made_by=f"ctanalytics {__version__}",
                lake=here.uri,
                anomaly_id=anomaly["anomaly_id"] if anomaly else None,
                sql=text,
                rows=rows.num_rows,
                rows_in_all=found.num_rows,
                keys_from=origin,
                logs=tuple(logs),
                digests=tuple(one for one in packed_digests if one is not None),
            )
        )
    return BundleResult(
        path=str(output),
        rows=rows.num_rows,
        rows_in_all=found.num_rows,
        log_files=dict(sorted(Counter(log.verdict or "not validated" for log in logs).items())),
        digests=len(by_place),
        keys=len(keys),
        absent=[f"{log.source_object}: {log.detail}" for log in logs if log.member is None],
        notes=packing.notes + _notes(rows, found, logs),
    )


def _notes(rows: pa.Table, found: pa.Table, logs: list[LogMember]) -> list[str]:
    notes = []
    if not found.num_rows:
        notes.append("there is no such row: the bundle is empty")
    if found.num_rows > rows.num_rows:
        notes.append(f"the first {rows.num_rows} of {found.num_rows} rows are packed")
    if any(log.verdict is None for log in logs):
        notes.append(
            "some log files were never validated: run `ctanalytics validate SOURCE --lake LAKE`"
        )
    return notes


def _evidence_sql(anomaly: dict[str, Any]) -> str | None:
    evidence = json.loads(anomaly["evidence"])
    found = evidence.get("sql")
    return found if isinstance(found, str) else None


def _rows(engine: Engine, sql: str) -> pa.Table:
    table = engine.query(sql)
    absent = [name for name in _NEEDED if name not in table.column_names]
    if absent:
        raise QueryError(
            f"the result lacks {', '.join(absent)}, by which a row is found in its log file",
            where=untrusted.one_line(sql),
            mend="select * from events where ...",
        )
    return table


def _files(engine: Engine, rows: pa.Table) -> list[dict[str, Any]]:
    """The log files of rows, with what validation says about them."""
    named = pa.table({"source_object": rows["source_object"].cast(pa.string()).unique()})
    engine.register("bundle_objects", named)
    found: list[dict[str, Any]] = engine.run("bundle/files").to_pylist()
    return found


def _digests(engine: Engine, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The digests that list them."""
    places = sorted({(f["digest_bucket"], f["digest_key"]) for f in files if f["digest_key"]})
    table = pa.table(
        {
            "bucket": pa.array([bucket for bucket, _ in places], pa.string()),
            "key": pa.array([key for _, key in places], pa.string()),
        }
    )
    engine.register("bundle_digests", table)
    found: list[dict[str, Any]] = engine.run("bundle/digests").to_pylist()
    return found


def _ndjson(rows: pa.Table) -> bytes:
    return "".join(_json(row) + "\n" for row in rows.to_pylist()).encode()


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, default=plain)


def plain(value: object) -> object:
    """What a value that JSON lacks becomes in rows."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


@dataclass
class _Packing:
    """Fetches what a bundle needs."""

    settings: Settings
    notes: list[str] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)
    _contents: list[form.Digest] = field(default_factory=list)
    _number: int = 0

    def log(
        self, writer: Writer, row: dict[str, Any], digests: dict[tuple[str, str], str]
    ) -> LogMember:
        """Pack one log file."""
        base = LogMember(
            source_object=row["source_object"],
            member=None,
            key=row["delivered_key"] or row["key"],
            sha256=row["sha256"],
            verdict=row["verdict"],
            digest=digests.get((row["digest_bucket"], row["digest_key"])),
        )
        stored = self._read(row["bucket"], row["key"])
        if not isinstance(stored, Stored):
            return msgspec.structs.replace(base, detail=stored.detail)
        member = self._name("logs", row["key"])
        writer.add(member, stored.data)
        changed = content_of(stored.data).sha256 != row["sha256"]
        detail = "its content is not what was ingested" if changed else ""
        return msgspec.structs.replace(base, member=member, detail=detail)

    def digest(self, writer: Writer, row: dict[str, Any]) -> DigestMember | None:
        """Pack one digest with its metadata."""
        stored = self._read(row["bucket"], row["key"])
        if not isinstance(stored, Stored):
            self.notes.append(f"the digest {row['key']} can't be packed: {stored.detail}")
            return None
        member = self._name("digests", row["key"])
        writer.add(member, stored.data)
        metadata = json.dumps(dict(stored.metadata), sort_keys=True)
        writer.add(member + form.METADATA_SUFFIX, metadata.encode())
        try:
            content = inflate(stored.data, max_bytes=case.MAX_MEMBER_BYTES).content
            self._contents.append(form.parse(content))
        except ValueError:
            self.notes.append(f"the digest {row['key']} is not one any more")
        return DigestMember(
            member=member,
            bucket=row["delivered_bucket"],
            key=row["delivered_key"],
            verdict=row["verdict"],
        )

    def keys(
        self, files: Sequence[str | Path], rows: list[dict[str, Any]]
    ) -> tuple[list[form.PublicKey], str]:
        """The keys that the digests were signed with, and where they come from."""
        ring = self._ring(files, rows)
        if ring is None:
            return [], ""
        found: dict[tuple[str, str], form.PublicKey] = {}
        for content in self._contents:
            span = span_of(content)
            region = object_key.parse(content.key).aws_region or ""
            if span is None:
                continue
            for key in ring.candidates(region, span[0], span[1] + dt.timedelta(days=31)):
                if key.fingerprint.lower() == content.fingerprint.lower():
                    found[key.region, key.fingerprint] = key
        return [found[name] for name in sorted(found)], ring.origin

    def _ring(self, files: Sequence[str | Path], rows: list[dict[str, Any]]) -> Keys | None:
        if files:
            return KeyFiles.read([Path(file) for file in files])
        if not rows:
            return None
        paths = {
            path for row in rows for path in row["keys_from"].split(", ") if Path(path).is_file()
        }
        if paths:
            return KeyFiles.read([Path(path) for path in sorted(paths)])
        return AwsKeys(self.settings.source_aws)

    def _read(self, bucket: str, key: str) -> Any:
        name = "/" if bucket == "file" else f"s3://{bucket}"
        if name not in self._places:
            self._places[name] = open_place(name, self.settings.source_aws)
        return self._places[name].read(bucket, key)

    def _name(self, folder: str, key: str) -> str:
        self._number += 1
        return f"{folder}/{self._number:06d}-{untrusted.file_name(key.rpartition('/')[2])}"

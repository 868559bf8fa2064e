"""Ingest what a list says instead of what S3 lists: an inventory report, or a file of keys."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.app.ingest_run import Run
from ctanalytics.errors import UsageError
from ctanalytics.lake import ledger as ledgers
from ctanalytics.records import object_key
from ctanalytics.settings import Aws
from ctanalytics.sources.base import LogObject, Selection, Source, batched
from ctanalytics.sources.inventory import Inventory
from ctanalytics.sources.object_list import ObjectList
from ctanalytics.sources.s3 import S3Source

_HEADS: Final = 16  # requests at a time
_AWS_LOGS: Final = re.compile(r"(?:^|/)AWSLogs/")


@dataclass(frozen=True)
class Lists:
    """Which lists stand in place of a listing."""

    inventory: str = ""
    """Address or path of a report's manifest, or of a folder of reports."""
    objects: str = ""
    """Address or path of a file of keys."""

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.inventory or self.objects)

    def sources(self, named: Sequence[str], aws: Aws) -> Sequence[str]:
        """Return the sources that were named, else the one that the report is of.

        Raises:
            UsageError: no source is named, and only a file of keys.
        """
        if named or not self:
            return named
        if self.objects:
            raise UsageError(
                "no bucket is named in which the objects of the list may be",
                where="--objects",
                mend="name it as a source: `ctanalytics ingest s3://BUCKET --objects FILE`",
            )
        return [f"s3://{Inventory.open(self.inventory, aws).bucket}"]


def take(run: Run, source: Source, lists: Lists, selection: Selection, now: dt.datetime) -> None:
    """Ingest the objects of lists that lie in a source and are chosen.

    Raises:
        UsageError: the source is no bucket, or the report is of another one.
        SourceError: a list can't be read.
    """
    if not isinstance(source, S3Source):
        raise UsageError(
            "a list of objects is of a bucket", where=source.name, mend="name s3://bucket[/prefix]"
        )
    if lists.inventory:
        run.take(source, _of_inventory(run, source, lists.inventory, selection, now))
    if lists.objects:
        rows = ObjectList.open(lists.objects, source.aws).rows()
        chosen = _Chosen(run, source, selection, now)
        run.take(source, chosen.batches(rows, _is_any))
        if chosen.passed["elsewhere"]:
            run.notes.append(
                f"{chosen.passed['elsewhere']:,} objects of the list do not lie in {source.name}"
            )


def _of_inventory(
    run: Run, source: S3Source, text: str, selection: Selection, now: dt.datetime
) -> Iterator[list[LogObject]]:
    report = Inventory.open(text, source.aws)
    if report.bucket != source.bucket:
        raise UsageError(
            f"the report is of the bucket {report.bucket}, which is not this source's",
            where=source.name,
            mend=f"name s3://{report.bucket} as the source, or another report",
        )
    run.notes.append(
        f"the inventory is of {report.created_at:%Y-%m-%d %H:%M} UTC: what came later is not in it"
    )
    chosen = _Chosen(run, source, selection, now)
    yield from chosen.batches(report.rows(), chosen.is_log_file)
    chosen.tell()


def _is_any(_: str) -> bool:
    # Somebody named these objects: what they are, their content tells.
    return True


@dataclass
class _Chosen:
    """Picks a source's objects out of lists; counts what was passed over."""

    run: Run
    source: S3Source
    selection: Selection
    now: dt.datetime
    passed: Counter[str] = field(default_factory=Counter)

    def is_log_file(self, key: str) -> bool:
        """Tell whether a bucket's object is what a listing would take: by its folder or its name."""
        kind = object_key.parse(key).kind
        known = kind in self.selection.kinds
        if not known and (kind == "unknown" and not _AWS_LOGS.search(key)):
            self.passed["others"] += 1
        return known

    def batches(
        self, rows: Iterable[pa.RecordBatch], is_wanted: Callable[[str], bool]
    ) -> Iterator[list[LogObject]]:
        """Yield the chosen objects of a list."""
        with ThreadPoolExecutor(_HEADS) as pool:
            for batch in batched(self._objects(rows, is_wanted)):
                yield self._complete(batch, pool)

    def tell(self) -> None:
        """Note what a report has besides the newest versions of log files."""
        said = {
            "versions": "older versions",
            "deleted": "objects that are deleted (a delete marker is their newest version)",
            "others": "objects that neither their folder nor their name shows as log files; "
            "--objects takes any",
        }
        for name, text in said.items():
            if self.passed[name]:
                self.run.notes.append(f"the inventory has {self.passed[name]:,} {text}")

    def _objects(
        self, rows: Iterable[pa.RecordBatch], is_wanted: Callable[[str], bool]
    ) -> Iterator[LogObject]:
        for batch in rows:
            for row in self._current(batch).to_pylist():
                if is_wanted(row["key"]) and self.selection.takes(row["key"]):
                    yield LogObject(
                        bucket=self.source.bucket,
                        key=row["key"],
                        etag=row["etag"] or "",
                        # What is not known to have a size has to be asked for it.
                        size_bytes=-1 if row["size_bytes"] is None else row["size_bytes"],
                        last_modified=row["last_modified"] or self.now,
                        storage_class=row["storage_class"],
                    )

    def _current(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of this source, of each object its newest version."""
        bucket, prefix = pa.scalar(self.source.bucket), self.source.prefix
        here = pc.equal(pc.coalesce(rows["bucket"], bucket), bucket)
        here = pc.and_(here, pc.starts_with(rows["key"], prefix))
        named = rows.filter(pc.is_valid(rows["key"]))
        rows = rows.filter(pc.and_(here, pc.is_valid(rows["key"])))
        self.passed["elsewhere"] += len(named) - len(rows)
        newest = pc.coalesce(rows["is_latest"], pa.scalar(True))
        gone = pc.coalesce(rows["is_delete_marker"], pa.scalar(False))
        self.passed["deleted"] += pc.sum(pc.and_(newest, gone)).as_py() or 0
        self.passed["versions"] += pc.sum(pc.and_not(pc.invert(newest), gone)).as_py() or 0
        return rows.filter(pc.and_not(newest, gone))

    def _complete(self, batch: list[LogObject], pool: ThreadPoolExecutor) -> list[LogObject]:
        """Ask S3 for the size and ETag of objects of which the list doesn't tell them.

        One that was read before is not asked for: a trail never writes a file twice.
        """
        lacking = [found for found in batch if not found.etag or found.size_bytes < 0]
        if not lacking:
            return batch
        keys = [{"bucket": found.bucket, "key": found.key} for found in lacking]
        words = self.run.known.states(keys) if self.run.known else [None] * len(keys)
        waits = ledgers.AGAIN | {"archived"} | (ledgers.SET_ASIDE if self.run.retry else set())
        asked = [
            found
            for found, word in zip(lacking, words, strict=True)
            if self.run.reingest or word is None or word.state in waits
        ]
        self.run.counts.listed += len(lacking) - len(asked)
        self.run.counts.known += len(lacking) - len(asked)
        told = [found for found in batch if found.etag and found.size_bytes >= 0]
        return told + list(pool.map(self._asked, asked))

    def _asked(self, found: LogObject) -> LogObject:
        # What is not there, or not for us: the read says which.
        return self.source.head(found.key) or replace(found, etag="", size_bytes=0)

"""Where our CPU time goes, step by step, and the floor: the least that each step could take."""

from __future__ import annotations

import functools
import hashlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

START: Final = "start-up"
REST: Final = "rest"

TIMED: Final = (
    ("ctanalytics.sources.folder:FolderSource.list", "list"),
    ("ctanalytics.lake.ledger:Ledger.unknown", "ledger"),
    ("ctanalytics.lake.ledger:row", "ledger"),
    ("ctanalytics.app.ingest_part:_outcome", "per object"),
    ("ctanalytics.sources.folder:FolderSource.read", "read"),
    ("ctanalytics.lake.decode:unpack", "inflate"),
    ("ctanalytics.lake.decode:hashlib", "hash"),
    ("ctanalytics.lake.decode:Decoder._fast", "check"),
    ("ctanalytics.lake.event_rows:EventRows.parse", "parse"),
    ("ctanalytics.lake.event_rows:EventRows.take", "columns"),
    ("ctanalytics.lake.event_rows:EventRows._table_of", "derived columns"),
    ("ctanalytics.lake.columns:with_dictionaries", "dictionaries"),
    ("ctanalytics.lake.columns:parsed", "identity, TLS, ARNs"),
    ("ctanalytics.lake.staging:stage", "stage"),
    ("ctanalytics.app.ingest_plan:merge", "merge: gather"),
    ("ctanalytics.lake.staging:read", "merge: read"),
    ("ctanalytics.lake.merge:split", "merge: dedupe"),
    ("ctanalytics.lake.staging:by_time", "merge: sort"),
    ("pyarrow.parquet:ParquetWriter.write_table", "merge: write"),
    ("ctanalytics.lake.plans:claim", "commit"),
    ("ctanalytics.lake.plans:roll_forward", "commit"),
    ("ctanalytics.lake.plans:conclude", "commit"),
    ("ctanalytics.lake.plans:sweep", "commit"),
)
"""Functions and the step that their time belongs to, what they call and is listed too left out."""


@dataclass
class Clock:
    """Splits the CPU time of the process among steps; the innermost one under way gets it."""

    totals: dict[str, float] = field(default_factory=dict)
    _under_way: list[str] = field(default_factory=lambda: [START])
    _since: float = 0.0
    _thread: int = field(default_factory=threading.get_ident)

    def turn(self) -> None:
        now = time.process_time()
        step = self._under_way[-1]
        self.totals[step] = self.totals.get(step, 0.0) + now - self._since
        self._since = now

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time booked."""

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*arguments, **named)
            self.enter(step)
            try:
                found = function(*arguments, **named)
            finally:
                self.leave()
            return self._items(step, found) if isinstance(found, Iterator) else found

        return wrapper

    def enter(self, step: str) -> None:
        self.turn()
        self._under_way.append(step)

    def leave(self) -> None:
        self.turn()
        self._under_way.pop()

    def _items(self, step: str, found: Iterator[Any]) -> Iterator[Any]:
        while True:
            self.enter(step)
            try:
                item = next(found)
            except StopIteration:
                return
            finally:
                self.leave()
            yield item


def install(clock: Clock) -> list[str]:
    """Wrap all functions of TIMED; return those that are not there (any more)."""
    absent = []
    for target, step in TIMED:
        module, _, path = target.partition(":")
        try:
            owner: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            found = getattr(owner, name)
        except (ImportError, AttributeError):
            absent.append(target)
            continue
        if found is hashlib:
            setattr(owner, name, SimpleNamespace(sha256=clock.timed(step, hashlib.sha256)))
        else:
            setattr(owner, name, clock.timed(step, found))
    return absent


def ours_by_step(source: str, out: str, workers: int) -> dict[str, Any]:
    """Ingest in this process, timed; the CPU seconds of each step, and of the whole process."""
    from ctanalytics.app.ingest import ingest
    from ctanalytics.settings import Ingest, Settings

    assert workers == 1, "steps are told apart within one process"
    clock = Clock()
    absent = install(clock)
    clock.enter(REST)
    result = ingest([source], out, settings=Settings(ingest=Ingest(workers=1)))
    clock.leave()
    return {"rows": result.records_read, "steps": clock.totals, "absent": absent}


def floors(source: str, out: str, workers: int, lake: str) -> dict[str, Any]:  # noqa: ARG001
    """CPU seconds of each indispensable step by itself, on the same bytes.

    Args:
        lake: a lake that was ingested from the source; its rows are written again.
    """
    import msgspec
    from isal import igzip

    files = [path.read_bytes() for path in sorted(Path(source).rglob("*.json.gz"))]
    scan = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode
    spent = dict.fromkeys(("inflate", "hash", "scan", "parse", "write"), 0.0)
    typed = _typed_parse()
    records = 0
    for data in files:
        started = time.process_time()
        content = igzip.decompress(data)
        inflated = time.process_time()
        hashlib.sha256(content).hexdigest()
        hashed = time.process_time()
        found = scan(content)
        scanned = time.process_time()
        typed(content)
        parsed = time.process_time()
        records += len(found["Records"])
        del found
        spent["inflate"] += inflated - started
        spent["hash"] += hashed - inflated
        spent["scan"] += scanned - hashed
        spent["parse"] += parsed - scanned
    spent["write"] = _write_again(Path(lake))
    return {"rows": records, "floors": spent}


def _typed_parse() -> Callable[[bytes], Any]:
    """msgspec into structs of the documented fields, free-form objects left as text."""
    import msgspec

    from ingest_suite.shapes import FLAGS, OBJECTS, TEXTS

    raw = msgspec.Raw(b"")
    record = msgspec.defstruct(
        "Record",
        [
            ("eventTime", str),
            *((name, str | None, None) for name in TEXTS),
            *((name, bool | None, None) for name in FLAGS),
            *((name, msgspec.Raw, raw) for name in (*OBJECTS, "tlsDetails")),
        ],
        gc=False,
    )
    whole = msgspec.defstruct("File", [("Records", list[record])], gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(whole).decode


def _write_again(lake: Path) -> float:
    """CPU seconds of encoding the lake's events as Parquet, from memory to memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    spent = 0.0
    for path in sorted((lake / "tables" / "events").rglob("*.parquet")):
        known = pq.ParquetFile(path)
        group = known.metadata.row_group(0)
        columns = [group.column(place) for place in range(group.num_columns)]
        repeating = [
            column.path_in_schema
            for column in columns
            if "RLE_DICTIONARY" in column.encodings and "." not in column.path_in_schema
        ]
        texts = [n for n in repeating if known.schema_arrow.field(n).type == pa.string()]
        rows = pq.ParquetFile(path, read_dictionary=texts).read().unify_dictionaries()
        started = time.process_time()
        with pq.ParquetWriter(
            pa.BufferOutputStream(),
            rows.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=repeating,
            dictionary_pagesize_limit=16 * 1024 * 1024,
            write_statistics=False,
            store_schema=False,
        ) as writer:
            writer.write_table(rows, row_group_size=100_000)
        spent += time.process_time() - started
    return spent

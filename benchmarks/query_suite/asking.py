"""Takes the time, the CPU time and the machine's load of one side of a question."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb


@dataclass(frozen=True)
class Took:
    """Seconds of the middle run, of its CPU time, and the load while it ran."""

    seconds: float
    cpu: float
    load: float

    def __str__(self) -> str:
        return f"{self.seconds:7.3f} s (cpu {self.cpu:6.2f}, load {self.load:4.1f})"


def median(run: Callable[[], Any], runs: int, *, warm: bool = True) -> Took:
    """Ask several times; a first run, which warms the caches of files, is not counted.

    CPU time is this process's: all threads of the engine, and nobody else's work.
    """
    if warm:
        run()
    found = []
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - began, time.process_time() - used))
    seconds, cpu = (statistics.median(column) for column in zip(*found, strict=True))
    return Took(seconds, cpu, os.getloadavg()[0])


def once(connection: duckdb.DuckDBPyConnection, sql: str, patience: float) -> Took | None:
    """Ask once; None where it took longer than somebody waits."""
    timer = threading.Timer(patience, connection.interrupt)
    timer.start()
    began, used = time.perf_counter(), time.process_time()
    try:
        connection.sql(sql).to_arrow_table()
    except duckdb.InterruptException:
        return None
    finally:
        timer.cancel()
    return Took(time.perf_counter() - began, time.process_time() - used, os.getloadavg()[0])

"""The executor of one machine: processes, each given one part at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from types import ModuleType
from typing import Final, Self

import pyarrow as pa

from ctanalytics.engines.executor import Part, Result


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WORTH_HELP: Final = 3
"""So many parts make it worth starting a process: of fewer, this one is done before it is ready."""


@dataclass
class LocalExecutor:
    """This process and others that help it, started at the first map and kept until closed.

    One worker is this process: it is at work while the others still start, which takes each of
    them half a second, and no process only waits. Few parts wait ready at a time, so that an
    endless stream of parts takes bounded memory.
    """

    workers: int = field(default_factory=cores)
    _pool: ProcessPoolExecutor | None = field(default=None, init=False, repr=False)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield results as they come; see `engines.executor.Executor`."""
        parts = iter(parts)
        first = list(islice(parts, 1 if self.workers <= 1 else _WORTH_HELP))
        if len(first) < _WORTH_HELP and self._pool is None:
            yield from map(function, chain(first, parts))
            return
        helpers = self.workers - 1
        waiting: set[Future[Result]] = set()
        try:
            for part in chain(first, parts):
                # One under work and one ready for each helper; all further ones are done here.
                if len(waiting) < 2 * helpers:
                    waiting.add(self._submit(function, part))
                else:
                    yield function(part)
                done, waiting = wait(waiting, timeout=0)
                for future in done:
                    yield future.result()
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, function: Callable[[Part], Result], part: Part) -> Future[Result]:
        if self._pool is None:
            # spawn: a fork of a process that runs Arrow's and DuckDB's threads can hang.
            self._pool = ProcessPoolExecutor(
                self.workers - 1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_quiet,
            )
        with _no_main_module():
            return self._pool.submit(function, part)

    def close(self) -> None:
        """Stop the workers; parts that were not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a worker that starts now from running the driver's script.

    Multiprocessing imports the main module in every process it spawns: a script that ingests,
    and does so outside of `if __name__ == "__main__"`, would ingest in each of its workers too.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _quiet() -> None:
    """In a worker: leave Ctrl-C to the driver, take one thread, and end when the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    # A driver that was killed closes no queue, and its workers would wait for work for ever.
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)

"""Validates accounts and regions in threads of this process: they mostly wait for files."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from ctanalytics.integrity import cell as cells
from ctanalytics.integrity.cell import Job
from ctanalytics.integrity.trails import Cell
from ctanalytics.integrity.verdict import Checked

_CELLS: Final = 4
"""Accounts and regions that are validated at a time."""
_ROWS: Final = 1_000


def rows(job: Job, found: Sequence[Cell]) -> Iterator[Checked]:
    """Yield the rows of all cells in the order of the cells, some of which are at work at the same time."""
    stop = threading.Event()
    waiting: deque[queue.Queue[Checked | Exception | None]] = deque()
    ahead = iter(found)

    def begin() -> None:
        cell = next(ahead, None)
        if cell is None:
            return
        told: queue.Queue[Checked | Exception | None] = queue.Queue(_ROWS)
        waiting.append(told)
        threading.Thread(target=_work, args=(job, cell, told, stop), daemon=True).start()

    for _ in range(_CELLS):
        begin()
    try:
        while waiting:
            told = waiting.popleft()
            begin()
            while (row := told.get()) is not None:
                if isinstance(row, Exception):
                    raise row
                yield row
    finally:
        stop.set()


def _work(
    job: Job,
    cell: Cell,
    rows: queue.Queue[Checked | Exception | None],
    stop: threading.Event,
) -> None:
    """Validate one cell in a thread of its own; what goes wrong is raised in the main thread."""

    def tell(row: Checked | Exception | None) -> None:
        while not stop.is_set():
            try:
                rows.put(row, timeout=0.2)
            except queue.Full:
                continue
            return

    try:
        for row in cells.validate(job, cell):
            tell(row)
            if stop.is_set():
                return
        tell(None)
    except Exception as error:  # raised again where the rows are taken
        tell(error)

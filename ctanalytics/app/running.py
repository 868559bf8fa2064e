"""A user's SQL on its way: it can be stopped by Ctrl-C and by a limit of time."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import QueryError

_AHEAD: Final = 4
"""Batches that are made before they are asked for."""
_GLANCE_SECONDS: Final = 0.1

_Item: TypeAlias = "pa.Schema | pa.RecordBatch | BaseException | None"


@contextmanager
def running(
    engine: Engine, start: Callable[[], pa.RecordBatchReader], timeout_seconds: float = 0.0
) -> Iterator[pa.RecordBatchReader]:
    """Run SQL in a thread of its own, so that this one can hear Ctrl-C and the clock.

    Args:
        start: begins the SQL; called in the thread.
        timeout_seconds: the most that all of it may take, until the last batch; 0 for no limit.

    Yields:
        The rows. No two columns have one name.

    Raises:
        QueryError: what `start` or its batches raise, and when the time is up.
    """
    box: queue.Queue[_Item] = queue.Queue(_AHEAD)
    stopped = threading.Event()
    worker = threading.Thread(target=_work, args=(start, box, stopped), daemon=True)
    ends = time.monotonic() + timeout_seconds if timeout_seconds else None
    worker.start()
    try:
        first = _next(box, engine, ends, timeout_seconds)
        if not isinstance(first, pa.Schema):
            raise QueryError("the query ended before it began", mend="run it again")
        schema = _named_apart(first)
        batches = _batches(box, engine, ends, timeout_seconds)
        yield pa.RecordBatchReader.from_batches(
            schema, (batch.rename_columns(schema.names) for batch in batches)
        )
    finally:
        stopped.set()
        while worker.is_alive():
            # An interrupt that comes before the statement has begun is lost: say it again.
            engine.interrupt()
            worker.join(_GLANCE_SECONDS)


def _named_apart(schema: pa.Schema) -> pa.Schema:
    """Name columns apart that SQL gave one name, as DuckDB does: a, a_1. A row as a dict loses none."""
    names: list[str] = []
    for name in schema.names:
        apart = (f"{name}_{number}" for number in itertools.count(1))
        names.append(next(new for new in itertools.chain([name], apart) if new not in names))
    fields = (field.with_name(name) for field, name in zip(schema, names, strict=True))
    return pa.schema(fields, schema.metadata)


def _work(
    start: Callable[[], pa.RecordBatchReader], box: queue.Queue[_Item], stopped: threading.Event
) -> None:
    try:
        batches = start()
        _put(box, batches.schema, stopped)
        for batch in batches:
            if not _put(box, batch, stopped):
                return
        _put(box, None, stopped)
    except BaseException as error:
        _put(box, error, stopped)


def _put(box: queue.Queue[_Item], item: _Item, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        with suppress(queue.Full):
            box.put(item, timeout=_GLANCE_SECONDS)
            return True
    return False


def _batches(
    box: queue.Queue[_Item], engine: Engine, ends: float | None, limit: float
) -> Iterator[pa.RecordBatch]:
    while (found := _next(box, engine, ends, limit)) is not None:
        yield found


def _next(
    box: queue.Queue[_Item], engine: Engine, ends: float | None, limit: float
) -> pa.Schema | pa.RecordBatch | None:
    try:
        found = box.get(timeout=None if ends is None else max(ends - time.monotonic(), 0.001))
    except queue.Empty:
        engine.interrupt()
        raise QueryError(
            f"the query took longer than {limit:g} seconds and was stopped",
            mend="cut the logs with --since and --until, or raise --timeout",
        ) from None
    if isinstance(found, BaseException):
        raise found
    return found

"""Lakes for requests: a few at a time, and whatever takes too long is stopped."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import LakeBusy, QueryError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

AT_ONCE: Final = 2
"""Requests that read the lake at the same time; others wait."""
_GLANCE_SECONDS: Final = 0.1


class TimedLake(Lake):
    """A lake whose sessions end when the time of the request that they work for is up."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.lake, settings.lake_aws)
        self._limits = {
            "threads": settings.query.threads or None,
            "memory_bytes": settings.query.memory_bytes or None,
        }
        self.sessions: list[Engine] = []
        self._ends = float("inf")

    def engine(self, **options: Any) -> Engine:
        """Return a session with the settings' limits."""
        self.require_time()
        return super().engine(**(self._limits | options))

    def require_time(self) -> None:
        """Raise QueryError when the time is up."""
        if self.is_late:
            raise QueryError("the time of this request is up")

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Stop every session of the with block that still works when the seconds are over."""
        self._ends = time.monotonic() + seconds
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()
            for session in self.sessions:
                session.close()
            self.sessions.clear()
            self._ends = float("inf")

    def stop(self) -> None:
        """End the time of the request that is at work."""
        self._ends = time.monotonic()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_GLANCE_SECONDS):
            if self.is_late:
                # Said again and again: an interrupt before a statement begins is lost.
                for session in tuple(self.sessions):
                    session.interrupt()


class Lakes:
    """AT_ONCE lakes of one place, made when they are needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._all: list[TimedLake] = []
        self._free: queue.LifoQueue[TimedLake | None] = queue.LifoQueue()
        first = TimedLake(settings)  # a place without a lake is told at once
        self._all.append(first)
        for lake in (*[None] * (AT_ONCE - 1), first):
            self._free.put(lake)

    @contextmanager
    def one(self) -> Iterator[TimedLake]:
        """Lend a lake for a request.

        Raises:
            LakeBusy: none became free in the time that a request may take.
        """
        seconds = self._settings.serve.timeout_seconds
        try:
            lake = self._free.get(timeout=seconds)
        except queue.Empty:
            raise LakeBusy(
                "other requests are at work", where="serve", mend="try again in a moment"
            ) from None
        try:
            if lake is None:
                lake = TimedLake(self._settings)
                self._all.append(lake)
            with lake.within(seconds):
                yield lake
        finally:
            self._free.put(lake)

    def stop(self) -> None:
        """End all requests that are at work."""
        for lake in self._all:
            lake.stop()

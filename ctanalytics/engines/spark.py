"""The executor of a Spark cluster: the same functions, each part one task.

Workers need Python, this package and their own way to the source and the lake: Spark moves parts
and results, which are small, and nothing else. No connector, S3A or Delta jar takes part.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Self

from ctanalytics.engines.executor import Part, Result
from ctanalytics.errors import CtanalyticsError, ExecutorError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WAVES: Final = 2
"""Jobs at a time: while one has only its last tasks left, the next one fills the free slots."""

_PARTS_PER_SLOT: Final = 4
_DEFAULTS: Final = {
    "spark.app.name": "ctanalytics",
    "spark.ui.showConsoleProgress": "false",
    # A worker that is lost takes its tasks with it; they count as tries of the part.
    "spark.task.maxFailures": "6",
    "spark.sql.session.timeZone": "UTC",
}
_LEAN_JVM: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Java only passes short texts on, and compiling it to the end costs more than it brings: of an
ingest of 361,156 events the driver's and the executor's took 2.3 s of CPU, and so 0.9 s, beside
Python's 6.4. Where spark-submit or a managed service has set up Java, its own choice stays."""


@dataclass
class SparkExecutor:
    """Runs parts as tasks of a Spark session, which starts at the first map.

    Args:
        master: of the cluster, such as spark://host:7077 or local[2]; empty: what spark-submit or
            the managed service has set.
        options: further Spark properties.
    """

    master: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    _session: SparkSession | None = field(default=None, init=False, repr=False)
    _is_ours: bool = field(default=False, init=False, repr=False)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield results as their jobs end; see `engines.executor.Executor`.

        Raises:
            ExecutorError: there is no Spark here, it can't be reached, or a part failed too often.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        parts = iter(parts)
        first = list(islice(parts, 1))
        if not first:
            return
        context = self._start().sparkContext
        waves = _waves(chain(first, parts), _PARTS_PER_SLOT * context.defaultParallelism)
        waiting: deque[Future[list[Result]]] = deque()
        with ThreadPoolExecutor(_WAVES, thread_name_prefix="wave") as threads:
            try:
                for wave in waves:
                    waiting.append(threads.submit(_run, context, name, wave))
                    if len(waiting) == _WAVES:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                if waiting:
                    context.cancelAllJobs()

    def _start(self) -> SparkSession:
        if self._session is not None:
            return self._session
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise ExecutorError(
                "Spark is not installed here",
                where="--executor spark",
                mend="pip install 'ctanalytics[spark]', and have Java 17",
            ) from error
        running = SparkSession.getActiveSession()
        self._is_ours = running is None
        self._session = running or self._session_of(SparkSession)
        self._session.sparkContext.setLogLevel("ERROR")
        return self._session

    def _session_of(self, kind: type[SparkSession]) -> SparkSession:
        builder = kind.builder
        if self.master:
            builder = builder.master(self.master)
            # A cluster that is named by hand has this environment at the same place; under
            # spark-submit its own settings say where Python is.
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            for process in ("driver", "executor"):
                builder = builder.config(f"spark.{process}.extraJavaOptions", _LEAN_JVM)
        for name, value in (_DEFAULTS | dict(self.options)).items():
            builder = builder.config(name, value)
        try:
            return builder.getOrCreate()
        except Exception as error:  # whatever stands between Python, Java and the cluster
            raise ExecutorError(
                f"no Spark session: {_last_line(error)}",
                where=self.master or "the master that spark-submit sets",
                mend="check that Java 17 is installed (JAVA_HOME) and that the master answers",
            ) from error

    def close(self) -> None:
        """End the session, unless it was there before."""
        if self._session is not None and self._is_ours:
            self._session.stop()
        self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _waves(parts: Iterator[Part], size: int) -> Iterator[list[Part]]:
    while wave := list(islice(parts, max(size, 1))):
        yield wave


def _run(context: Any, name: str, wave: list[Part]) -> list[Result]:
    """Run a wave of parts as one job, a task for each."""
    tasks = context.parallelize([json.dumps(part) for part in wave], len(wave))
    try:
        answers = tasks.map(lambda text: call(name, text)).collect()
    except Exception as error:
        raise ExecutorError(
            f"a part failed on every try: {_last_line(error)}",
            where=name,
            mend="the executors' logs have the whole error; then run the command again: what was "
            "not committed is done anew",
        ) from error
    results = []
    for result, fault in answers:
        if fault is not None:
            raise fault
        results.append(json.loads(result))
    return results


def call(name: str, text: str) -> tuple[str | None, CtanalyticsError | None]:
    """On a worker: run the function of this name on a part.

    An error that a person can mend is an answer: another try would give the same. Any other makes
    the task fail, and Spark tries it elsewhere.
    """
    module, _, function = name.partition(":")
    home = importlib.import_module(module)
    # After each task PySpark looks through all that lives for garbage. What lives between two
    # tasks is code: left out of that, it saves a tenth of the CPU.
    gc.freeze()
    try:
        return json.dumps(getattr(home, function)(json.loads(text))), None
    except CtanalyticsError as error:
        return None, error


def _last_line(error: Exception) -> str:
    """What a person needs of an error that Java may have wrapped in pages of stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    python = [line for line in lines if not line.startswith(("at ", "...", "Caused by"))]
    told = [line for line in python if "Error" in line or "Exception" in line]
    return (told or python or [type(error).__name__])[-1][:500]

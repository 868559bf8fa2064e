"""`map(function, parts)`: the one way heavy work is spread, on one machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol

from ctanalytics.errors import UsageError

if TYPE_CHECKING:
    from ctanalytics.settings import Execution

Part = dict[str, Any]
Result = dict[str, Any]


class Executor(Protocol):
    """Runs a function over parts, somewhere.

    The function is importable by module and name; parts and results are JSON-able and at most
    1 MiB (what is larger goes to a Parquet file, and its manifest is the result). It may run
    twice on the same part, in any order, in another process: it is idempotent, and only the
    driver commits what it made.
    """

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield a result for each part as it comes, in no promised order."""
        ...


LOCAL: Final = "local"
EXECUTORS: Final = (LOCAL, "spark")
EXECUTOR_HELP: Final = "local (processes of this machine) or spark (a cluster's tasks)."
MASTER_HELP: Final = "Spark's master, such as spark://host:7077; else the one spark-submit has set."


def chosen(settings: Execution, workers: int = 0) -> AbstractContextManager[Executor]:
    """Return the executor that the settings name; it starts at the first map.

    Args:
        workers: processes of the local one; 0: one for each core this process may use.

    Raises:
        UsageError: there is none of this name.
    """
    if settings.executor == LOCAL:
        from ctanalytics.engines.local import LocalExecutor, cores

        return LocalExecutor(workers or cores())
    if settings.executor == "spark":
        from ctanalytics.engines.spark import SparkExecutor

        return SparkExecutor(settings.master, settings.options)
    raise UsageError(
        f"there is no executor {settings.executor!r}",
        where="--executor",
        mend=f"use one of {', '.join(EXECUTORS)}",
    )

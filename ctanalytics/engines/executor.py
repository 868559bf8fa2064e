"""`map(function, parts)`: the one way heavy work is spread, on one machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

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

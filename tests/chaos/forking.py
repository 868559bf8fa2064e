"""A process that has loaded everything and forks commands of ours, which may kill themselves.

Every change that a command makes to the disk from Python, and every commit to a table, is a step.
A command that is told a number gets SIGKILL right before its step of that number: so the gap
between any two steps can be hit on purpose. What happens inside of a step, in Rust or C++, is for
kills at random moments.

One JSON text a line: {"start": [...]} answers with a process id, {"wait": pid} with
the exit code and the CPU seconds. Nothing here may start a thread: a fork would not have it.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import boto3  # noqa: F401
import deltalake
import duckdb  # noqa: F401
import numpy as np  # noqa: F401
import polars  # noqa: F401
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet  # noqa: F401

CHANGES: Final = frozenset(
    ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink")
)
LATER: Final = ("serve", "shell", "spark", "simulat", "deploy")
"""Modules of ours that no command of the campaign loads."""


class Steps:
    """Counts a command's steps, and ends it before one of them."""

    def __init__(self) -> None:
        self.root = ""
        self.last = 0
        self.count = 0

    def arm(self, root: str, last: int) -> None:
        """Count from now on what happens below a folder."""
        self.root, self.last, self.count = root, last, 0
        sys.addaudithook(self._audit)

    def step(self) -> None:
        """One more step; the last is not made."""
        if not self.root:
            return
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            writes = isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and self._ours(given[0]):
                self.step()
        elif event in CHANGES and self._ours(given[0]):
            self.step()

    def _ours(self, path: object) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        return os.path.abspath(os.fspath(path)).startswith(self.root)  # noqa: PTH100


STEPS: Final = Steps()


def _stepping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        STEPS.step()
        made = function(*args, **named)
        STEPS.step()
        return made

    return called


def load() -> None:
    """Load every module that a command may want; commits become steps before they are bound."""
    deltalake.write_deltalake = _stepping(deltalake.write_deltalake)
    for name in ("create_write_transaction", "create"):
        setattr(deltalake.DeltaTable, name, _stepping(getattr(deltalake.DeltaTable, name)))
    import ctanalytics

    for module in pkgutil.walk_packages(ctanalytics.__path__, "ctanalytics."):
        if not any(word in module.name for word in LATER):
            importlib.import_module(module.name)


def serve() -> None:
    """Answer until the input ends."""
    load()
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            child = os.fork()
            if not child:
                _become(**asked["start"])
            answer: object = child
        else:
            _, status, used = os.wait4(asked["wait"], 0)
            answer = (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(
    arguments: list[str],
    home: str,
    env: dict[str, str],
    said: str,
    seconds: int,
    step: int,
) -> NoReturn:
    """Be the command, in its folder and with its environment; never return.

    Args:
        said: takes stdout and stderr.
        step: be killed before this step; 0: never. The number of steps made is put into `said.steps`.
    """
    os.setsid()
    signal.alarm(seconds)
    os.chdir(home)
    os.environ.update(env)
    opened = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(opened, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    code = 1
    try:
        if arguments[0] == "@reader":
            from tests.chaos.reading import watch

            code = watch(Path(home), arguments[1:])
        else:
            from ctanalytics.cli import main

            STEPS.arm(home, step)
            code = main.main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        STEPS.root = ""
        Path(f"{said}.steps").write_text(str(STEPS.count), "ascii")
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    serve()

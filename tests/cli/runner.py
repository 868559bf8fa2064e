"""Runs the real command in a process of its own, as a user does.

The processes are forked from one that has loaded the libraries, which costs more than most commands
do. That the program also starts from nothing is for `run_afresh`.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START = "from ctanalytics.cli.main import run; run()"
_SECONDS = 120
_FORKING = "from tests.cli.forking import serve; serve()"


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    """Run `ctanalytics` with these arguments, in a folder without settings of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        out.touch()
        err.touch()
        asked = [list(arguments), str(cwd), _environment(cwd, env), str(out), str(err), _SECONDS]
        return Ran(_forks().run(asked), out.read_text("utf-8"), err.read_text("utf-8"))


def run_afresh(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    """As `run`, in an interpreter that has loaded nothing yet."""
    done = subprocess.run(
        [sys.executable, "-c", _START, *arguments],
        cwd=cwd,
        env=_environment(cwd, env),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def _environment(cwd: Path, more: dict[str, str] | None) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CTANALYTICS_"))
    }
    clean |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(cwd), "COLUMNS": "200"}
    return clean | (more or {})


class _Forks:
    """A process that forks one command at a time; see `tests/cli/forking.py`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, asked: list[Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.lock:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            return int(self.process.stdout.readline())


@functools.cache
def _forks() -> _Forks:
    made = _Forks()
    atexit.register(made.process.communicate)
    return made

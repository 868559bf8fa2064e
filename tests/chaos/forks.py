"""The other side of `forking`: starts commands, waits for them, kills them with all their helpers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
LONGEST_SECONDS: Final = 300
_DROPPED: Final = ("AWS_", "CTANALYTICS_")


@dataclass(frozen=True)
class Ran:
    """What became of a command: exit code (negative: the signal), what it said, steps it made, and
    its CPU seconds."""

    code: int
    said: str
    steps: int
    cpu: float


@dataclass(frozen=True)
class Running:
    """A command at work."""

    forks: Forks
    pid: int
    said: Path

    def kill(self) -> None:
        """Kill it and its helpers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> Ran:
        """Wait for its end."""
        code, cpu = self.forks.ask({"wait": self.pid})
        self.kill()  # helpers that outlived it
        steps = Path(f"{self.said}.steps")
        return Ran(
            code,
            self.said.read_text("utf-8", "replace") if self.said.exists() else "",
            int(steps.read_text("ascii")) if steps.exists() else 0,
            cpu,
        )


class Forks:
    """One process that forks commands; `env` is what it starts with, such as a preloaded library."""

    def __init__(self, env: dict[str, str] | None = None) -> None:
        clean = {name: v for name, v in os.environ.items() if not name.startswith(_DROPPED)}
        clean |= {"AWS_EC2_METADATA_DISABLED": "true", "COLUMNS": "200", "TZ": "UTC"}
        self.lock = threading.Lock()
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.forking"],
            cwd=ROOT,
            env=clean | (env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, arguments: list[str], home: Path, *, step: int = 0, env: dict[str, str] | None = None
    ) -> Running:
        """Begin a command in a folder; what it says goes beside that folder."""
        self.count += 1
        said = home.with_name(f"{home.name}.said-{self.count}")
        given: dict[str, Any] = {
            "arguments": arguments,
            "home": str(home),
            "env": {"HOME": str(home), "TMPDIR": str(home / "tmp"), **(env or {})},
            "said": str(said),
            "seconds": LONGEST_SECONDS,
            "step": step,
        }
        return Running(self, int(self.ask({"start": given})), said)

    def run(
        self, arguments: list[str], home: Path, *, step: int = 0, env: dict[str, str] | None = None
    ) -> Ran:
        """Run a command to its end."""
        return self.start(arguments, home, step=step, env=env).wait()

    def ask(self, question: dict[str, Any]) -> Any:
        """Put a question to the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.lock:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

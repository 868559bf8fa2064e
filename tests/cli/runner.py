"""Runs the real command in a process of its own, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    """Run `ctanalytics` with these arguments, in a folder without settings of its own."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CTANALYTICS_"))
    }
    clean |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(cwd), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", "from ctanalytics.cli.main import run; run()", *arguments],
        cwd=cwd,
        env=clean | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)

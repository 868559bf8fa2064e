"""What a night came to: rows of the table `runs`, written as its steps end."""

from __future__ import annotations

import datetime as dt
import json
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from ctanalytics._version import __version__
from ctanalytics.lake.lake import Lake
from ctanalytics.records.runs import NIGHT, RUNS

EXIT_CODES: Final = {"running": 0, "done": 0, "skipped": 0, "part": 3, "failed": 1, "stopped": 130}
_LOOK_BACK: Final = dt.timedelta(days=40)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step came to."""

    step: str
    state: str
    """As `records.runs.RUN_STATES` tells."""
    counts: dict[str, Any] = field(default_factory=dict)
    identities: list[dict[str, Any]] = field(default_factory=list)
    """Sums that must agree: name, left, right, holds."""
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    """What a person should know; not kept in the table."""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """As the command of the step would have ended."""
        return EXIT_CODES[self.state]


def identity(name: str, left: int, right: int) -> dict[str, Any]:
    """Return a sum that must agree, and whether it does."""
    return {"name": name, "left": left, "right": right, "holds": left == right}


@dataclass(frozen=True, slots=True)
class Past:
    """A night that came before."""

    run_id: str
    night: Mapping[str, Any]
    """Its row of the step `night`."""
    steps: Mapping[str, Mapping[str, Any]]

    def done(self) -> frozenset[str]:
        """The steps that need not be done again."""
        return frozenset(
            name for name, row in self.steps.items() if row["state"] in ("done", "skipped")
        )


def nights(lake: Lake, now: dt.datetime) -> list[Past]:
    """Return the nights of the last weeks, the newest first."""
    with lake.engine() as engine:
        rows = engine.run(
            "nightly/runs", since=now - _LOOK_BACK, until=now + dt.timedelta(days=1)
        ).to_pylist()
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["run_id"], {})[row["step"]] = row
    return [
        Past(run_id, steps[NIGHT], {name: row for name, row in steps.items() if name != NIGHT})
        for run_id, steps in found.items()
        if NIGHT in steps
    ]


def new_run_id(now: dt.datetime) -> str:
    """Return an id that sorts by time and that no other run has."""
    return f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


@dataclass
class Record:
    """Writes what becomes of one run."""

    lake: Lake
    run_id: str
    day: dt.date

    def begin(self, step: str, at: dt.datetime) -> None:
        """Note that a step, or the night itself, began."""
        self._write(StepResult(step, "running"), at, None)

    def end(self, result: StepResult, began: dt.datetime, ended: dt.datetime) -> None:
        """Note what a step, or the night itself, came to."""
        self._write(result, began, ended)

    def _write(self, result: StepResult, began: dt.datetime, ended: dt.datetime | None) -> None:
        row = {
            "run_id": self.run_id,
            "step": result.step,
            "state": result.state,
            "started_at": began,
            "ended_at": ended,
            "seconds": result.seconds if ended else None,
            "counts": json.dumps(result.counts, default=str),
            "identities": json.dumps(result.identities),
            "exit_code": result.exit_code if ended else None,
            "error": result.error,
            "day": self.day,
            "host": socket.gethostname(),
            "version": __version__,
            "at": ended or began,
        }
        self.lake.append("runs", pa.Table.from_pylist([row], RUNS))

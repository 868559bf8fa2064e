"""Columns of the table `runs`: what each step of a night came to."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ctanalytics.records.schema import TEXT, TIMESTAMP

RUN_STATES: Final = ("running", "done", "part", "failed", "skipped", "stopped")
"""part: something of it is left for the next night; skipped: there was nothing to do; stopped: by
Ctrl-C or SIGTERM. What was killed stays running."""

WENT_BADLY: Final = frozenset(("part", "failed", "stopped"))
"""States of a step that a person should know of."""

NIGHT: Final = "night"
"""The step that stands for the run as a whole."""

RUNS: Final = pa.schema(
    [
        pa.field("run_id", TEXT, nullable=False),
        pa.field("step", TEXT, nullable=False),  # night, ingest, validate, detect, ...
        pa.field("state", TEXT, nullable=False),  # one of RUN_STATES
        pa.field("started_at", TIMESTAMP, nullable=False),
        pa.field("ended_at", TIMESTAMP),  # null while it runs
        pa.field("seconds", pa.float64()),
        pa.field("counts", TEXT, nullable=False),  # JSON object: what was counted
        pa.field("identities", TEXT, nullable=False),  # JSON list, see below
        pa.field("exit_code", pa.int32()),  # as the command of the step would have ended
        pa.field("error", TEXT),  # what went wrong, where, and the mend
        pa.field("day", pa.date32()),  # the UTC day that the night reports
        pa.field("host", TEXT),
        pa.field("version", TEXT),  # of ctanalytics
        pa.field("at", TIMESTAMP, nullable=False),  # when the row was written
    ]
)
"""Table `runs`, append-only; the newest row of a run and step counts.

`identities` are sums that must agree: [{"name": "read = written + ...", "left": 10, "right": 10,
"holds": true}].
"""

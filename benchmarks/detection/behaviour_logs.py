"""Puts real attack logs into simulated events: each technique on its own day, by its own victim."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.detection.behaviour_people import ACCOUNT, DAYS, START
from ctanalytics.lake.decode import decode


def inject(
    events: pa.Table, logs: Path, test_days: int
) -> tuple[pa.Table, list[tuple[str, str, int]]]:
    """Add the records of each log file to a victim's day; its user, role or tool stay as logged.

    Only who, where in the organization, and when change: account, principal and time.

    Returns:
        The events, and (technique, victim, day from START) of each file.
    """
    random = np.random.default_rng(7)
    # People and pipelines: those whose keys are stolen.
    named = sorted(
        arn
        for arn in pc.unique(events["principal_arn"]).to_pylist()
        if any(kind in arn for kind in ("developer", "analyst", "pipeline"))
    )
    parts, victims = [events], []
    for place, file in enumerate(sorted(logs.glob("*.json"))):
        victim = named[int(random.integers(len(named)))]
        day = DAYS - test_days + place % test_days
        found = decode(file.read_bytes()).events
        if not found.num_rows:
            continue
        parts.append(_moved(found, events.schema, victim, day))
        victims.append((file.stem, victim, day))
    return pa.concat_tables(parts).sort_by("event_time"), victims


def _moved(found: pa.Table, schema: pa.Schema, victim: str, day: int) -> pa.Table:
    noon = START + dt.timedelta(days=day, hours=11)
    times = pc.cast(found["event_time"], pa.int64())
    shift = int(noon.timestamp() * 1_000_000) - pc.min(times).as_py()
    time = pc.cast(pc.add(times, shift), schema.field("event_time").type)
    count = found.num_rows
    own = {
        "event_time": time,
        "event_date": pc.cast(pc.cast(time, pa.timestamp("us")), pa.date32()),
        "event_time_status": pa.repeat("ok", count),
        "event_hour": pc.hour(time),
        "event_dow": pa.repeat((START + dt.timedelta(days=day)).isoweekday(), count),
        "account_id": pa.repeat(ACCOUNT, count),
        "identity_account_id": pa.repeat(ACCOUNT, count),
        "principal_arn": pa.repeat(victim, count),
        "actor": pa.repeat(victim, count),
        "principal_type": pa.repeat("role" if ":role/" in victim else "user", count),
        "invoked_by": pa.nulls(count, pa.string()),
    }
    columns = []
    for field in schema:
        column = own.get(field.name)
        if column is None:
            known = field.name in found.column_names
            column = found[field.name] if known else pa.nulls(count, field.type)
        columns.append(pc.cast(column, field.type))
    return pa.table(columns, schema=schema)

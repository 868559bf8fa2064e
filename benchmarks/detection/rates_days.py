"""What a further day costs `detect`, beside the days before it.

python -m benchmarks.detection.rates_days [--events 3000000] [--days 30] [--json]

Fills a lake with made-up management calls of 20 accounts, one file a date; detects the first days
with `call_rate` and `error_rate`, which makes the state of all of them; then a day more is ingested
and detected. Last, the same day is detected once more: what it costs when nothing is new. Each
detect is a process of its own; its CPU time, imports and all, is what the share is taken of.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from ctanalytics.app.detect import detect
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import EVENTS

_START: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
_DETECTORS: Final = ("call_rate", "error_rate")

_EVENTS: Final = """
select
    $date::date as event_date,
    $date::date::timestamp + to_seconds(
        cast(86400 * (0.5 + 0.5 * pow(random() * 2 - 1, 3)) as bigint) % 86400
    ) as moment,
    printf('%d-%d', $day, id) as event_id,
    printf('%012d', 111122220000 + cast(20 * pow(random(), 2) as integer)) as account_id,
    ['eu-west-1', 'us-east-1', 'eu-central-1'][1 + cast(floor(3 * pow(random(), 3)) as integer)]
        as aws_region,
    cast(floor(300 * pow(random(), 3)) as integer) as api,
    random() as lot
from range($events) as ids(id)
"""


def day_of_events(made: duckdb.DuckDBPyConnection, day: int, events: int) -> pa.Table:
    """Management calls of a day: 300 APIs, of which some are called a thousand times as often."""
    date = (_START + dt.timedelta(days=day)).date()
    made.execute("select setseed(?)", [day / 1_000])
    made.execute(
        f"create or replace table made as {_EVENTS}", {"date": date, "day": day, "events": events}
    )
    columns = ", ".join(f"{text} as {name}" for name, text in _COLUMNS.items())
    rows = made.sql(f"select {columns} from made order by event_time").to_arrow_table()
    return pa.table(
        {
            field.name: rows[field.name].cast(field.type)
            if field.name in _COLUMNS
            else pa.nulls(rows.num_rows, field.type)
            for field in EVENTS
        }
    )


_COLUMNS: Final = {
    "event_date": "event_date",
    "event_time": "cast(moment as timestamptz)",
    "event_time_status": "'ok'",
    "event_hour": "hour(moment)",
    "event_id": "event_id",
    "account_id": "account_id",
    "recipient_account_id": "account_id",
    "aws_region": "aws_region",
    "event_source": "printf('service%d.amazonaws.com', api % 40)",
    "event_name": "printf('Call%03d', api)",
    "event_category": "'Management'",
    "management_event": "true",
    "read_only": "lot < 0.7",
    "error_code": "case when lot > 0.95 then 'AccessDenied' end",
    "is_error": "lot > 0.95",
    "principal_arn": "printf('arn:aws:iam::%s:role/role%d', account_id, api % 25)",
    "identity_arn": "printf('arn:aws:sts::%s:assumed-role/role%d/s', account_id, api % 25)",
    "user_agent": "'aws-cli/2.31.0'",
}


def measure(events: int, days: int) -> dict[str, Any]:
    """Detect the first days, a day more, and that day again."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(str(Path(folder) / "lake"))
        made = duckdb.connect(config={"threads": 2})
        each = events // days
        for day in range(days):
            lake.append("events", day_of_events(made, day, each))
        end = _START + dt.timedelta(days=days)
        first = _timed(lake, _START, end)
        lake.append("events", day_of_events(made, days, each))
        second = _timed(lake, end, end + dt.timedelta(days=1))
        again = _timed(lake, end, end + dt.timedelta(days=1))
    return {
        "events": each * (days + 1),
        "days": days,
        "load": round(os.getloadavg()[0], 1),
        "first_days": first,
        "a_day_more": second,
        "again": again,
        "share": round(second["cpu_seconds"] / first["cpu_seconds"], 3),
    }


def _timed(lake: Lake, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
    """Detect in a process of its own, as every night's run is: its imports are part of the cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    child = multiprocessing.get_context("spawn").Process(
        target=_detect, args=(lake.store.spec()["uri"], since, until)
    )
    child.start()
    child.join()
    seconds = time.perf_counter() - started
    if child.exitcode:
        raise SystemExit("detect failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 2), "cpu_seconds": round(used, 2)}


def _detect(lake: str, since: dt.datetime, until: dt.datetime) -> None:
    detect(
        lake,
        since=since,
        until=until,
        now=until + dt.timedelta(hours=1),
        detectors=_DETECTORS,
        executor=LocalExecutor(1),
    )


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    found = measure(flags.events, flags.days)
    if flags.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()

"""The report of a day with 5 M events and 200 anomalies: what it costs, and how large its pages are.

    python benchmarks/report.py [--events N] [--anomalies N] [--history DAYS]

The lake is that of `sample_logs`, all of its days laid on one and copied in SQL until there are so
many events; a copy has its own accounts, principals, keys and ids, so that the tables of the report
are as long as those of an organization. Days of history before it are as busy. Half of the anomalies
bring a rate of 576 points, and all of them 100 event ids; five are one incident. Each report is made
by a process of its own, whose CPU seconds and memory are what is told; clocks are not judged.

Exit code 1 when a page is 3 MB or larger, or a report takes 40 CPU seconds or more, which two cores
do in 20 seconds at best.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from query_suite.ladder import RungLake

from ctanalytics.app.ingest import ingest
from ctanalytics.app.report import report
from ctanalytics.findings import ANOMALIES, SEVERITIES, anomaly_id
from ctanalytics.lake.lake import Lake
from ctanalytics.records.incidents import INCIDENTS
from ctanalytics.records.schema import EVENTS
from ctanalytics.settings import Ingest, Report, Settings

HOME = Path(__file__).parent.parent
DAY = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ONE = dt.timedelta(days=1)
MOST_PAGE_BYTES = 3_000_000
MOST_CPU_SECONDS = 40.0
ACCOUNTS = 20
_DETECTORS = (
    ("call_rate", "surge"),
    ("error_rate", "error_surge"),
    ("sigma", "rule"),
    ("novelty", "first_seen"),
    ("isolation_forest", "behaviour"),
)

_MOVED = "replace({column}, account_id, account) as {column}"
_MAKE = f"""
copy (
    select * exclude (copy, account) replace (
        timestamptz '{{day}}' + (event_time - date_trunc('day', event_time)) as event_time,
        account as account_id,
        {_MOVED.format(column="principal_arn")},
        {_MOVED.format(column="actor")},
        concat(substr(md5(event_id || copy || '{{day}}'), 1, 8), substr(event_id, 9)) as event_id,
        case
            when access_key_id is not null
                then concat(left(access_key_id, 4), upper(left(md5(access_key_id || copy), 9)), 'EXAMPLE')
        end as access_key_id
    )
    from (
        select
            events.*,
            copy,
            cast(cast(account_id as bigint) + (copy % {ACCOUNTS}) * 1000003 as varchar) as account
        from (
            select {{columns}}
            from read_parquet({{files}}, hive_partitioning = false)
            where event_time_status = 'ok'
              and regexp_full_match(account_id, '[1-9][0-9]{{{{11}}}}')
        ) as events
        cross join range({{copies}}) as copies(copy)
    )
    order by event_time
) to '{{target}}' (format parquet, compression zstd, row_group_size 122880)
"""


def main() -> int:
    """Make the lake when it is not there, report its last day in both languages, and say the cost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000, help="of the day")
    parser.add_argument("--anomalies", type=int, default=200)
    parser.add_argument("--history", type=int, default=3, help="days before, as busy")
    parser.add_argument("--work", type=Path, default=HOME / "build/bench-report")
    parser.add_argument("--one", choices=("en", "ja"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    lake, events = _lake(asked)
    if asked.one:
        print(json.dumps(_report(asked, lake, events, asked.one)))
        return 0
    found = [_apart(asked, language) for language in ("en", "ja")]
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        for one in found:
            print(
                f"{one['language']}: {one['events']:,} events, {one['anomalies']} anomalies: "
                f"{one['cpu_seconds']:.1f} CPU s ({one['clock_seconds']:.1f} s by the clock), "
                f"{one['peak_bytes'] / 1e9:.2f} GB at most, page {one['page_bytes'] / 1e6:.2f} MB"
            )
    too_much = any(
        one["page_bytes"] >= MOST_PAGE_BYTES or one["cpu_seconds"] >= MOST_CPU_SECONDS
        for one in found
    )
    return 1 if too_much else 0


def _apart(asked: argparse.Namespace, language: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", language, "--work", str(asked.work)]
    for name in ("events", "anomalies", "history"):
        command += [f"--{name}", str(getattr(asked, name))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _report(
    asked: argparse.Namespace, lake: Lake, events: list[str], language: str
) -> dict[str, Any]:
    here = RungLake(lake.uri, events)
    settings = Settings(report=Report(language=language, timezone="Asia/Tokyo"))
    before, clock = _cpu(), time.monotonic()
    made = report(here, settings=settings, output=asked.work / language, since=DAY, until=DAY + ONE)
    return {
        "language": language,
        "events": made.events,
        "anomalies": sum(made.anomalies.values()),
        "cpu_seconds": round(_cpu() - before, 2),
        "clock_seconds": round(time.monotonic() - clock, 2),
        "peak_bytes": _peak_bytes(),
        "page_bytes": Path(made.html).stat().st_size,
    }


def _peak_bytes() -> int:
    # Not getrusage: its peak is that of the process which started this one, where that was higher.
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _lake(asked: argparse.Namespace) -> tuple[Lake, list[str]]:
    """The lake of the anomalies, and the files of its days."""
    work = asked.work / f"{asked.events}-{asked.anomalies}-{asked.history}"
    done = work / "done.json"
    if done.exists():
        return Lake(work / "lake"), json.loads(done.read_text())
    lake = Lake.create(work / "lake")
    sample = Settings(ingest=Ingest(workers=1))
    ingest([str(HOME / "sample_logs")], lake, settings=sample)
    base = lake.files("events")
    files = [
        _day(base, work, DAY - back * ONE, asked.events) for back in range(asked.history, -1, -1)
    ]
    _append_anomalies(lake, files[-1], asked.anomalies)
    done.write_text(json.dumps(files))
    return lake, files


def _day(base: list[str], work: Path, day: dt.datetime, events: int) -> str:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set threads = 2; set memory_limit = '4GB'")
    (in_all,) = connection.execute(
        f"select count(*) from read_parquet({base}, hive_partitioning = false)"
    ).fetchall()[0]
    target = work / f"event_date={day:%Y-%m-%d}" / "a.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(name for name in EVENTS.names if name != "event_date")
    connection.execute(
        _MAKE.format(
            day=f"{day:%Y-%m-%d} 00:00:00+00",
            columns=columns,
            files=base,
            copies=-(-events // in_all),
            target=target,
        )
    )
    print(f"made {day:%Y-%m-%d}", file=sys.stderr)
    return str(target)


def _append_anomalies(lake: Lake, day: str, count: int) -> None:
    """Anomalies of the day's busiest pairs of principal and API, with ids of its events."""
    pairs = (
        duckdb.connect()
        .sql(
            "select account_id, aws_region, event_source, event_name, principal_arn,"
            " list(event_id order by event_time)[:100] as ids"
            f" from read_parquet('{day}') where principal_arn is not null"
            f" group by all order by count(*) desc, account_id, principal_arn, event_name, aws_region limit {count}"
        )
        .to_arrow_table()
    )
    rows = [_anomaly(place, pair) for place, pair in enumerate(pairs.to_pylist())]
    lake.append("anomalies", pa.Table.from_pylist(rows, ANOMALIES))
    incidents = [_incident(rows[first : first + 5]) for first in range(0, len(rows), 5)]
    lake.append("incidents", pa.Table.from_pylist(incidents, INCIDENTS))


def _anomaly(place: int, pair: dict[str, Any]) -> dict[str, Any]:
    detector, kind = _DETECTORS[place % 5]
    start = DAY + dt.timedelta(minutes=7 * place % 1_380)
    step = dt.timedelta(minutes=5)
    points = [
        [(start - 288 * step + n * step).isoformat(), float(n % 7 + 40 * (n > 288)), 2.5]
        for n in range(576)
    ]
    ids = pair.pop("ids")
    key = f"bench-{place}"
    return dict.fromkeys(ANOMALIES.names) | {
        **pair,
        "anomaly_id": anomaly_id(detector, kind, key, start),
        "state": "closed",
        "revision": 1,
        "detector": detector,
        "kind": kind,
        "severity": SEVERITIES[place % 5],
        "score": 12.0 - place / 100,
        "p_value": 1e-9,
        "started_at": start,
        "ended_at": start + 6 * step,
        "series_key": key,
        "title": f"{pair['event_name']} surged in {pair['account_id']} {pair['aws_region']}",
        "explanation": f"{pair['event_name']} was called much more than in the 28 days before.",
        "evidence": json.dumps(
            {"event_ids": ids, "events": 5_000, "sql": "select *\nfrom events\nwhere true"}
            | ({"rate": {"unit": "calls per minute", "minutes": 5, "points": points}} if place % 2 else {})
        ),
        "detected_at": DAY + ONE,
    }  # fmt: skip


def _incident(members: list[dict[str, Any]]) -> dict[str, Any]:
    first = members[0]
    return dict.fromkeys(INCIDENTS.names) | {
        "incident_id": first["anomaly_id"],
        "state": "closed",
        "closed_because": "ended",
        "revision": 1,
        "severity": first["severity"],
        "first_severity": first["severity"],
        "score": first["score"],
        "started_at": first["started_at"],
        "ended_at": first["ended_at"],
        "opened_at": first["detected_at"],
        "detected_at": first["detected_at"],
        "title": f"{first['title']}, and 4 more anomalies",
        "story": "It was called much more than before.\nHow unusual: 2 incidents of the 30 days before.",
        "next_steps": ["See whether anything that was asked for was then used."],
        "anomaly_ids": [row["anomaly_id"] for row in members],
        "account_ids": [first["account_id"]],
        "account_names": [first["account_id"]],
        "principal_arns": [first["principal_arn"]],
        "tactics": ["discovery"],
        "techniques": ["T1580"],
        "lanes": "[]",
        "events": 25_000,
    }


if __name__ == "__main__":
    sys.exit(main())

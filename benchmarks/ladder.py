"""How cost grows with the lake: every step of a night, and every saved query, at 1, 3, 10, 30 M events.

    python benchmarks/ladder.py [--rungs 1 3 10 30] [--json]

A rung is an organization of its own: 30 days, six accounts for each million of events. Up to ten
millions it is simulated, log files and all; beyond that its lake is the tenth rung's, copied in SQL
with other accounts, and there is nothing to ingest or compact. Each step runs in a process of its own on all
cores; its CPU seconds (with those of its workers) and the proportional set size of its process tree at
its highest are told. The growth of a step is the slope of ln(CPU) over ln(events), by least squares: 1 is
linear, and a step above 1.15 is named. Fixed costs make it smaller on small rungs. Rungs are kept
below --work; a million events take 0.2 GB there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from ingest_suite.measuring import Watch, machine

from ctanalytics.app.detect import detect
from ctanalytics.app.incidents.build import build_incidents
from ctanalytics.app.ingest import ingest
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.queries import bind, queries
from ctanalytics.app.report import report
from ctanalytics.app.simulate import simulate
from ctanalytics.lake.lake import Lake

DAYS = 30
SIMULATED = 10
"""Millions of events of the last rung that is simulated; larger ones are multiples of it."""
START = dt.date(2025, 10, 1)
END = dt.datetime(2025, 10, 31, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)
DETECTORS = ("call_rate", "error_rate", "isolation_forest", "novelty", "silence", "sigma")
WORST_GROWTH = 1.15
_OF_PARAMETERS = {
    "request": "select request_id from events where request_id is not null limit 1",
    "key": "select access_key_id from events where access_key_id is not null"
    " group by 1 order by count(*) desc, 1 limit 1",
    "principal": "select principal from users order by calls desc, 1 limit 1",
    "resource": "select resource from resource_events group by 1 order by count(*) desc, 1 limit 1",
    "root": "select root_principal from sessions group by 1 order by count(*) desc, 1 limit 1",
}
"""What saved queries are asked about: the busiest of its kind."""


def _simulate(work: Path) -> dict[str, Any]:
    millions = int(work.name)
    made = simulate(
        work / "logs",
        days=DAYS,
        accounts=6 * millions,
        events_per_day=33_300 * millions,
        digests="1",
        file_minutes=60,
        start=START,
    )
    return {"events": made.records}


def _ingest(work: Path) -> dict[str, Any]:
    done = ingest(work / "logs", work / "lake")
    return {"events": done.records_written}


def _compact(work: Path) -> dict[str, Any]:
    compact(str(work / "lake"))
    files = [Path(file) for file in Lake(work / "lake").files("events")]
    return {"bytes": sum(file.stat().st_size for file in files), "files": len(files)}


_COPY = """
    select * exclude (copy, account) replace (
        account as account_id,
        {replaced}
    )
    from (
        select
            source.*,
            copy,
            lpad(
                cast((cast(account_id as bigint) + copy * 1000003) % 1000000000000 as varchar),
                12, '0'
            ) as account
        from (from {{source}} where regexp_full_match(account_id, '[0-9]{{{{12}}}}')) as source
        cross join range({{copies}}) as copies(copy)
    )
    order by {order}
"""
_COPY_EVENTS = _COPY.format(
    replaced="""
        replace(principal_arn, account_id, account) as principal_arn,
        replace(actor, account_id, account) as actor,
        concat(substr(md5(event_id || copy), 1, 8), substr(event_id, 9)) as event_id,
        if(shared_event_id is null, null, concat(
            substr(md5(shared_event_id || copy), 1, 8), substr(shared_event_id, 9)
        )) as shared_event_id,
        if(access_key_id is null or copy = 0, access_key_id, concat(
            left(access_key_id, 4), upper(left(md5(access_key_id || copy), 9)), 'EXAMPLE'
        )) as access_key_id""",
    order="actor, event_time",
)
_COPY_LOG_FILES = _COPY.format(
    replaced="replace(key, account_id, account) as key", order="account_id, key"
)


def _copy(work: Path) -> dict[str, Any]:
    """Make a lake of the last simulated one, so many times as this has more millions."""
    origin = Lake(work.with_name(str(SIMULATED)) / "lake")
    copies = int(work.name) // SIMULATED
    shutil.rmtree(work / "lake", ignore_errors=True)
    lake = Lake.create(work / "lake")
    days: dict[str, list[str]] = {}
    for file in origin.files("events"):
        days.setdefault(Path(file).parent.name, []).append(file)
    events = 0
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as connection:
        connection.execute("set timezone = 'UTC'")
        for files in days.values():
            source = f"read_parquet({files}, hive_partitioning = true)"
            rows = connection.sql(_COPY_EVENTS.format(source=source, copies=copies)).arrow()
            day = rows.read_all()
            lake.append("events", day)
            events += day.num_rows
        source = f"read_parquet({origin.files('log_files')})"
        rows = connection.sql(_COPY_LOG_FILES.format(source=source, copies=copies)).arrow()
        lake.append("log_files", rows.read_all())
    return {"events": events}


def _detect(name: str) -> Callable[[Path], dict[str, Any]]:
    def run(work: Path) -> dict[str, Any]:
        done = detect(str(work / "lake"), detectors=[name], since=END - WEEK, until=END)
        return {"anomalies": done.anomalies.num_rows}

    return run


def _incidents(work: Path) -> dict[str, Any]:
    build_incidents(work / "lake")
    return {}


def _report(work: Path) -> dict[str, Any]:
    day = END - dt.timedelta(days=1)
    made = report(str(work / "lake"), output=work / "report", since=day, until=END)
    return {"page_bytes": Path(made.html).stat().st_size}


def _queries(work: Path) -> dict[str, Any]:
    """Each saved query once, after one that opened the files."""
    took = {}
    with Lake(work / "lake").engine(locked=True) as engine:
        known = {
            name: str(engine.sql(sql).column(0)[0].as_py()) for name, sql in _OF_PARAMETERS.items()
        }
        for query in queries():
            given = {p.name: known[p.name] for p in query.parameters if p.default is None}
            used = time.process_time()
            engine.query(query.sql, bind(query, given))
            took[query.name] = round(time.process_time() - used, 3)
    return {"queries": took}


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "simulate": _simulate,
    "ingest": _ingest,
    "compact": _compact,
    "copy": _copy,
    **{f"detect {name}": _detect(name) for name in DETECTORS},
    "incidents": _incidents,
    "report": _report,
    "saved queries": _queries,
}
_OF_SIMULATED = ("simulate", "ingest", "compact")
_OF_COPIES = ("copy",)


def main() -> int:
    """Climb, and print what each step took on each rung; 1 when one grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rungs", type=int, nargs="+", default=[1, 3, 10], help="millions")
    parser.add_argument("--work", type=Path, default=Path("build/bench-ladder"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "MILLIONS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        name, millions = chosen.step
        print(json.dumps(STEPS[name](chosen.work / millions)))
        return 0
    found = {millions: _rung(chosen.work, millions) for millions in sorted(chosen.rungs)}
    growth = {name: _growth(found, name) for name in STEPS}
    by_query = _by_query(found)
    if chosen.json:
        told = {
            "machine": machine(),
            "rungs": found,
            "growth": growth,
            "growth_of_queries": by_query,
        }
        print(json.dumps(told, indent=1))
    else:
        _show(found, growth, by_query)
    return int(any(slope > WORST_GROWTH for slope in growth.values()))


def _rung(work: Path, millions: int) -> dict[str, dict[str, Any]]:
    """All steps of a rung; what was measured once is not measured again."""
    place = work / str(millions) / "done.json"
    done: dict[str, dict[str, Any]] = json.loads(place.read_text()) if place.exists() else {}
    for name in STEPS:
        if name in done or name in (_OF_COPIES if millions <= SIMULATED else _OF_SIMULATED):
            continue
        if name in ("simulate", "ingest"):
            folder = {"simulate": "logs", "ingest": "lake"}[name]
            shutil.rmtree(work / str(millions) / folder, ignore_errors=True)
        done[name] = _measured(work, name, millions)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(done))
        print(f"{millions} M: {name} {done[name]['cpu_seconds']} CPU s", file=sys.stderr)
    return done


def _measured(work: Path, name: str, millions: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--work", str(work), "--step", name, str(millions)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with Watch(process.pid) as watch:
        assert process.stdout is not None
        said = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} of {millions} M failed with {process.returncode}")
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "load": round(os.getloadavg()[0], 1),
        "peak_bytes": watch.peak,
        **json.loads(said.splitlines()[-1]),
    }


def _growth(found: dict[int, dict[str, dict[str, Any]]], name: str) -> float:
    return _slope(
        {_events(rung): rung[name]["cpu_seconds"] for rung in found.values() if name in rung}
    )


def _events(rung: dict[str, dict[str, Any]]) -> int:
    events: int = rung["ingest" if "ingest" in rung else "copy"]["events"]
    return events


def _by_query(found: dict[int, dict[str, dict[str, Any]]]) -> dict[str, float]:
    """Growth of those saved queries that take long enough on the last rung to tell."""
    *_, last = found.values()
    return {
        name: _slope(
            {_events(rung): rung["saved queries"]["queries"][name] for rung in found.values()}
        )
        for name, took in last["saved queries"]["queries"].items()
        if took > 1
    }


def _slope(points: dict[int, float]) -> float:
    """The exponent b of cost = a * events ** b."""
    if len(points) < 2:
        return 0.0
    logs = [(math.log(events), math.log(max(cost, 0.001))) for events, cost in points.items()]
    x_mean = sum(x for x, _ in logs) / len(logs)
    y_mean = sum(y for _, y in logs) / len(logs)
    spread = sum((x - x_mean) ** 2 for x, _ in logs)
    return round(sum((x - x_mean) * (y - y_mean) for x, y in logs) / spread, 2)


def _show(
    found: dict[int, dict[str, dict[str, Any]]],
    growth: dict[str, float],
    by_query: dict[str, float],
) -> None:
    events = [f"{_events(rung):,}" for rung in found.values()]
    print("| step | " + " | ".join(f"{count}: CPU s, MB" for count in events) + " | growth |")
    print("|---|" + "---|" * (len(events) + 1))
    for name in STEPS:
        cells = [
            f"{rung[name]['cpu_seconds']:,}, {rung[name]['peak_bytes'] / 1e6:,.0f}"
            if name in rung
            else ""
            for rung in found.values()
        ]
        print(f"| {name} | {' | '.join(cells)} | {growth[name]} |")
    for count, rung in zip(events, found.values(), strict=True):
        size = f"{rung['compact']['bytes'] / _events(rung):.1f}" if "compact" in rung else "-"
        took = sorted(rung["saved queries"]["queries"].items(), key=lambda one: -one[1])
        slow = ", ".join(f"{name} {seconds} s" for name, seconds in took[:5])
        print(f"\n{count} events: {size} bytes an event; slowest saved queries (CPU): {slow}")
    steep = {name: slope for name, slope in by_query.items() if slope > WORST_GROWTH}
    print(f"\nsaved queries above {WORST_GROWTH}: {steep or 'none'}")


if __name__ == "__main__":
    sys.exit(main())

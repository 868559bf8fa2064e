"""What compaction gives and what it costs: sizes, times of questions, memory, bytes written again.

python benchmarks/lake_care.py [--parts orders,memory,days] [--files N] [--passes 20,200] [--json]

Parts:
    orders   a lake of the typical corpus, and copies of it compacted by other orders, row groups
             and zstd levels: bytes an event, seconds, and the time of each question as a ratio to
             the lake as ingested. The lakes take turns; times are medians over --rounds.
    memory   the same compaction within several memory settings: seconds, peak memory of the
             process, and that the rows are the same.
    days     three days of an ingest every five minutes, then thirty days in which every hour brings
             late rows, with a compaction after each: the most files that an open date has, and
             bytes that compactions write for each byte that ingests write. Rows are those of the
             corpus, cut by their times; each pass is one file and one commit, as an ingest makes
             them, without reading logs. --passes are the events of one pass.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from ingest_suite import corpora
from ingest_suite.measuring import note

from ctanalytics.app.ingest import ingest
from ctanalytics.app.lake.compact import compact
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.merge import write
from ctanalytics.settings import Care, Ingest, Settings

LATER = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
BY_PRINCIPAL = ["principal_arn", "event_time"]
VARIANTS: dict[str, dict[str, Any]] = {
    "time": {"sort": ["event_time"]},
    "principal": {},
    "principal, zstd 1": {"zstd_level": 1},
    "principal, zstd 3": {"zstd_level": 3},
    "principal, zstd 9": {"zstd_level": 9},
    "principal, groups of 100,000": {"group_rows": 100_000},
    "principal, groups of 25,000": {"group_rows": 25_000},
    "API": {"sort": ["event_source", "event_name", "event_time"]},
    "API and principal": {"sort": ["event_source", "event_name", "principal_arn", "event_time"]},
}
QUESTIONS = {
    "a busy principal's events": "select event_time, event_name, source_ip_address, "
    "request_parameters from lake.events where principal_arn = $busy",
    "a usual principal's events": "select event_time, event_name, source_ip_address, "
    "request_parameters from lake.events where principal_arn = $usual",
    "a rare principal's events": "select * from lake.events where principal_arn = $rare",
    "one hour, all columns": "select * from lake.events where event_date = $date "
    "and event_time >= $hour and event_time < $hour + interval 1 hour",
    "one hour, counts": "select event_name, count(*) as n from lake.events where event_date = $date "
    "and event_time >= $hour and event_time < $hour + interval 1 hour group by event_name",
    "one API's events": "select event_time, principal_arn, request_parameters from lake.events "
    "where event_source = 's3.amazonaws.com' and event_name = 'PutBucketPolicy'",
    "calls by API and minute": "select account_id, aws_region, event_source, event_name, "
    "date_trunc('minute', event_time) as m, count(*) as n from lake.events "
    "group by account_id, aws_region, event_source, event_name, date_trunc('minute', event_time)",
    "principals by hour": "select principal_arn, date_trunc('hour', event_time) as h, "
    "count(distinct event_name) as n from lake.events "
    "group by principal_arn, date_trunc('hour', event_time)",
    "a text in parameters": "select count(*) as n from lake.events "
    "where request_parameters like '%0.0.0.0/0%'",
    "one event by its id": "select * from lake.events where event_id = $id",
}


def ingested(place: Path, files: int) -> Lake:
    """A lake of the typical corpus."""
    corpus = corpora.made(place / "corpora", corpora.recipe("typical", files=files))
    ingest([corpus.folder], str(place / "ingested"), settings=Settings(ingest=Ingest(workers=2)))
    return Lake.open(place / "ingested")


def bytes_per_event(lake: Lake) -> float:
    files = maintenance.snapshot(lake, "events").files
    return sum(file.size_bytes for file in files) / sum(file.rows for file in files)


def content(lake: Lake) -> list[dict[str, Any]]:
    """The number of rows, and a sum over them that no order changes."""
    with lake.engine() as engine:
        return engine.sql(
            "select count(*) as n, sum(hash(t)) as h from lake.events as t"
        ).to_pylist()


# -- orders


def orders(place: Path, files: int, rounds: int) -> list[dict[str, Any]]:
    lake = ingested(place, files)
    rows = content(lake)
    lakes, seconds = {"as ingested": lake}, {"as ingested": 0.0}
    for name, values in VARIANTS.items():
        path = place / f"compacted-{len(lakes)}"
        shutil.copytree(lake.uri, path)
        lakes[name] = Lake.open(path)
        started = time.perf_counter()
        compact(lakes[name], settings=Settings(care=Care(**values)), now=LATER, tables=["events"])
        seconds[name] = time.perf_counter() - started
        if content(lakes[name]) != rows:
            raise SystemExit(f"the rows are not the same after {name}")
    times = asked(lakes, rounds)
    return [
        {
            "lake": name,
            "events": rows[0]["n"],
            "files": len(maintenance.snapshot(lakes[name], "events").files),
            "bytes_per_event": round(bytes_per_event(lakes[name]), 1),
            "seconds": round(seconds[name], 1),
            "ratios": {
                question: round(times[name][question] / times["as ingested"][question], 2)
                for question in QUESTIONS
            },
            "milliseconds": {q: round(1_000 * times[name][q], 1) for q in QUESTIONS},
        }
        for name in lakes
    ]


def asked(lakes: dict[str, Lake], rounds: int) -> dict[str, dict[str, float]]:
    """The median time of each question in each lake."""
    engines = {name: lake.engine() for name, lake in lakes.items()}
    values = chosen(engines["as ingested"])
    times: dict[str, dict[str, list[float]]] = {name: {} for name in lakes}
    for _ in range(rounds):
        for question, text in QUESTIONS.items():
            own = {key: value for key, value in values.items() if f"${key}" in text}
            for name, engine in engines.items():
                started = time.perf_counter()
                engine.sql(text, own or None)
                times[name].setdefault(question, []).append(time.perf_counter() - started)
    for engine in engines.values():
        engine.close()
    return {
        name: {question: statistics.median(found) for question, found in of_lake.items()}
        for name, of_lake in times.items()
    }


def chosen(engine: Any) -> dict[str, Any]:
    """What the questions ask for: principals by how much they do, a date, an hour, an id."""
    principals = engine.sql(
        "select principal_arn as p, count(*) as n from lake.events where principal_arn is not null "
        "group by principal_arn order by n desc, p"
    )["p"].to_pylist()
    middle = engine.sql(
        "select event_time as t, event_date as d, event_id as i from lake.events "
        "order by md5(event_id) limit 1"
    ).to_pylist()[0]
    return {
        "busy": principals[0],
        "usual": principals[len(principals) // 10],
        "rare": principals[len(principals) * 3 // 4],
        "date": middle["d"],
        "hour": middle["t"].replace(minute=0, second=0, microsecond=0),
        "id": middle["i"],
    }


# -- memory


def memory(place: Path, files: int) -> list[dict[str, Any]]:
    """Sort the events of all days as if they were of one, each time in a process of its own."""
    lake = ingested(place, files)
    found = []
    for mebibytes in (4_096, 1_024, 768, 512):
        done = subprocess.run(
            [sys.executable, __file__, "--one-sort", lake.uri, str(mebibytes)],
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(json.loads(done.stdout))
    if len({row["rows"] for row in found}) != 1:
        raise SystemExit("rows were lost or doubled")
    return found


def one_sort(uri: str, mebibytes: int) -> dict[str, Any]:
    """Sort all files of `events` into files of no table."""
    from ctanalytics.lake.candidates import Task
    from ctanalytics.lake.compact import compact_part, part

    lake = Lake.open(uri)
    files = maintenance.snapshot(lake, "events").files
    date = files[0].date
    task = Task("events", date, "close", files, "measured-", tuple(BY_PRINCIPAL), 6)
    started = time.perf_counter()
    made = compact_part(part(task, lake.store, Care(), mebibytes << 20))
    seconds = time.perf_counter() - started
    lake.store.delete_all(f"tables/events/{add['path']}" for add in made["adds"])
    return {
        "memory_mib": mebibytes,
        "rows": sum(add["rows"] for add in made["adds"]),
        "seconds": round(seconds, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


# -- days


def days(place: Path, files: int, passes: list[int]) -> list[dict[str, Any]]:
    source = ingested(place, files)
    dates = sorted({file.date for file in maintenance.snapshot(source, "events").files})[:3]
    rows = {date: rows_of(source, date) for date in dates}
    return [one_month(place / f"month-{size}", rows, size) for size in passes]


def rows_of(lake: Lake, date: dt.date | None) -> pa.Table:
    """A date's rows in the order of time."""
    paths = [file.path for file in maintenance.snapshot(lake, "events").files if file.date == date]
    tables = [pq.ParquetFile(f"{lake.uri}/tables/events/{path}").read() for path in paths]
    return pa.concat_tables(tables).sort_by("event_time")


def one_month(place: Path, rows: dict[Any, pa.Table], size: int) -> dict[str, Any]:
    """Three days of passes of about `size` events, then a month of late ones."""
    lake = Lake.create(place)
    rng = np.random.default_rng(20130)
    written = rewritten = most = most_closed = plan = 0
    merges: dict[str, int] = {}
    late: list[tuple[Any, pa.Table]] = []

    def ingest_(pieces: dict[Any, pa.Table], now: dt.datetime) -> None:
        nonlocal written, rewritten, most, most_closed, plan
        plan += 1
        adds = [
            write(lake.store, "events", piece, date.isoformat(), plan)
            for date, piece in pieces.items()
            if len(piece)
        ]
        lake.commit_plan("events", plan, adds)
        written += sum(add["size"] for add in adds)
        result = compact(lake, now=now, tables=["events"])
        rewritten += result.bytes_after
        for one in result.done:
            merges[one.why] = merges.get(one.why, 0) + 1
        files_of: dict[Any, int] = {}
        for file in maintenance.snapshot(lake, "events").files:
            files_of[file.date] = files_of.get(file.date, 0) + 1
        for date, count in files_of.items():
            end = dt.datetime.combine(date, dt.time(), dt.UTC) + dt.timedelta(days=3)
            if now < end:
                most = max(most, count)
            else:
                most_closed = max(most_closed, count)

    for date, table in rows.items():
        wanted = min(len(table), 288 * size)
        table = table.take(pa.array(np.sort(rng.choice(len(table), wanted, replace=False))))
        is_late = rng.random(len(table)) < 0.01
        late.append((date, table.filter(pa.array(is_late))))
        table = table.filter(pa.array(~is_late))
        start = dt.datetime.combine(date, dt.time(), dt.UTC)
        times = table["event_time"].cast(pa.int64()).to_numpy()
        step = 300 * 1_000_000
        first = int(start.timestamp()) * 1_000_000
        cuts = np.searchsorted(times, [first + step * number for number in range(289)])
        for number in range(288):
            piece = table.slice(cuts[number], cuts[number + 1] - cuts[number])
            ingest_({date: piece}, start + dt.timedelta(minutes=5 * (number + 2)))
    end = start + dt.timedelta(days=1)
    for number, pieces in enumerate(cut(late, 24 * 30)):
        ingest_(pieces, end + dt.timedelta(hours=number + 1))
    kept = maintenance.snapshot(lake, "events").files
    return {
        "events_per_pass": size,
        "passes": plan,
        "events": sum(file.rows for file in kept),
        "most_files_of_an_open_date": most,
        "most_files_of_a_closed_date": most_closed,
        "ingested_bytes": written,
        "rewritten_bytes": rewritten,
        "rewritten_share": round(rewritten / written, 2),
        "bytes_per_event": round(bytes_per_event(lake), 1),
        "merges": merges,
    }


def cut(late: list[tuple[Any, pa.Table]], count: int) -> Iterator[dict[Any, pa.Table]]:
    """Late rows in as many pieces as there are passes, each of all dates."""
    rng = random.Random(3)
    orders = {}
    for date, table in late:
        places = list(range(len(table)))
        rng.shuffle(places)
        orders[date] = places
    for number in range(count):
        yield {
            date: table.take(pa.array(orders[date][number::count], pa.int64()))
            for date, table in late
        }


# -- results


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    for part, rows in found.items():
        print(f"\n{part}")
        for row in rows:
            flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
            print("  " + "  ".join(f"{key}={value}" for key, value in flat.items()))
            for key in ("ratios", "merges"):
                for name, value in row.get(key, {}).items():
                    print(f"      {name}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--parts", default="orders,memory,days")
    parser.add_argument("--files", type=int, default=1_000, help="files of 500 records")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", default="20,200")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one-sort", nargs=2, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one_sort:
        print(json.dumps(one_sort(flags.one_sort[0], int(flags.one_sort[1]))))
        return
    found: dict[str, list[dict[str, Any]]] = {}
    for part in flags.parts.split(","):
        note(part)
        with tempfile.TemporaryDirectory(prefix="lake-care-") as home:
            place = Path(home)
            if part == "orders":
                found[part] = orders(place, flags.files, flags.rounds)
            elif part == "memory":
                found[part] = memory(place, flags.files)
            elif part == "days":
                found[part] = days(place, flags.files, [int(x) for x in flags.passes.split(",")])
            else:
                parser.error(f"there is no part {part}")
    load = os.getloadavg()[0]
    if flags.json:
        print(json.dumps(found | {"load_average": load}, indent=2))
    else:
        show(found)
        print(f"\nload average at the end: {load:.1f}")


if __name__ == "__main__":
    main()

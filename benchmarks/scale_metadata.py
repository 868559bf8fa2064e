"""What a driver has to hold and to do for very large lakes: metadata alone, no log file is read.

python benchmarks/scale_metadata.py [--parts objects,table,series] [--objects N] [--dates N]
    [--files N] [--series N] [--days N] [--json]

Parts, each in a process of its own:
    objects  an inventory report of --objects log files of 1,000 accounts and 17 regions becomes plans;
             each is claimed, cut into parts, and committed with its ledger rows, which a second
             process stages in place of decoding. Then the same report again: all is known.
             CPU and memory are the driver's.
    table    a table of --dates x --files files: time of a commit, of opening the lake, of the file
             list of one day, of a query of one day, and of the whole log's checkpoint.
    series   28 days of --series series: their daily rows are joined to the arrays that rate
             detectors hold.

Peak memory is the resident set of the process that is measured. Bar: objects below 2 GiB.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import math
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.app import ingest_lists
from ctanalytics.app.ingest_lists import Lists
from ctanalytics.app.ingest_part import decode_part
from ctanalytics.app.ingest_run import Run
from ctanalytics.detectors.series import Axis, Keys, day_rows
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake import staging
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.merge import merge
from ctanalytics.lake.store import store_from
from ctanalytics.records import object_key, schema
from ctanalytics.records.series_tables import SERIES_DAY
from ctanalytics.settings import Aws, Ingest, Settings
from ctanalytics.sources.base import Selection
from ctanalytics.sources.s3 import S3Source

START = dt.date(2026, 1, 1)
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
ACCOUNTS, REGIONS = 1_000, 17
FILE_ROWS = 1_000_000  # of an inventory's data file; AWS's hold up to some millions
LIMIT_BYTES = 2 * 1024**3


@contextmanager
def spent(name: str, found: dict[str, Any]) -> Iterator[None]:
    """Keep what a step takes of this process: seconds, CPU seconds, and its peak memory so far."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_SELF)
    found[name] = {
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3
        ),
        "peak_bytes": after.ru_maxrss * 1024,
    }


def inventory(folder: Path, objects: int) -> Path:
    """Write a report of so many log files, in the order of a bucket: by account, region and day."""
    each = math.ceil(objects / (ACCOUNTS * REGIONS))
    rng = np.random.default_rng(2026)
    data = folder / "data"
    data.mkdir()
    files = []
    for first in range(0, objects, FILE_ROWS):
        path = data / f"{first:010}.parquet"
        pq.write_table(_objects(first, min(FILE_ROWS, objects - first), each, rng), path)
        total = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        files.append({"key": path.name, "size": path.stat().st_size, "MD5checksum": total})
    manifest = folder / "manifest.json"
    manifest.write_text(
        json.dumps(
            {
                "sourceBucket": "logs",
                "creationTimestamp": "1796083200000",
                "fileFormat": "Parquet",
                "fileSchema": "",
                "files": files,
            }
        )
    )
    return manifest


def _objects(first: int, count: int, each: int, rng: np.random.Generator) -> pa.Table:
    """Objects by number: a file every five minutes, until an account and region has its share."""
    number = pl.DataFrame({"n": np.arange(first, first + count)})
    place = pl.col("n") // each
    moment = pl.datetime(START.year, START.month, START.day) + pl.duration(
        minutes=5 * (pl.col("n") % each)
    )
    account = pl.format("{}", 100_000_000_000 + place // REGIONS)
    region = pl.format("eu-west-{}", place % REGIONS + 1)
    stamp = moment.dt.strftime("%Y%m%dT%H%MZ")
    unique = pl.format("{}", 10**15 + pl.col("n"))
    key = pl.format(
        "AWSLogs/o-exampleorgid/{}/CloudTrail/{}/{}/{}_CloudTrail_{}_{}_{}.json.gz",
        account,
        region,
        moment.dt.strftime("%Y/%m/%d"),
        account,
        region,
        stamp,
        unique,
    )
    return number.select(
        bucket=pl.lit("logs"),
        key=key,
        size=pl.lit(pl.Series(rng.lognormal(9.5, 1.0, count).astype(np.int64) + 400)),
        last_modified_date=moment.cast(pl.Datetime("ms")),
        e_tag=pl.col("n").hash(1).cast(pl.String) + pl.col("n").hash(2).cast(pl.String),
        storage_class=pl.lit("STANDARD"),
    ).to_arrow()


def pretended(part: Part) -> Result:
    """In place of `decode_part`: stage the ledger's rows of a part, as if its files were empty."""
    now = dt.datetime.fromisoformat(part["now"])
    rows = [
        ledgers.row(
            found,
            part["plan_id"],
            now,
            state="empty",
            kind="log",
            delivery_date=object_key.parse(found["key"]).delivery_date,
            records=0,
            records_quarantined=0,
            sha256=hashlib.sha256(found["key"].encode()).hexdigest(),
            settings_hash=part["settings_hash"],
        )
        for found in part["objects"]
    ]
    table = pa.Table.from_pylist(rows, schema.LOG_FILES)
    name = f"part-{part['number']:06d}-{os.urandom(6).hex()}"
    staged = staging.stage(store_from(part["store"]), part["plan_id"], name, {"log_files": table})
    counts = dict.fromkeys(
        ("records", "records_quarantined", "records_filtered", "bytes_read", "gets", "rewritten"), 0
    )
    return {
        "number": part["number"],
        "staged": staged,
        "states": {"empty": len(rows)},
        "filtered_by_rule": {},
        "bytes_decompressed": 0,
        **counts,
    }


class Pretending:
    """An executor whose other process stages ledger rows; merges are real and run there too."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.pool = multiprocessing.get_context("spawn").Pool(1)
        self.parts = 0
        self.plan_bytes = 0
        """Of the largest plan's JSON."""
        self.weights: list[int] = []

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        if function is decode_part:
            plans = Path(self.place, "plans").glob("*.json")
            self.plan_bytes = max([self.plan_bytes, *(path.stat().st_size for path in plans)])
            yield from self.pool.imap(pretended, self._counted(parts))
        else:
            assert function is merge
            yield from self.pool.imap(merge, parts)

    def _counted(self, parts: Iterable[Part]) -> Iterator[Part]:
        for part in parts:
            self.parts += 1
            self.weights.append(sum(found["size_bytes"] for found in part["objects"]))
            yield part


def objects_part(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"objects": options.objects}
    # In a process of its own: its memory is no driver's.
    maker = multiprocessing.get_context("spawn").Process(
        target=inventory, args=(folder, options.objects)
    )
    maker.start()
    maker.join()
    settings = Settings(
        ingest=Ingest(plan_bytes=options.plan_bytes, plan_objects=options.plan_objects)
    )
    lake = Lake.create(folder / "lake")
    executor = Pretending(folder / "lake")
    lists = Lists(inventory=str(folder / "manifest.json"))
    for name in ("planned", "known"):
        with spent(name, found):
            run = Run(lake, settings, executor)
            source = S3Source("s3://logs", "logs", "", Aws(), known_region="eu-west-1")
            ingest_lists.take(run, source, lists, Selection(), NOW)
        found[name] |= {"objects": run.counts.listed, "skipped": run.counts.known}
    found["plans"] = lake.ingest_version("log_files")
    found["parts"] = executor.parts
    found["plan_bytes_at_most"] = executor.plan_bytes
    weights = np.array(executor.weights)
    found["part_bytes"] = {
        "median": int(np.median(weights)),
        "p99": int(np.quantile(weights, 0.99)),
        "most": int(weights.max()),
    }
    with spent("opened", found):
        ledger = ledgers.Ledger(Lake.open(folder / "lake"))
        first = f"AWSLogs/{ACCOUNTS:012}/CloudTrail/eu-west-1/{START:%Y/%m/%d}/x.json.gz"
        ledger.states([{"bucket": "logs", "key": first}])
    found["ledger_rows"] = ledger.held
    found["within_2_GiB"] = found["known"]["peak_bytes"] < LIMIT_BYTES
    return found


def table_part(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One real file stands for all: hard links to it are what a query opens."""
    found: dict[str, Any] = {"dates": options.dates, "files": options.dates * options.files}
    place = folder / "lake"
    lake = Lake.create(place)
    spec = TABLES["events"]
    sample = folder / "sample.parquet"
    columns = spec.file_schema()
    # Of the day that is asked for; the other files stand for theirs by what the log says of them.
    noon = dt.datetime.combine(START - dt.timedelta(days=7), dt.time(12), dt.UTC)
    values = [
        pa.array([noon], field.type) if field.name == "event_time" else pa.nulls(1, field.type)
        for field in columns
    ]
    pq.write_table(pa.Table.from_arrays(values, schema=columns), sample)
    dates = [START - dt.timedelta(days=n) for n in range(options.dates)]
    for plan_id, first in enumerate(range(0, options.dates, 500), 1):
        adds = [
            _linked(place, sample, date, number)
            for date in dates[first : first + 500]
            for number in range(options.files)
        ]
        lake.commit_plan("events", plan_id, adds)
    lake.table("events").create_checkpoint()
    log = place / "tables/events/_delta_log"
    found["checkpoint_bytes"] = max(p.stat().st_size for p in log.glob("*.checkpoint.parquet"))
    with spent("open the lake and its table", found):
        reopened = Lake.open(place)
        reopened.table("events")
    with spent("list all files", found):
        assert len(reopened.files("events")) == found["files"]
    with spent("commit a plan of one date", found):
        reopened.commit_plan("events", 10_000, [_linked(place, sample, dates[0], options.files)])
    with spent("read the log again, what came since", found):
        reopened.table("events")
    day = dt.datetime.combine(dates[7], dt.time(), dt.UTC)
    with spent("open an engine for one day", found):
        engine = reopened.engine(since=day, until=day + dt.timedelta(days=1))
    with spent("count one day", found), engine:
        (row,) = engine.sql(_of_day(day)).to_pylist()
    assert row["n"] == options.files
    with spent("open an engine for all", found):
        engine = reopened.engine()
    with spent("count one day of all", found), engine:
        engine.sql(_of_day(day)).to_pylist()
    return found


def _of_day(day: dt.datetime) -> str:
    return (
        f"select count(*) as n from lake.events where event_date = date '{day.date()}' "
        f"and event_time >= timestamptz '{day}' "
        f"and event_time < timestamptz '{day + dt.timedelta(days=1)}'"
    )


def _linked(place: Path, sample: Path, date: dt.date, number: int) -> dict[str, Any]:
    path = f"event_date={date}/part-{number:06d}.parquet"
    target = place / "tables/events" / path
    target.parent.mkdir(exist_ok=True)
    target.symlink_to(sample)
    span = f"{date}T{{}}Z"
    stats = {
        "numRecords": 1,
        "minValues": {"event_time": span.format("00:00:00.000000")},
        "maxValues": {"event_time": span.format("23:59:59.999999")},
        "nullCount": {"event_time": 0},
    }
    return {
        "path": path,
        "size": sample.stat().st_size,
        "partition": date.isoformat(),
        "stats": json.dumps(stats),
    }


def series_part(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"series": options.series, "days": options.days}
    maker = multiprocessing.get_context("spawn").Process(
        target=_series, args=(folder, options.series, options.days)
    )
    maker.start()
    maker.join()
    paths = sorted(folder.glob("*.parquet"))
    found["table_bytes"] = sum(path.stat().st_size for path in paths)
    found["rows"] = sum(pq.read_metadata(path).num_rows for path in paths)
    with spent("number the series", found):
        keys = Keys.of(pq.read_table(path) for path in paths)
    assert keys.count <= options.series
    with spent("join the days", found):
        rows = {day: day_rows(keys, pq.read_table(path)) for day, path in enumerate(paths)}
    assert sum(len(each.series) for each in rows.values()) == found["rows"]
    assert Axis(dt.datetime.combine(START, dt.time(), dt.UTC), options.days).days == len(rows)
    return found


def _series(folder: Path, series: int, days: int) -> None:
    """Daily rows: of a thousand series one is busy every day, most are on few days."""
    rng = np.random.default_rng(28)
    share = np.clip(rng.beta(0.4, 1.2, series), 0.02, 1)
    for day in range(days):
        chosen = np.flatnonzero(rng.random(series) < share)
        n = len(chosen)
        hours = rng.poisson(0.5, (n, 24)).astype(np.int64)
        numbers = pl.DataFrame({"n": chosen})
        names = numbers.select(
            account_id=pl.format("{}", 100_000_000_000 + pl.col("n") % 1_000),
            aws_region=pl.format("eu-west-{}", pl.col("n") % 17 + 1),
            event_source=pl.format("service-{}.amazonaws.com", pl.col("n") % 120),
            event_name=pl.format("Operation{}", pl.col("n") // 1_000),
            error_code=pl.lit(None, pl.String),
            principal_arn=pl.lit(None, pl.String),
        ).to_arrow()
        columns = {
            name: names[name].cast(SERIES_DAY.field(name).type) for name in names.column_names
        }
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * 24)
        columns |= {
            "hours": pa.ListArray.from_arrays(offsets, pa.array(hours.ravel())),
            "first_minute": pa.array(rng.integers(0, 700, n), pa.int32()),
            "last_minute": pa.array(rng.integers(700, 1_440, n), pa.int32()),
            "gap_minutes": pa.array(rng.integers(0, 700, n), pa.int32()),
            "gap_minute": pa.array(rng.integers(0, 700, n), pa.int32()),
        }
        table = pa.table(columns)
        pq.write_table(table, folder / f"{day:03}.parquet", compression="zstd")


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "objects": objects_part,
    "table": table_part,
    "series": series_part,
}


def main() -> None:
    options = _options()
    if options.run:
        folder = Path(tempfile.mkdtemp(prefix="scale-", dir=options.place))
        try:
            print(json.dumps(PARTS[options.run](folder, options)))
        finally:
            shutil.rmtree(folder)
        return
    result: dict[str, Any] = {"load_average": os.getloadavg(), "cores": os.cpu_count()}
    for name in options.parts.split(","):
        print(f"{name} …", file=sys.stderr, flush=True)
        ran = subprocess.run(
            [sys.executable, __file__, "--run", name, *sys.argv[1:]],
            stdout=subprocess.PIPE,
            check=True,
        )
        result[name] = json.loads(ran.stdout.splitlines()[-1])
        if not options.json:
            _tell(name, result[name])
    if options.json:
        print(json.dumps(result, indent=2))


def _tell(name: str, found: dict[str, Any]) -> None:
    print(f"\n{name}")
    for step, value in found.items():
        if isinstance(value, dict) and "cpu_seconds" in value:
            extra = {k: v for k, v in value.items() if k in ("objects", "skipped")}
            print(
                f"  {step:40} {value['cpu_seconds']:9.2f} CPU s {value['seconds']:9.2f} s "
                f"{value['peak_bytes'] / 1024**2:8.0f} MiB  {extra or ''}"
            )
        else:
            print(f"  {step:40} {value}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", default="objects,table,series")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--plan-objects", type=int, default=100_000)
    parser.add_argument("--plan-bytes", type=int, default=2 * 1024**3)
    parser.add_argument("--dates", type=int, default=5_000)
    parser.add_argument("--files", type=int, default=20, help="of a date")
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--place", help="folder for what is made: 5 GB for 10 M objects")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", choices=tuple(PARTS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How fast `ingest` brings a folder into a new lake, beside the best that DuckDB alone does.

python benchmarks/ingest.py [--files N] [--records N] [--rounds N] [--workers 1,2] [--json]

Ours is all of `ctanalytics ingest`: list, inflate with a strict reader, hash for the ledger, parse,
derive the columns, deduplicate, sort, write Parquet and commit to the Delta tables. The peers read
the same files into date-partitioned Parquet and do nothing else:

- expert DuckDB: whole files as JSON text, one from_json into typed structs, unnest, and
  COPY (PARTITION_BY event_date, zstd level 1). The obvious read_json(columns = ...) is several
  times slower and is not the measure. It makes fewer columns than ours.
- plain Python: json.loads, dicts, Table.from_pylist, write_dataset; on a tenth of the files, and
  scaled.

Every run is a process of its own, bound to as many cores as it has workers or threads, timed from
its start to its exit. The sides take turns, so that what else the machine does hits all alike;
figures are medians over the rounds, judged by their ratio.

The files are the simulator's, joined to RECORDS records each. The simulator has few actors, which
would flatter a reader that parses each distinct userIdentity once; so a quarter of the records of
temporary keys (--fresh-sessions) get a key of their own.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from isal import igzip

DAYS = 5
SAMPLE = 10  # plain Python reads one file in so many

_TEMPORARY_KEY = re.compile(rb'"accessKeyId":"ASIA\w{16}"')
_records_of = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode


@dataclass(frozen=True)
class Corpus:
    """Log files, and what is in them."""

    folder: str
    files: int
    records: int
    content_bytes: int
    file_bytes: int


def make_corpus(folder: Path, files: int, per_file: int, fresh_sessions: float) -> Corpus:
    """Simulate an organization, and join its records to files of one size."""
    from ctanalytics.app.simulate import simulate

    raw = folder / "simulated"
    simulate(
        raw,
        days=DAYS,
        accounts=4,
        # Files end with the day of their account and region: a few records more fill the last.
        events_per_day=int(files * per_file / DAYS * 1.01),
        digests="none",
    )
    groups: dict[Path, list[Path]] = {}
    for path in sorted(raw.rglob("*_CloudTrail_*.json.gz")):
        groups.setdefault(path.parent, []).append(path)
    out = folder / "logs"
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        joined = pool.map(
            _join,
            itertools.repeat(raw),
            groups.values(),
            itertools.repeat(out),
            itertools.repeat(per_file),
            itertools.repeat(fresh_sessions),
            chunksize=4,
        )
        counts = [sum(column) for column in zip(*joined, strict=True)]
    return Corpus(str(out), *counts)


def _join(
    raw: Path, paths: list[Path], out: Path, per_file: int, fresh_sessions: float
) -> tuple[int, int, int, int]:
    """Records of one account, region and day in files of `per_file`."""
    rng = random.Random(str(paths[0].relative_to(raw)))
    waiting: list[bytes] = []
    files = records = content_bytes = file_bytes = 0
    for path in paths:
        content = gzip.decompress(path.read_bytes())
        waiting += [
            _with_fresh_key(bytes(record), rng, fresh_sessions)
            for record in _records_of(content)["Records"]
        ]
        while len(waiting) >= per_file or (waiting and path == paths[-1]):
            text = b'{"Records":[' + b",".join(waiting[:per_file]) + b"]}"
            target = out / path.relative_to(raw)
            target = target.with_name(path.name.replace(".json.gz", f"{files:04d}.json.gz"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(igzip.compress(text, 2, mtime=0))
            files, records = files + 1, records + len(waiting[:per_file])
            content_bytes += len(text)
            file_bytes += target.stat().st_size
            waiting = waiting[per_file:]
    return files, records, content_bytes, file_bytes


def _with_fresh_key(record: bytes, rng: random.Random, share: float) -> bytes:
    if rng.random() >= share:
        return record
    key = f'"accessKeyId":"ASIA{rng.randrange(10**9):09d}EXAMPLE"'.encode()
    return _TEMPORARY_KEY.sub(key, record, count=1)


def ours(logs: Path, out: Path, workers: int) -> int:
    """Ingest into a new lake; return the rows written."""
    from ctanalytics.app.ingest import ingest
    from ctanalytics.settings import Ingest, Settings

    result = ingest([str(logs)], str(out), settings=Settings(ingest=Ingest(workers=workers)))
    if not result.complete:
        raise SystemExit(f"not all was ingested: {result}")
    return result.records_written + result.records_duplicate


_TEXTS = (
    "eventVersion",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestID",
    "eventID",
    "eventType",
    "eventCategory",
    "apiVersion",
    "recipientAccountId",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "sessionCredentialFromConsole",
)
_FLAGS = ("readOnly", "managementEvent")
_OBJECTS = (
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
    "serviceEventDetails",
    "addendum",
    "eventContext",
    "userIdentity",
)
_TLS = ("tlsVersion", "cipherSuite", "clientProvidedHostHeader")
_RECORD = {
    "eventTime": "TIMESTAMP",
    **dict.fromkeys(_TEXTS, "VARCHAR"),
    **dict.fromkeys(_FLAGS, "BOOLEAN"),
    **dict.fromkeys(_OBJECTS, "JSON"),
    "tlsDetails": dict.fromkeys(_TLS, "VARCHAR"),
}
_IDENTITY: dict[str, Any] = {
    **dict.fromkeys(
        ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"),
        "VARCHAR",
    ),
    "sessionContext": {
        "sessionIssuer": dict.fromkeys(
            ("type", "principalId", "arn", "accountId", "userName"), "VARCHAR"
        ),
        "attributes": {"creationDate": "TIMESTAMP", "mfaAuthenticated": "VARCHAR"},
        "sourceIdentity": "VARCHAR",
    },
}


def _leaves(members: dict[str, Any], path: str) -> Iterator[str]:
    for name, kind in members.items():
        place = f'{path}."{name}"'
        if isinstance(kind, dict):
            yield from _leaves(kind, place)
        else:
            yield f'{place} as "{place.replace(chr(34), "")}"'


def duckdb(logs: Path, out: Path, threads: int) -> int:
    """Expert DuckDB; return the rows written."""
    import duckdb as engine

    columns = ", ".join([*_leaves(_RECORD, "r"), *_leaves(_IDENTITY, "i")])
    shape = json.dumps({"Records": [_RECORD]})
    connection = engine.connect()
    connection.execute(f"set threads = {threads}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"""
        copy (
            select {columns}, cast(r."eventTime" as date) as event_date
            from (
                select r, from_json(r."userIdentity", '{json.dumps(_IDENTITY)}') as i
                from (
                    select unnest(from_json(json, '{shape}')."Records") as r
                    from read_json_objects(
                        '{logs}/**/*.json.gz',
                        format = 'newline_delimited',
                        maximum_object_size = 134217728
                    )
                )
            )
        ) to '{out}' (format parquet, compression zstd, compression_level 1, partition_by (event_date))
    """)
    (rows,) = connection.sql(f"select count(*) from read_parquet('{out}/**/*.parquet')").fetchall()
    return int(rows[0])


def plain(logs: Path, out: Path, workers: int) -> int:  # noqa: ARG001
    """Plain Python, on a part of the files; return the rows written."""
    import datetime as dt

    import pyarrow as pa
    import pyarrow.dataset as ds

    rows = []
    for path in sorted(logs.rglob("*.json.gz"))[::SAMPLE]:
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            moment = dt.datetime.fromisoformat(record["eventTime"])
            row: dict[str, Any] = {"event_time": moment, "event_date": moment.date()}
            row |= {name: record.get(name) for name in (*_TEXTS, *_FLAGS)}
            row |= {
                name: json.dumps(record[name]) if record.get(name) is not None else None
                for name in _OBJECTS
            }
            row |= {name: (record.get("tlsDetails") or {}).get(name) for name in _TLS}
            identity = record.get("userIdentity") or {}
            row |= {f"i.{name}": identity.get(name) for name in _IDENTITY if name[0] != "s"}
            rows.append(row)
    table = pa.Table.from_pylist(rows)
    options = ds.ParquetFileFormat().make_write_options(compression="zstd", compression_level=1)
    ds.write_dataset(
        table, out, format="parquet", file_options=options, partitioning=["event_date"]
    )
    return len(rows)


SIDES = {"ctanalytics": ours, "duckdb": duckdb, "plain python": plain}


def run_side(name: str, logs: str, out: str, workers: int) -> None:
    """Be one side: do the work, and tell the rows and the memory that it took."""
    rows = SIDES[name](Path(logs), Path(out), workers)
    own, helpers = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = {
        "rows": rows,
        "cpu_seconds": own.ru_utime + own.ru_stime + helpers.ru_utime + helpers.ru_stime,
        # Of helpers only the largest is known: an upper bound of what all held at once.
        "peak_bytes": 1024 * (own.ru_maxrss + (workers - 1) * helpers.ru_maxrss),
    }
    print(json.dumps(found))


@dataclass(frozen=True)
class Run:
    """One process of one side."""

    side: str
    workers: int
    seconds: float
    cpu_seconds: float
    rows: int
    peak_bytes: int
    out_bytes: int


def measure(side: str, corpus: Corpus, workers: int, folder: Path) -> Run:
    """Run a side in a new process on as many cores as it may use."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    out = folder / "out"
    command = [sys.executable, __file__, "--side", side, corpus.folder, str(out), str(workers)]
    started = time.perf_counter()
    process = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    seconds = time.perf_counter() - started
    found = json.loads(process.stdout)
    size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    subprocess.run(["rm", "-r", str(out)], check=True)
    return Run(side, workers, seconds, out_bytes=size, **found)


def measure_all(corpus: Corpus, rounds: int, workers: list[int], folder: Path) -> list[Run]:
    """Let the sides take turns; plain Python, which only shows the scale, runs once."""
    runs = []
    for number in range(rounds):
        for count in workers:
            # Who goes first finds the other caches: take turns at that too.
            sides = ["ctanalytics", "duckdb"]
            for side in sides if number % 2 else reversed(sides):
                runs.append(measure(side, corpus, count, folder))
                note(f"round {number + 1}: {runs[-1].side} on {count}: {runs[-1].seconds:.1f} s")
    runs.append(measure("plain python", corpus, 1, folder))
    return runs


def report(corpus: Corpus, runs: list[Run], workers: list[int]) -> dict[str, Any]:
    """Medians and ratios of all runs."""
    found: dict[str, Any] = {"corpus": asdict(corpus), "runs": [asdict(run) for run in runs]}
    found["corpus"].pop("folder")
    found["load_average"] = os.getloadavg()
    found["sides"] = [
        _side(corpus, [run for run in runs if (run.side, run.workers) == key])
        for key in sorted({(run.side, run.workers) for run in runs})
    ]
    found["ratios"] = []
    for count in workers:
        pairs = list(
            zip(
                (run.seconds for run in runs if (run.side, run.workers) == ("duckdb", count)),
                (run.seconds for run in runs if (run.side, run.workers) == ("ctanalytics", count)),
                strict=True,
            )
        )
        ratios = [theirs / own for theirs, own in pairs]
        median = statistics.median
        found["ratios"].append(
            {
                "workers": count,
                "of_medians": median(t for t, _ in pairs) / median(o for _, o in pairs),
                "lowest": min(ratios),
                "highest": max(ratios),
            }
        )
    return found


def _side(corpus: Corpus, runs: list[Run]) -> dict[str, Any]:
    micros = [run.seconds / run.rows * 1e6 for run in runs]
    return {
        "side": runs[0].side,
        "workers": runs[0].workers,
        "events_per_second": 1e6 / statistics.median(micros),
        "micros_per_event": statistics.median(micros),
        "micros_lowest": min(micros),
        "micros_highest": max(micros),
        "cpu_micros_per_event": statistics.median(run.cpu_seconds / run.rows * 1e6 for run in runs),
        "peak_bytes": statistics.median(run.peak_bytes for run in runs),
        "bytes_per_event": statistics.median(run.out_bytes / run.rows for run in runs),
        "read": "all files" if runs[0].rows == corpus.records else f"1 file in {SAMPLE}",
    }


def show(found: dict[str, Any]) -> None:
    """Print a report for people: ratios first."""
    corpus = found["corpus"]
    print(
        f"{corpus['records']:,} events in {corpus['files']:,} files, "
        f"{corpus['content_bytes'] / corpus['records']:,.0f} bytes an event, "
        f"gzip {corpus['content_bytes'] / corpus['file_bytes']:.1f} : 1; "
        f"load average at the end {found['load_average'][0]:.1f} on {os.cpu_count()} cores"
    )
    for ratio in found["ratios"]:
        print(
            f"{ratio['workers']} core{'s' * (ratio['workers'] > 1)}: "
            f"{ratio['of_medians']:.2f} x expert DuckDB "
            f"(rounds from {ratio['lowest']:.2f} to {ratio['highest']:.2f})"
        )
    print(
        f"\n{'':14}{'cores':>6}{'events/s':>10}{'us/event':>10}{'range':>14}"
        f"{'us of CPU':>11}{'peak MB':>9}{'bytes/event':>13}  read"
    )
    for side in found["sides"]:
        spread = f"{side['micros_lowest']:.1f}-{side['micros_highest']:.1f}"
        print(
            f"{side['side']:14}{side['workers']:>6}{side['events_per_second']:>10,.0f}"
            f"{side['micros_per_event']:>10.1f}{spread:>14}"
            f"{side['cpu_micros_per_event']:>11.1f}{side['peak_bytes'] / 1e6:>9,.0f}{side['bytes_per_event']:>13,.0f}  {side['read']}"
        )


def note(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr)


def main() -> None:
    """Read the flags, make the corpus, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=800)
    parser.add_argument("--records", type=int, default=500, help="records in a file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", default="1,2", help="numbers of cores, such as 1,2")
    parser.add_argument("--fresh-sessions", type=float, default=0.25)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", nargs=4, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.side:
        name, logs, out, workers = flags.side
        run_side(name, logs, out, int(workers))
        return
    usable = len(os.sched_getaffinity(0))
    workers = [count for count in map(int, flags.workers.split(",")) if count <= usable]
    with tempfile.TemporaryDirectory(prefix="ingest-benchmark-") as place:
        corpus = make_corpus(Path(place), flags.files, flags.records, flags.fresh_sessions)
        note(f"{corpus.records:,} records in {corpus.files:,} files")
        runs = measure_all(corpus, flags.rounds, workers, Path(place))
    found = report(corpus, runs, workers)
    if flags.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    main()

"""Ingest on a Spark cluster of one and two one-core workers, beside the local executor.

python benchmarks/scaleout.py [--files N] [--rounds N] [--json]

Sides: local-1, local-2, spark-1, spark-2. A side has as many cores as workers: the first ones of this
machine, to which all its processes are pinned, Spark's driver among them. In each round the sides
take turns, in an order that changes; each is a process of its own, which starts its session, runs an
empty job, and ingests the same files twice, each time into a new lake. Rates are of the second time,
when the session is up and its workers have loaded what they need.

CPU is that of the driver and of the workers with all their processes. Where the machine is loaded,
clock times say little: the ratios of CPU an event then show what Spark adds, and no more.

Bars: spark-2 at least 1.6 times spark-1; spark-n at least 0.7 times local-n. Needs Java 17, and PySpark,
which `make bench-scaleout` installs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
from ingest_suite import corpora
from ingest_suite.measuring import machine, note

from ctanalytics.app.ingest import ingest
from ctanalytics.engines.executor import Part, Result, chosen
from ctanalytics.settings import Execution, Ingest, Settings

SIDES = ("local-1", "local-2", "spark-1", "spark-2")
SPEED_UP_BAR, OF_LOCAL_BAR = 1.6, 0.7


def nothing(part: Part) -> Result:
    """A part without work."""
    return part


def cpu_seconds(pids: list[int]) -> float:
    """CPU of processes, of all that they have started, and of what of these has ended."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                spent = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def run_side(request: dict[str, Any]) -> dict[str, Any]:
    """Start a session and ingest twice; in a process of its own."""
    workers, pids = request["workers"], [os.getpid(), *request["pids"]]
    found: dict[str, Any] = {}
    # By the name that other processes know it by: here it is __main__'s.
    empty = importlib.import_module("scaleout").nothing
    execution = Execution(
        executor=request["executor"],
        master=request["master"],
        options={"spark.executor.memory": "512m", "spark.ui.enabled": "false"},
    )
    settings = Settings(
        execution=execution, ingest=Ingest(workers=workers, ask_above=10**9, memory_bytes=10**10)
    )
    started = time.perf_counter()
    with chosen(settings.execution, workers) as executor:
        list(executor.map(empty, [{}]))
        found["session_seconds"] = time.perf_counter() - started
        started = time.perf_counter()
        list(executor.map(empty, [{}] * workers))
        found["empty_job_seconds"] = time.perf_counter() - started
        for time_ in ("first", "second"):
            before, started = cpu_seconds(pids), time.perf_counter()
            result = ingest(
                [request["source"]],
                f"{request['out']}/{time_}",
                settings=settings,
                executor=executor,
            )
            found[time_] = {
                "seconds": time.perf_counter() - started,
                "cpu_seconds": cpu_seconds(pids) - before,
            }
            assert result.records_read == request["records"], result
    return found


def measured(
    side: str, corpus: corpora.Corpus, clusters: dict[str, Any], place: Path
) -> dict[str, Any]:
    """Run a side on its cores."""
    workers = int(side[-1])
    cluster = clusters.get(side)
    out = Path(tempfile.mkdtemp(prefix="lakes-", dir=place))
    request = {
        "executor": side.partition("-")[0],
        "workers": workers,
        "master": cluster.master if cluster else "",
        "pids": [process.pid for process in cluster.processes.values()] if cluster else [],
        "source": corpus.folder,
        "records": corpus.records,
        "out": str(out),
    }
    try:
        ran = subprocess.run(
            [sys.executable, __file__, "--run", json.dumps(request)],
            stdout=subprocess.PIPE,
            env={**os.environ, **(cluster.environment if cluster else {})},
            preexec_fn=lambda: os.sched_setaffinity(0, cores(workers)),
            check=True,
        )
    finally:
        shutil.rmtree(out)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def cores(count: int) -> list[int]:
    """The first cores that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < count:
        raise SystemExit(f"this needs {count} cores, and there are {len(usable)}")
    return usable[:count]


def summed_up(rounds: list[dict[str, Any]], records: int) -> dict[str, Any]:
    """Medians by side, and the ratios that the bars are about."""
    sides = {}
    for side in SIDES:
        own = [each[side] for each in rounds]
        seconds = statistics.median(each["second"]["seconds"] for each in own)
        cpu = statistics.median(each["second"]["cpu_seconds"] for each in own)
        first = statistics.median(each["first"]["seconds"] for each in own)
        sides[side] = {
            "events_per_second": round(records / seconds),
            "cpu_microseconds_per_event": round(1e6 * cpu / records, 2),
            "first_events_per_second": round(records / first),
            "session_seconds": round(statistics.median(e["session_seconds"] for e in own), 2),
            "empty_job_seconds": round(statistics.median(e["empty_job_seconds"] for e in own), 3),
        }
    ratios = {
        "spark-2 / spark-1": _ratio(rounds, "spark-2", "spark-1"),
        "spark-1 / local-1": _ratio(rounds, "spark-1", "local-1"),
        "spark-2 / local-2": _ratio(rounds, "spark-2", "local-2"),
        "CPU spark-1 / local-1": _ratio(rounds, "local-1", "spark-1", "cpu_seconds"),
        "CPU spark-2 / local-2": _ratio(rounds, "local-2", "spark-2", "cpu_seconds"),
    }
    return {"sides": sides, "ratios": ratios, "break_even": _break_even(sides)}


def _ratio(rounds: list[dict[str, Any]], one: str, other: str, of: str = "seconds") -> float:
    """The median of how much faster one side was, round by round."""
    return round(
        statistics.median(r[other]["second"][of] / r[one]["second"][of] for r in rounds), 2
    )


def _break_even(sides: dict[str, Any]) -> dict[str, Any]:
    """From how many events on n one-core workers beat one process of one core, session included."""
    local = 1 / sides["local-1"]["events_per_second"]
    alone = sides["spark-1"]["events_per_second"]
    # What a second worker adds, each further one is taken to add.
    added = sides["spark-2"]["events_per_second"] - alone
    start = sides["spark-2"]["session_seconds"] - sides["local-2"]["session_seconds"]
    found = {}
    for workers in (2, 4, 16, 64):
        saved = local - 1 / (alone + (workers - 1) * added)
        found[f"{workers} workers"] = round(start / saved) if saved > 0 else None
    return found


def main() -> None:
    options = _options()
    if options.run:
        print(json.dumps(run_side(json.loads(options.run))))
        return
    try:
        from tests.spark.cluster import cluster
    except ImportError:
        note("not run: PySpark is not installed; `make bench-scaleout` does it")
        return

    place = Path(options.place or tempfile.mkdtemp(prefix="scaleout-"))
    wanted = corpora.recipe("typical", files=options.files, per_file=options.per_file)
    corpus = corpora.made(place, wanted)
    rounds: list[dict[str, Any]] = []
    with ExitStack() as stack:
        clusters: dict[str, Any] = {}
        for workers in (1, 2):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
            clusters[f"spark-{workers}"] = stack.enter_context(
                cluster(folder, {"PYTHONPATH": _path()}, cores=cores(workers))
            )
        for number in range(options.rounds):
            order = SIDES[number % 4 :] + SIDES[: number % 4]
            found = {}
            for side in order:
                found[side] = measured(side, corpus, clusters, place)
                note(
                    f"round {number + 1}: {side} {corpus.records / found[side]['second']['seconds']:,.0f} events/s"
                )
            rounds.append(found)
    result = {
        "machine": machine(),
        "records": corpus.records,
        "files": corpus.files,
        **summed_up(rounds, corpus.records),
    }
    if options.json:
        print(json.dumps(result | {"rounds": rounds}, indent=2))
    else:
        _tell(result)


def _path() -> str:
    root = Path(__file__).parent.parent
    return os.pathsep.join((str(root), str(root / "benchmarks")))


def _tell(result: dict[str, Any]) -> None:
    print(f"{result['records']:,} events in {result['files']} files; load average before: "
          f"{result['machine']['load_average_before'][0]:.1f}\n")  # fmt: skip
    print("| side | events/s | CPU µs/event | first time, events/s | session s | empty job s |")
    print("|---|---|---|---|---|---|")
    for side, found in result["sides"].items():
        print(
            f"| {side} | {found['events_per_second']:,} | {found['cpu_microseconds_per_event']} | "
            f"{found['first_events_per_second']:,} | {found['session_seconds']} | "
            f"{found['empty_job_seconds']} |"
        )
    print()
    for name, value in result["ratios"].items():
        bar = {"spark-2 / spark-1": SPEED_UP_BAR}.get(name, OF_LOCAL_BAR)
        said = (
            ""
            if name.startswith("CPU")
            else f"   bar {bar}: {'met' if value >= bar else 'NOT met'}"
        )
        print(f"{name:24} {value}{said}")
    print("\nevents from which a cluster is sooner done than one core, its start included:")
    for name, value in result["break_even"].items():
        print(f"{name:24} {f'{value:,}' if value else 'never'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=800)
    parser.add_argument("--per-file", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", help="folder for log files and lakes; log files in it are kept")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

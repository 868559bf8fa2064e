"""How fast `ingest` is: against its peers, against its own floor, from S3, and as logs grow.

python benchmarks/ingest.py [--parts peers,shapes,steps,s3,listing] [--long] [--json] ...

Ours is all of `ctanalytics ingest`: list, inflate with a strict reader, hash for the ledger, parse,
derive the columns, deduplicate, sort, write Parquet and commit to the Delta tables. The peers read
the same files into date-partitioned Parquet and do nothing else; see `ingest_suite.peers`. Every
run is a process of its own, bound to as many cores as it has workers or threads, timed from its
start to its exit; CPU time is that of the process and its children. The sides take turns, so that
what else the machine does hits all alike; figures are medians, judged by their ratio.

Parts:
    peers         typical files: ours, DuckDB, Polars, chDB, plain Python (Spark when asked for)
    shapes        small, huge and varied files: ours and DuckDB
    steps         our CPU time step by step, and the least that a step can take
    s3            the typical files from a local S3 server beside the same from the disk
    listing       100,000 objects listed
    scaling       1, 3 and 10 M events (in --long)
    formulations  ways to say it in DuckDB; the peer is the fastest
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ingest_suite import bars, corpora, peers, report, s3_part, sides
from ingest_suite.corpora import Corpus
from ingest_suite.measuring import Run, machine, measure, note

USUAL = "peers,shapes,steps,s3,listing"
SCALES = (1, 3, 10)


class Bench:
    """What all parts share: flags, corpora, a place to work in, and what was found."""

    def __init__(self, flags: argparse.Namespace, place: Path) -> None:
        self.flags = flags
        self.place = place
        self.kept = Path(flags.corpus_dir) if flags.corpus_dir else place
        usable = len(os.sched_getaffinity(0))
        self.workers = [n for n in map(int, flags.workers.split(",")) if n <= usable]
        self.found: dict[str, Any] = {
            "machine": machine(),
            "corpora": {},
            "runs": [],
            "memory_runs": [],
            "left_out": [],
        }

    def corpus(self, name: str) -> Corpus:
        """A corpus by its name."""
        wanted = corpora.recipe(name, files=self.flags.files, per_file=self.flags.records)
        corpus = corpora.made(self.kept, wanted)
        self.found["corpora"][name] = asdict(corpus)
        return corpus

    def run(self, side: str, corpus: Corpus, workers: int, **options: Any) -> Run:
        """Run a side on a corpus; it must have read all of it."""
        if side in peers.OF_THEIR_OWN:
            options["python"] = self.flags.peers_python
        run = measure(side, corpus.name, corpus.folder, workers, self.place, **options)
        wanted = corpus.records
        if side == "plain python":
            wanted = run.rows  # of some files; a part of the whole is told by its name
        if run.rows != wanted:
            raise SystemExit(f"{side} gave {run.rows} rows of {corpus.name}, not {wanted}")
        note(
            f"  {corpus.name}: {side} on {workers}: {run.seconds:.1f} s, "
            f"{run.cpu_seconds / run.rows * 1e6:.1f} us of CPU for an event"
        )
        return run

    def sides(self) -> list[str]:
        """The sides that can run here; those that can't are told."""
        wanted = [sides.OURS, *self.flags.peers.split(",")]
        reasons = {side: peers.missing(side, self.flags.peers_python) for side in wanted}
        self.found["left_out"] += [f"{side}: {why}" for side, why in reasons.items() if why]
        return [side for side, why in reasons.items() if why is None]

    def take_turns(self, contests: list[tuple[Corpus, list[str]]]) -> None:
        """Each round, every side of every corpus once for each number of workers."""
        for corpus, some in contests[:1]:  # memory is promised for typical files
            for workers in self.workers:
                for side in (side for side in some if side in (sides.OURS, "duckdb")):
                    run = self.run(side, corpus, workers, memory=True)
                    self.found["memory_runs"].append(asdict(run))
        for number in range(self.flags.rounds):
            note(f"round {number + 1} of {self.flags.rounds}")
            for corpus, some in contests:
                for workers in self.workers:
                    # Who goes first finds the caches otherwise: take turns at that too.
                    start = number % len(some)
                    for side in some[start:] + some[:start]:
                        if side == "plain python" and workers > 1:
                            continue  # it can't use them
                        if side == "spark" and number:
                            continue  # once shows its scale
                        self.found["runs"].append(asdict(self.run(side, corpus, workers)))


def contests(bench: Bench, parts: set[str]) -> list[tuple[Corpus, list[str]]]:
    """Which sides read which corpora, of the parts that were asked for."""
    found: list[tuple[Corpus, list[str]]] = []
    if "peers" in parts or "shapes" in parts:
        everyone = bench.sides() if "peers" in parts else [sides.OURS, "duckdb"]
        found.append((bench.corpus("typical"), everyone))
    if "shapes" in parts:
        small = "small-long" if bench.flags.long else "small"
        found += [
            (bench.corpus(name), [sides.OURS, "duckdb"]) for name in (small, "huge", "entropy")
        ]
    return found


def steps(bench: Bench) -> None:
    """Our CPU time step by step, and the floor on the same files."""
    corpus = bench.corpus("typical")
    rounds: list[dict[str, float]] = []
    least: list[dict[str, float]] = []
    for number in range(min(3, bench.flags.rounds)):
        lake = bench.place / f"lake-{number}"
        run = bench.run("steps", corpus, 1, keep=lake)
        known = run.facts["steps"]
        # Before the first line of ours and after the last: the interpreter and its imports.
        known["start-up"] += max(0.0, run.cpu_seconds - sum(known.values()))
        rounds.append(known)
        least.append(bench.run("floors", corpus, 1, lake=str(lake)).facts["floors"])
        bench.found["steps_absent"] = run.facts["absent"]
        if "files_per_date_and_batch" not in bench.found:
            bench.found["files_per_date_and_batch"] = most_files(lake)
        _remove(lake)
    bench.found["steps"] = _median_micros(rounds, corpus.records)
    bench.found["floors"] = _median_micros(least, corpus.records)


def _median_micros(rounds: list[dict[str, float]], events: int) -> dict[str, float]:
    names = dict.fromkeys(name for one in rounds for name in one)
    return {
        name: statistics.median(one.get(name, 0.0) for one in rounds) / events * 1e6
        for name in names
    }


def most_files(lake: Path) -> int:
    """The most Parquet files of events that one plan has made for one date."""
    from ctanalytics.lake.lake import Lake

    paths = Lake.open(str(lake)).table("events").file_uris()
    batches = Counter((Path(p).parent.name, Path(p).name.rpartition("-")[0]) for p in paths)
    return max(batches.values())


def scaling(bench: Bench) -> None:
    """The same logs, and three and ten times as many of later days."""
    base = corpora.made(bench.kept, corpora.Recipe("million", bench.flags.scale_files, 500))
    runs = []
    for number in range(min(3, bench.flags.rounds)):
        for copies in SCALES if number % 2 else reversed(SCALES):
            corpus = corpora.shifted(base, bench.kept, copies)
            lake = bench.place / "lake-scaling"
            run = bench.run(sides.OURS, corpus, max(bench.workers), memory=True, keep=lake)
            paths = list((lake / "tables" / "events").rglob("*.parquet"))
            most = max(most_files(lake), bench.found.get("files_per_date_and_batch", 0))
            bench.found["files_per_date_and_batch"] = most
            runs.append(replace(run, facts=run.facts | {"parquet_files": len(paths)}))
            _remove(lake)
            note(f"scaling round {number + 1}: {run.rows:,} events")
    bench.found["scaling"] = [asdict(run) for run in runs]


def formulations(bench: Bench) -> None:
    """DuckDB's ways to say it, in turns."""
    corpus = bench.corpus("typical")
    runs = []
    for _ in range(bench.flags.rounds):
        for workers in bench.workers:
            for name in peers.FORMULATIONS:
                run = bench.run("duckdb", corpus, workers, formulation=name)
                runs.append(replace(run, side=name))
    bench.found["formulations"] = [asdict(run) for run in runs]


def measured(bench: Bench, parts: set[str]) -> dict[str, Any]:
    """Run the parts that were asked for."""
    turns = contests(bench, parts)
    if turns:
        bench.take_turns(turns)
    if "formulations" in parts:
        formulations(bench)
    if "steps" in parts:
        steps(bench)
    if "s3" in parts:
        corpus = bench.corpus("typical")
        bench.found["s3"] = s3_part.against_disk(corpus, bench.flags.rounds, bench.place)
    if "listing" in parts:
        bench.found["listing"] = s3_part.listing(min(3, bench.flags.rounds), bench.kept)
    if "scaling" in parts or bench.flags.long:
        scaling(bench)
    return bench.found


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


@contextlib.contextmanager
def working_place(kept: str | None) -> Iterator[Path]:
    """A folder for what a run leaves, removed with it; beside the corpora that are kept."""
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ingest-benchmark-", dir=kept) as place:
        yield Path(place)


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=USUAL, help=f"comma-separated (default {USUAL})")
    parser.add_argument("--peers", default="duckdb,polars,chdb,plain python", help="also: spark")
    parser.add_argument(
        "--peers-python", default="build/peers/bin/python", help="which has chdb (and pyspark)"
    )
    parser.add_argument("--files", type=int, default=800, help="of the typical corpus")
    parser.add_argument("--records", type=int, default=500, help="in one of its files")
    parser.add_argument("--scale-files", type=int, default=2_000, help="of 500, to be multiplied")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", default="1,2", help="numbers of cores, such as 1,2")
    parser.add_argument("--long", action="store_true", help="also 50,000 small files, and scaling")
    parser.add_argument("--corpus-dir", help="where corpora are kept for the next run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.run:
        sides.be(flags.run)
        return
    with working_place(flags.corpus_dir) as place:
        found = measured(Bench(flags, place), set(flags.parts.split(",")))
    judged = bars.judged(found)
    found["machine"]["load_average_after"] = os.getloadavg()
    found["bars"] = [asdict(bar) for bar in judged]
    found["summary"] = report.lines(found)
    if flags.json:
        print(json.dumps(found, indent=2))
    else:
        report.show(found, judged)


if __name__ == "__main__":
    main()

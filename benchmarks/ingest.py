"""Ingest against DuckDB at its best, in one run: interleaved rounds, medians and ranges as ratios.

    python benchmarks/ingest.py [--events 400000] [--rounds 5] [--json]

Ours does all it does for a user: strict gzip, every field, identities, sorting, duplicates, ledger,
quarantine, commits. The peer reads whole files as JSON objects, transforms each in one typed step,
unnests, and writes zstd Parquet partitioned by date: no order, no duplicates removed, no ledger. Each
measurement is a fresh process, held to one core or two.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ctanalytics.records.schema import BOOL_FIELDS, JSON_FIELDS, STRING_FIELDS

CASES = ("ours 1", "duckdb 1", "ours 2", "duckdb 2")


def ours(corpus: Path, out: Path, cores: int) -> None:
    """The command's verb: folder to a new lake."""
    import ctanalytics
    from ctanalytics import settings

    chosen = settings.load({"ingest.workers": cores}, environ={})
    ctanalytics.ingest([str(corpus)], str(out), settings=chosen)


def duckdb_peer(corpus: Path, out: Path, cores: int) -> None:
    """The fastest formulation in SQL that keeps the same fields."""
    import duckdb

    issuer = dict.fromkeys(("type", "arn", "userName", "accountId"), "VARCHAR")
    identity = dict.fromkeys(
        ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"),
        "VARCHAR",
    )
    session = {
        "sessionIssuer": issuer,
        "attributes": {"creationDate": "TIMESTAMP", "mfaAuthenticated": "VARCHAR"},
        "sourceIdentity": "VARCHAR",
    }
    tls = dict.fromkeys(("tlsVersion", "cipherSuite", "clientProvidedHostHeader"), "VARCHAR")
    texts = [name for name in STRING_FIELDS if name != "eventTime"]
    flags = [name for name in BOOL_FIELDS if name != "sessionCredentialFromConsole"]
    record: dict[str, Any] = {"eventTime": "TIMESTAMP", "userIdentity": "JSON", "tlsDetails": tls}
    record |= dict.fromkeys(texts, "VARCHAR") | dict.fromkeys(flags, "BOOLEAN")
    record |= dict.fromkeys(JSON_FIELDS, "JSON")
    whole = json.dumps({"Records": [record]})
    plain = ", ".join(f'r."{name}"' for name in ("eventTime", *texts, *flags, *JSON_FIELDS))
    secure = ", ".join(f"r.tlsDetails.{name}" for name in tls)
    who = ", ".join(f'u."{name}" as "user_{name}"' for name in identity)
    behind = ", ".join(
        f'u.sessionContext.sessionIssuer."{name}" as "issuer_{name}"' for name in issuer
    )
    shape = json.dumps({**identity, "sessionContext": session})
    connection = duckdb.connect()
    connection.execute(f"set threads = {cores}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"""
        copy (
            select
                {plain}, {secure}, {who}, {behind},
                u.sessionContext.attributes.creationDate as session_creation,
                u.sessionContext.attributes.mfaAuthenticated as session_mfa,
                u.sessionContext.sourceIdentity as source_identity,
                r.userIdentity as user_identity,
                cast(r.eventTime as date) as event_date
            from (
                select r, json_transform(r.userIdentity, '{shape}') as u
                from (
                    select unnest(from_json(json, '{whole}').Records) as r
                    from read_json_objects(
                        '{corpus}/**/*.json.gz',
                        format = 'newline_delimited',
                        maximum_object_size = 134217728
                    )
                )
            )
        ) to '{out}' (format parquet, compression zstd, partition_by (event_date))
    """)


WAYS: dict[str, Callable[[Path, Path, int], None]] = {"ours": ours, "duckdb": duckdb_peer}


def measure(case: str, corpus: Path, out: Path) -> dict[str, float]:
    """Run one case in a process of its own; wall seconds, CPU seconds, peak MiB, MB written."""
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, __file__, "--case", case, "--corpus", str(corpus), "--out", str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["megabytes"] = sum(f.stat().st_size for f in out.rglob("*.parquet")) / 1e6
    return found


def run_case(case: str, corpus: Path, out: Path) -> None:
    """The process of one measurement."""
    way, cores = case.split()
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(usable[: int(cores)]))
    begun = time.perf_counter()
    WAYS[way](corpus, out, int(cores))
    seconds = time.perf_counter() - begun
    own, workers = (
        resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    # Of the children only the largest is known; all of them are taken to be as large.
    peak = own.ru_maxrss + (workers.ru_maxrss * int(cores) if way == "ours" and cores != "1" else 0)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mib": peak / 1024}))


def main() -> None:
    """Make the corpus, measure in rounds, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--case")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.case:
        run_case(arguments.case, arguments.corpus, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        corpus, out = Path(folder, "logs"), Path(folder, "out")
        events = _corpus(corpus, arguments.events)
        rounds: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
        for _ in range(arguments.rounds):
            for case in CASES:
                rounds[case].append(measure(case, corpus, out))
    _print(events, rounds, as_json=arguments.json)


def _corpus(corpus: Path, events: int) -> int:
    from ctanalytics.app.simulate import simulate

    days = 4
    made = simulate(
        corpus, days=days, accounts=1, events_per_day=events // days, seed=1, digests="none"
    )
    (corpus / "labels.jsonl").unlink()
    return made.records


def _print(events: int, rounds: dict[str, list[dict[str, float]]], *, as_json: bool) -> None:
    medians = {
        case: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for case, found in rounds.items()
    }
    ratios = {}
    for cores in ("1", "2"):
        each = [
            peer["seconds"] / own["seconds"]
            for own, peer in zip(rounds[f"ours {cores}"], rounds[f"duckdb {cores}"], strict=True)
        ]
        ratios[cores] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
    if as_json:
        print(json.dumps({"events": events, "medians": medians, "times_faster": ratios}, indent=2))
        return
    print(f"{events:,} events, {len(rounds['ours 1'])} rounds, load {os.getloadavg()[0]:.1f}")
    for case, found in medians.items():
        print(
            f"  {case:9} {found['seconds']:6.2f} s  {events / found['seconds']:9,.0f} events/s  "
            f"{found['cpu'] / events * 1e6:5.1f} us CPU/event  {found['peak_mib']:6,.0f} MiB  "
            f"{found['megabytes'] * 1e6 / events:4.0f} bytes/event"
        )
    for cores, found in ratios.items():
        print(
            f"  on {cores} core(s) ours is {found['median']:.2f} times as fast as DuckDB "
            f"({found['least']:.2f} to {found['most']:.2f})"
        )


if __name__ == "__main__":
    main()

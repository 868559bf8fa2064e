"""The same corpus from a local S3 server and from the disk, and a bucket of many objects listed."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ingest_suite import s3_server
from ingest_suite.corpora import Corpus
from ingest_suite.measuring import Run, measure, note
from ingest_suite.s3_server import BUCKET, Server

IN_FLIGHT: Final = 64

ACCOUNTS, REGIONS, LIST_DAYS, PER_DAY = 10, 4, 25, 100
"""Of the bucket to list: 100,000 objects in 1,000 account-region-days."""
LISTED: Final = ACCOUNTS * REGIONS * LIST_DAYS * PER_DAY


def against_disk(corpus: Corpus, rounds: int, place: Path) -> dict[str, Any]:
    """Ingest the corpus from S3 and from the disk in turns; the server has the last core.

    With two cores, client and server have one each, so that neither takes the other's time.
    """
    cores = sorted(os.sched_getaffinity(0))
    runs: list[Run] = []
    seen: dict[str, int] = {}
    with s3_server.running(place / "s3-data", cores[-1:]) as server:
        note(f"S3: {server.kind} on core {cores[-1]}, uploading {corpus.files} files")
        server.upload(Path(corpus.folder))
        for number in range(rounds):
            turns = [_from_disk, _from_s3]
            for turn in turns if number % 2 else reversed(turns):
                before = server.requests()
                runs.append(turn(corpus, place, server))
                if turn is _from_s3:
                    seen = {k: v - before.get(k, 0) for k, v in server.requests().items()}
                note(f"S3 round {number + 1}: {runs[-1].side}: {runs[-1].seconds:.1f} s")
    shutil.rmtree(place / "s3-data")
    return {
        "server": server.kind,
        "in_flight": IN_FLIGHT,
        "requests_seen": seen,
        "region_days": _region_days(corpus),
        "runs": [asdict(run) for run in runs],
    }


def _from_disk(corpus: Corpus, place: Path, server: Server) -> Run:  # noqa: ARG001
    return measure("ctanalytics", corpus.name, corpus.folder, 1, place)


def _from_s3(corpus: Corpus, place: Path, server: Server) -> Run:
    run = measure(
        "ctanalytics",
        corpus.name,
        f"s3://{BUCKET}",
        1,
        place,
        endpoint_url=server.url,
        requests_in_flight=IN_FLIGHT,
    )
    if run.rows != corpus.records:
        raise SystemExit(f"{run.rows} of {corpus.records} records came from S3")
    return Run(**asdict(run) | {"side": "ctanalytics from S3"})


def _region_days(corpus: Corpus) -> int:
    return len({path.parent for path in Path(corpus.folder).rglob("*.json.gz")})


def listing(rounds: int, place: Path) -> dict[str, Any]:
    """List a bucket of many small objects: ours, and beside it nothing but page after page."""
    cores = sorted(os.sched_getaffinity(0))
    files = place / "to-list"
    if not files.is_dir():
        _write_small(files)
    with s3_server.running(place / "s3-list", cores[-1:]) as server:
        if not _is_full(server):
            note(f"listing: uploading {LISTED:,} objects")
            server.upload(files, fast=True)
        found = [_listed_once(server, place, cores[0]) for _ in range(rounds)]
    return {
        "server": server.kind,
        "objects": LISTED,
        "region_days": ACCOUNTS * REGIONS * LIST_DAYS,
        "rounds": found,
    }


def _write_small(files: Path) -> None:
    for account in range(ACCOUNTS):
        number = f"{111122220000 + account}"
        for region in ("eu-west-1", "eu-central-1", "us-west-2", "sa-east-1")[:REGIONS]:
            for day in range(LIST_DAYS):
                date = dt.date(2025, 10, 1) + dt.timedelta(days=day)
                folder = files / f"AWSLogs/{number}/CloudTrail/{region}/{date:%Y/%m/%d}"
                folder.mkdir(parents=True)
                for one in range(PER_DAY):
                    stamp = f"{date:%Y%m%d}T{one * 14 // 60:02d}{one * 14 % 60:02d}Z"
                    name = f"{number}_CloudTrail_{region}_{stamp}_{one:016d}.json.gz"
                    (folder / name).write_bytes(b"{}")


def _is_full(server: Server) -> bool:
    pages = server.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sum(page["KeyCount"] for page in pages) == LISTED


def _listed_once(server: Server, place: Path, core: int) -> dict[str, Any]:
    before = server.requests()
    started = time.perf_counter()
    pages = server.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    count = sum(page["KeyCount"] for page in pages)
    bare = time.perf_counter() - started
    between = server.requests()
    run = measure(
        "listing",
        "to list",
        f"s3://{BUCKET}",
        1,
        place,
        cores=[core],
        endpoint_url=server.url,
    )
    after = server.requests()
    if count != LISTED or run.rows != LISTED:
        raise SystemExit(f"{run.rows} and {count} of {LISTED} objects were listed")
    return {
        "bare_seconds": bare,
        "seconds": run.facts["seconds"],
        "cpu_seconds": run.cpu_seconds,
        "lists": run.facts["lists"],
        "bare_seen": _difference(between, before),
        "seen": _difference(after, between),
    }


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {kind: count - before.get(kind, 0) for kind, count in after.items()}


def list_all(source: str, out: str, workers: int, endpoint_url: str) -> dict[str, Any]:  # noqa: ARG001
    """Our listing alone, as an ingest takes it."""
    from ctanalytics.settings import Aws
    from ctanalytics.sources.base import Selection, open_source

    opened = open_source(source, Aws(endpoint_url=endpoint_url))
    started = time.perf_counter()
    count = sum(len(batch) for batch in opened.list(Selection()))
    seconds = time.perf_counter() - started
    return {"rows": count, "seconds": seconds, "lists": opened.requests.lists}

"""Files that come late, out of order, twice and by two trails, while an ingest follows the bucket.

python benchmarks/late_delivery.py [--hours N] [--every MINUTES] [--seed N] [--json]

A simulated clock drives the real `follow` over a local S3 server: each pass lists what it lists on
such a day, and the files that have arrived by then are there. Two trails, one of the account and
one of the organization, write every event into files of their own; of all files

- most arrive within five minutes of the time in their name,
- one in eight arrives up to 24 hours late, one in fifty up to ten days,
- one in ten arrives a second time under another name.

At the end a day passes, so that a sweep has looked back. Then every event must be in the lake, and
none twice. Exit code 1 when it is not so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import heapq
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest_follow import Setback, follow
from ctanalytics.app.query import query
from ctanalytics.records.object_key import log_key
from ctanalytics.settings import Ingest, Settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.aws_server import Server, aws_server
from tests.logs import document, event_id, record

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
BUCKET = "logs"
REGIONS = ("eu-west-1", "us-east-1")
ORGANIZATIONS = (None, "o-a1b2c3d4e5")  # the trail of the account, and that of the organization


@dataclass
class World:
    """The clock, the bucket, and the files on their way to it."""

    s3: Any
    rng: random.Random
    file_minutes: int
    now: dt.datetime = START
    written: set[str] = field(default_factory=set)
    arrivals: list[tuple[dt.datetime, int, str, bytes]] = field(default_factory=list)
    files: int = 0
    late: int = 0
    doubled: int = 0
    _events: int = 0
    _until: dt.datetime = START

    def happen(self, until: dt.datetime) -> None:
        """Let events happen, and trails write them, up to a time."""
        while self._until < until:
            self._until += dt.timedelta(minutes=self.file_minutes)
            for region in REGIONS:
                self._write_files(region, self._until)

    def _write_files(self, region: str, stamp: dt.datetime) -> None:
        number = self._events
        self._events += 6
        events = [
            record(
                place,
                eventTime=f"{stamp - dt.timedelta(seconds=place % 600):%Y-%m-%dT%H:%M:%SZ}",
                awsRegion=region,
            )
            for place in range(number, number + 6)
        ]
        self.written.update(event_id(place) for place in range(number, number + 6))
        for organization in ORGANIZATIONS:
            # Each trail cuts its files elsewhere.
            cut = self.rng.randrange(1, 6)
            for some in (events[:cut], events[cut:]):
                self._send(some, region, stamp, organization)

    def _send(
        self, events: list[Any], region: str, stamp: dt.datetime, organization: str | None
    ) -> None:
        data = gzip.compress(document(events), mtime=0)
        for copy in range(2 if self.rng.random() < 0.1 else 1):
            self.files += 1
            self.doubled += copy
            name = log_key(
                account_id="111122223333",
                aws_region=region,
                delivered=stamp,
                unique=f"{self.files:016d}",
                organization=organization,
            )
            heapq.heappush(self.arrivals, (stamp + self._delay(), self.files, name, data))

    def _delay(self) -> dt.timedelta:
        draw = self.rng.random()
        if draw < 0.02:
            self.late += 1
            return dt.timedelta(days=self.rng.uniform(1, 10))
        if draw < 0.02 + 0.125:
            self.late += 1
            return dt.timedelta(hours=self.rng.uniform(0, 24))
        return dt.timedelta(minutes=self.rng.uniform(0, 5))

    def wait(self, seconds: float) -> None:
        """Let time pass, and put what arrives into the bucket."""
        self.now += dt.timedelta(seconds=seconds)
        while self.arrivals and self.arrivals[0][0] <= self.now:
            _, _, name, data = heapq.heappop(self.arrivals)
            self.s3.put_object(Bucket=BUCKET, Key=name, Body=data)


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    hours: int
    passes: int
    files: int
    files_late: int
    files_twice: int
    events: int
    rows: int
    lost: int
    doubled: int
    list_requests: int
    get_requests: int
    seconds: float


def simulate(
    server: Server, lake: Path, *, hours: int, every_minutes: int, file_minutes: int, seed: int
) -> Outcome:
    """Follow a bucket for some hours of simulated time, then until all has arrived."""
    started = time.monotonic()
    world = World(server.bucket(BUCKET), random.Random(seed), file_minutes)
    world.happen(START + dt.timedelta(hours=hours))
    world.wait(60 * file_minutes + 300)  # something is there at the first pass
    settings = Settings(ingest=Ingest(workers=1, follow_seconds=60.0 * every_minutes, first_days=3))
    end = START + dt.timedelta(hours=hours)
    passes = lists = gets = 0
    following = follow(
        [f"s3://{BUCKET}"],
        str(lake),
        settings=settings,
        clock=lambda: world.now,
        pause=world.wait,
    )
    for found in following:
        assert not isinstance(found, Setback), found
        passes += 1
        lists += found.list_requests
        gets += found.get_requests
        if world.now < end:
            continue
        if not world.arrivals:
            # A day on, all has arrived: one more pass, which is a sweep, and all must be in.
            if world.now > end + dt.timedelta(days=12):
                break
            world.wait(86_400 * 13)
        else:
            world.wait(86_400)  # only stragglers are under way: once a day is enough
    following.close()
    rows = query("select event_id from lake.events", lake)["event_id"].to_pylist()
    return Outcome(
        hours=hours,
        passes=passes,
        files=world.files,
        files_late=world.late,
        files_twice=world.doubled,
        events=len(world.written),
        rows=len(rows),
        lost=len(world.written - set(rows)),
        doubled=len(rows) - len(set(rows)),
        list_requests=lists,
        get_requests=gets,
        seconds=round(time.monotonic() - started, 1),
    )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=int, default=72)
    parser.add_argument("--every", type=int, default=5, help="minutes between two passes")
    parser.add_argument("--seed", type=int, default=20130)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> Iterator[str]:
    """Run it and tell; exit code 1 when an event is lost or doubled."""
    options = _options(arguments)
    with (
        pytest.MonkeyPatch.context() as patch,
        aws_server(patch) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = simulate(
            server,
            Path(folder) / "lake",
            hours=options.hours,
            every_minutes=options.every,
            file_minutes=15,
            seed=options.seed,
        )
    if options.json:
        yield json.dumps(vars(found))
    else:
        yield (
            f"{found.hours} h, {found.passes} passes in {found.seconds:.0f} s: {found.files} files, "
            f"{found.files_late} of them late and {found.files_twice} twice"
        )
        yield f"{found.events} events, {found.rows} rows: {found.lost} lost, {found.doubled} doubled"
        yield f"{found.list_requests} LIST and {found.get_requests} GET requests"
    if found.lost or found.doubled:
        sys.exit(1)


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)

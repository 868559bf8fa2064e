"""The verb watch: rounds that find what is new and tell it, and take turns with nights."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from msgspec import structs

from ctanalytics.app.nightly.run import WORK, nightly
from ctanalytics.app.watch import WatchRound, watch
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.lease import Lease
from ctanalytics.settings import Emit, Ingest, Rules, Settings, Watch
from tests.aws_server import aws_server
from tests.emitters.test_cloudwatch import NAMESPACE, sums
from tests.logs import key, record, write

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

RULE = """
title: Trail logging stopped
id: 37251d51-2a28-5da4-b09e-c045c041d426
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}
  condition: call
level: high
"""


class World:
    """A folder of logs with a rule on them, and a clock that goes on while one waits."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        (folder / "rules").mkdir()
        (folder / "rules" / "stopped.yml").write_text(RULE)
        self.alerts = folder / "alerts.ndjson"
        self.now = NOW
        self.settings = Settings(
            lake=str(folder / "lake"),
            sources=[str(self.logs)],
            ingest=Ingest(workers=1),
            emit=Emit(targets=[f"file:{self.alerts}"], min_severity="info"),
            rules=Rules(packaged=False, directories=[str(folder / "rules")]),
            watch=Watch(detectors=["sigma"]),
        )

    def happen(self, number: int, *, hours_ago: float, by: str = "dora") -> None:
        """Somebody stops a trail, and a file that comes now tells of it."""
        at = self.now - dt.timedelta(hours=hours_ago)
        identity = record()["userIdentity"] | {
            "arn": f"arn:aws:iam::111122223333:user/{by}",
            "userName": by,
        }
        event = record(
            number,
            eventTime=f"{at:%Y-%m-%dT%H:%M:%SZ}",
            eventSource="cloudtrail.amazonaws.com",
            eventName="StopLogging",
            readOnly=False,
            userIdentity=identity,
        )
        write(self.logs / key(number), [event])

    def wait(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)

    def rounds(self, *before: Callable[[], None]) -> list[WatchRound]:
        """Make so many rounds, with something that happens before each."""
        found = []
        with closing(watch(self.settings, clock=lambda: self.now, pause=self.wait)) as rounds:
            for happens in before:
                happens()
                found.append(next(rounds))
        return found

    def told(self) -> list[str]:
        lines = self.alerts.read_text().splitlines() if self.alerts.exists() else []
        return [json.loads(line)["principal_arn"].rpartition("/")[2] for line in lines]


def test_each_round_finds_what_is_new_or_came_late_and_an_incident_is_told_once(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    first, quiet, late = world.rounds(
        lambda: world.happen(1, hours_ago=1),
        lambda: None,
        lambda: world.happen(2, hours_ago=5, by="late"),
    )
    assert [step.step for step in first.steps] == ["ingest", "detect", "incidents", "emit"]
    assert (first.state, quiet.state, late.state) == ("done", "done", "done")
    assert [found.steps[1].counts["new"] for found in (first, quiet, late)] == [1, 0, 1]
    # Both stop the same trail from the same network: the second is part of the first's incident.
    assert [found.steps[3].counts["sent"] for found in (first, quiet, late)] == [1, 0, 0]
    assert world.told() == ["dora"]
    assert world.now == NOW + dt.timedelta(minutes=10)
    assert list(Lake(world.settings.lake).store.list("leases/")) == []


def test_a_step_that_fails_is_told_and_tried_again_by_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    told = [f"file:{world.alerts}", f"cloudwatch:{NAMESPACE}"]
    world.settings = structs.replace(world.settings, emit=Emit(targets=told, min_severity="info"))
    succeeded = []

    def count() -> None:
        succeeded.append(sums(server, "RunSucceeded")[()])

    def lose() -> None:
        shutil.move(world.logs, tmp_path / "elsewhere")

    def find() -> None:
        count()
        shutil.move(tmp_path / "elsewhere", world.logs)
        world.happen(1, hours_ago=1)

    with aws_server(monkeypatch) as server:
        failed, mended = world.rounds(lose, find)
        count()
    assert (failed.state, failed.steps[0].state) == ("part", "failed")
    assert "logs" in str(failed.steps[0].error)
    assert mended.state == "done"
    assert world.told() == ["dora"]
    assert succeeded == [0, 1]  # an alarm on it hears of the round that failed


def test_a_round_leaves_the_work_to_a_night_that_is_at_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.happen(1, hours_ago=1)
    night: list[Lease] = []
    skipped, made = world.rounds(
        lambda: night.append(Lease.acquire(Lake.create(world.settings.lake).store, WORK)),
        lambda: night.pop().release(),
    )
    assert (skipped.state, skipped.steps) == ("skipped", [])
    assert made.state == "done"
    assert world.told() == ["dora"]


def test_a_night_waits_until_a_round_is_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    turn = Lease.acquire(Lake.create(world.settings.lake).store, WORK)
    threading.Timer(0.3, turn.release).start()
    found = nightly(world.settings, only=["emit"], wait=False, now=lambda: world.now)
    assert found.state == "done"


def test_without_a_lake_or_a_source_there_is_nothing_to_watch(tmp_path: Path) -> None:
    for settings in (Settings(sources=["x"]), Settings(lake=str(tmp_path))):
        with pytest.raises(UsageError, match="lake and sources"):
            next(islice(watch(settings), 1))

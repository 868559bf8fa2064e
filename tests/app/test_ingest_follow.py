"""Following: pass after pass, through setbacks, until it is stopped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest_follow import Setback, follow
from ctanalytics.app.ingest_result import IngestResult
from ctanalytics.errors import SourceDenied, SourceMissing
from ctanalytics.settings import Ingest, Settings
from tests.app.ingesting import ask, leftovers, start
from tests.app.queueing import BUCKET, EMPTY, QUICK, Trail
from tests.aws_server import Server, aws_server, s3_error
from tests.logs import START, key, record, write


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def logs(server: Server, tmp_path: Path) -> Trail:
    return Trail(server, tmp_path / "lake")


class Time:
    """A clock that moves when somebody waits, and lets something happen meanwhile."""

    def __init__(self, *steps: Any) -> None:
        self.now = START
        self.waits: list[float] = []
        self.steps = list(steps)

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += dt.timedelta(seconds=seconds)
        if self.steps:
            self.steps.pop(0)()


def following(source: str, lake: Path, time: Time, **more: Any) -> Iterator[IngestResult | Setback]:
    settings = Settings(ingest=Ingest(workers=1, **QUICK))
    return follow(
        [source], str(lake), settings=settings, clock=lambda: time.now, pause=time.pause, **more
    )


def test_a_folder_is_listed_every_five_minutes(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write(logs / "a.json.gz", [record(1)])
    time = Time(lambda: write(logs / "b.json.gz", [record(2)]))
    passes = following(str(logs), tmp_path / "lake", time)
    written = [getattr(next(passes), "records_written", None) for _ in range(3)]
    assert written == [1, 1, 0]
    assert time.waits == [300.0, 300.0]
    passes.close()  # type: ignore[attr-defined]
    assert leftovers(tmp_path / "lake") == []


def test_a_plain_ingest_beside_one_that_follows_neither_loses_nor_doubles(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for number in range(20):
        write(logs / f"{number:02}.json.gz", [record(number), record(number + 1)])
    time = Time()
    passes = following(str(logs), tmp_path / "lake", time)
    other = start(logs, tmp_path / "lake", plan_objects=2)
    for _ in range(2):
        assert isinstance(next(passes), IngestResult)
    _, error = other.communicate(timeout=60)
    assert other.returncode == 0, error
    assert isinstance(next(passes), IngestResult)
    passes.close()  # type: ignore[attr-defined]
    (found,) = ask(
        tmp_path / "lake",
        "select count(*) as n, count(distinct event_id) as ids from lake.events",
    )
    assert found == {"n": 21, "ids": 21}
    states = ask(tmp_path / "lake", "select count(*) as n from lake.log_files")
    assert states == [{"n": 20}], "an object was read twice"
    assert leftovers(tmp_path / "lake") == []


def test_the_first_failure_ends_it_and_later_ones_are_waited_for(logs: Trail) -> None:
    time = Time()
    with pytest.raises(SourceMissing):
        next(following("s3://nowhere", logs.lake, time))
    logs.put(key(0), [record(0)])
    passes = following(f"s3://{BUCKET}", logs.lake, time)
    assert isinstance(next(passes), IngestResult)
    logs.put(key(1), [record(1)])

    def expired(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith(key(1)):
            return s3_error("ExpiredToken", "The provided token has expired.", 400)
        return None

    logs.server.disturb.append(expired)
    setbacks = [next(passes) for _ in range(3)]
    waits = [found.retry_in_seconds for found in setbacks if isinstance(found, Setback)]
    assert len(waits) == 3
    assert all(isinstance(getattr(found, "error", None), SourceDenied) for found in setbacks)
    assert 2.5 <= waits[0] <= 5 <= waits[1] <= 10 <= waits[2] <= 20
    logs.server.disturb.clear()
    assert isinstance(next(passes), IngestResult)
    passes.close()  # type: ignore[attr-defined]
    assert ask(logs.lake, "select count(*) as n from events") == [{"n": 2}]
    assert leftovers(logs.lake) == []


def test_a_queue_is_followed_and_its_messages_survive_a_setback(logs: Trail) -> None:
    logs.put(key(0), [record(0)])
    time = Time()
    passes = following(f"s3://{BUCKET}", logs.lake, time, queue=logs.url)
    assert getattr(next(passes), "records_written", None) == 1
    logs.announce_by("direct")
    logs.put(key(1), [record(1)])

    def down(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith(key(1)):
            return s3_error("ExpiredToken", "The provided token has expired.", 400)
        return None

    logs.server.disturb.append(down)
    assert isinstance(next(passes), Setback)
    # They are held meanwhile: a redrive policy counts no further delivery.
    assert logs.left() == {"waiting": 0, "hidden": 2}
    logs.server.disturb.clear()
    found = next(passes)
    assert isinstance(found, IngestResult)
    assert found.messages_received == 2
    assert logs.left() == EMPTY
    # What was planned before the setback was finished first, so nothing was left to read.
    assert ask(logs.lake, "select count(*) as n from events") == [{"n": 2}]
    logs.put(key(2), [record(2)])
    assert getattr(next(passes), "records_written", None) == 1
    passes.close()  # type: ignore[attr-defined]
    assert leftovers(logs.lake) == []


def test_messages_are_given_back_when_it_is_stopped_in_a_pass(logs: Trail) -> None:
    logs.put(key(0), [record(0)])
    passes = following(f"s3://{BUCKET}", logs.lake, Time(), queue=logs.url)
    next(passes)
    logs.announce_by("direct")
    logs.put(key(1), [record(1)])

    def stop(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith(key(1)):
            return s3_error("ExpiredToken", "The provided token has expired.", 400)
        return None

    logs.server.disturb.append(stop)
    assert isinstance(next(passes), Setback)
    passes.close()  # type: ignore[attr-defined]
    assert logs.left() == {"waiting": 2, "hidden": 0}

"""Buckets that are listed again: nothing late is missed, and little is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app import ingest_relist
from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.lake import listings
from ctanalytics.lake.lake import Lake
from ctanalytics.records.object_key import log_key
from ctanalytics.settings import Aws, Ingest
from ctanalytics.sources.base import Notes, Selection
from ctanalytics.sources.s3 import S3Source
from ctanalytics.sources.s3_layout import Walker
from tests.app.ingesting import ask, settings
from tests.app.queueing import BUCKET, Trail
from tests.aws_server import Server, aws_server, s3_error
from tests.logs import key, record
from tests.sources.buckets import Bucket, organization

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def logs(server: Server, tmp_path: Path) -> Trail:
    return Trail(server, tmp_path / "lake")


def run(
    logs: Trail, now: dt.datetime = NOW, source: str = f"s3://{BUCKET}", **more: Any
) -> IngestResult:
    limits = {k: more.pop(k) for k in list(more) if k in Ingest.__struct_fields__}
    return ingest([source], str(logs.lake), settings=settings(**limits), now=now, **more)


def put(logs: Trail, number: int, stamp: dt.datetime, **parts: Any) -> str:
    """A file of one event with that number, in the folder of the day of its stamp."""
    values = {"account_id": "111122223333", "aws_region": "eu-west-1"} | parts
    name = log_key(delivered=stamp, unique=f"{number:016d}", **values)
    logs.put(name, [record(number)])
    return name


def count(logs: Trail) -> int:
    """Rows, each of another event."""
    (found,) = ask(
        logs.lake, "select count(*) as n, count(distinct event_id) as d from lake.events"
    )
    assert found["n"] == found["d"]
    return int(found["n"])


def test_first_the_last_weeks_are_taken_and_it_is_said(logs: Trail) -> None:
    put(logs, 1, NOW - 36 * DAY)
    put(logs, 2, NOW - 35 * DAY)
    result = run(logs)
    assert result.records_written == 1
    assert any("takes the last 35 days (from 2026-02-03)" in note for note in result.notes)


def test_later_only_today_and_yesterday_are_listed_with_one_request_a_folder(
    logs: Trail,
) -> None:
    for number in range(4):
        account = ("111122223333", "444455556666")[number % 2]
        region = ("eu-west-1", "us-east-1")[number // 2]
        for day in range(5):
            put(logs, 10 * number + day, NOW - day * DAY, account_id=account, aws_region=region)
    put(logs, 99, NOW, kind="insight")
    run(logs)
    put(logs, 100, NOW)
    result = run(logs, NOW + HOUR, walk_below=5)
    # Four folders of logs, and the only one of Insights that there is.
    assert result.list_requests == 4 + 1
    assert (result.objects_listed, result.records_written) == (4 * 2 + 1 + 1, 1)


def test_a_file_that_is_days_late_is_found_by_the_sweep_of_the_next_day(logs: Trail) -> None:
    put(logs, 1, NOW)
    run(logs)
    put(logs, 2, NOW - 31 * DAY)
    put(logs, 3, NOW - DAY)
    assert run(logs, NOW + HOUR).records_written == 1
    assert run(logs, NOW + 19 * HOUR).records_written == 0
    assert run(logs, NOW + 20 * HOUR).records_written == 1
    assert count(logs) == 3


def test_a_new_account_is_found_within_a_day_with_all_its_files(logs: Trail) -> None:
    put(logs, 1, NOW)
    run(logs)
    put(logs, 2, NOW + HOUR, account_id="444455556666")
    assert run(logs, NOW + 2 * HOUR, walk_below=1).records_written == 0
    assert run(logs, NOW + DAY, walk_below=1).records_written == 1
    put(logs, 3, NOW + DAY, account_id="444455556666")
    assert run(logs, NOW + DAY + HOUR, walk_below=1).records_written == 1


def test_in_a_small_organization_a_new_region_is_seen_at_once(logs: Trail) -> None:
    put(logs, 1, NOW)
    run(logs)
    put(logs, 2, NOW, aws_region="ap-southeast-7")
    put(logs, 3, NOW - 5 * DAY)
    result = run(logs, NOW + HOUR)
    assert result.records_written == 1  # and what is older waits for the sweep
    assert result.list_requests <= 7


def test_after_a_long_pause_no_day_is_missed(logs: Trail) -> None:
    put(logs, 1, NOW)
    run(logs)
    later = NOW + 60 * DAY
    put(logs, 2, NOW + HOUR)
    put(logs, 3, NOW - 32 * DAY)
    put(logs, 4, later)
    assert run(logs, later).records_written == 3


def test_what_is_before_the_chosen_beginning_is_never_taken(logs: Trail) -> None:
    put(logs, 1, NOW - 3 * DAY)
    put(logs, 2, NOW)
    run(logs, since=NOW - DAY)
    assert run(logs, NOW + DAY).records_written == 0
    # A nearer beginning is obeyed and changes nothing; a farther one is kept.
    assert run(logs, NOW + DAY, since=NOW).records_written == 0
    put(logs, 3, NOW - DAY)
    assert run(logs, NOW + 2 * DAY).records_written == 1
    assert run(logs, NOW + 2 * DAY, since=NOW - 4 * DAY).records_written == 1
    put(logs, 4, NOW - 4 * DAY)
    assert run(logs, NOW + 3 * DAY).records_written == 1


@pytest.mark.parametrize(
    "damage", [None, b"", b"{", b"[]", b'{"floor":"2026-03-10","swept_at":"2036-01-01T00:00:00Z"}']
)
def test_a_lost_memory_costs_requests_and_no_event(logs: Trail, damage: bytes | None) -> None:
    put(logs, 1, NOW - 20 * DAY)
    run(logs)
    store = Lake.open(str(logs.lake)).store
    (path,) = store.list("cache/")
    if damage is None:
        store.delete(path)
    else:
        store.write(path, damage)
    put(logs, 2, NOW - 20 * DAY)
    result = run(logs, NOW + HOUR)
    assert result.records_written == 1
    assert any("from 2026-02-18" in note for note in result.notes)
    assert count(logs) == 2
    assert run(logs, NOW + 2 * HOUR, walk_below=1).list_requests == 1


def test_an_object_that_was_denied_long_ago_is_tried_again_without_its_day_being_listed(
    logs: Trail,
) -> None:
    name = put(logs, 1, NOW)

    def deny(request, passed):  # type: ignore[no-untyped-def]
        return s3_error("AccessDenied", "no") if request.path.endswith(name) else None

    logs.server.disturb.append(deny)
    result = run(logs)
    assert (result.objects_deferred, result.complete) == (1, False)
    assert any("none of the 1 new objects may be read" in note for note in result.notes)
    assert run(logs, NOW + 39 * DAY).objects_deferred == 1
    logs.server.disturb.clear()
    # Its day lies 46 days before what the next sweep lists.
    result = run(logs, NOW + 78 * DAY)
    assert (result.objects_listed, result.records_written) == (1, 1)


def test_retry_takes_again_what_was_set_aside_on_days_that_are_not_listed(logs: Trail) -> None:
    name = put(logs, 1, NOW)
    good = logs.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    logs.s3.put_object(Bucket=BUCKET, Key=name, Body=good[:-9])
    assert run(logs).objects_quarantined == 1
    run(logs, NOW + 40 * DAY)
    run(logs, NOW + 80 * DAY)
    assert run(logs, NOW + 80 * DAY, retry=True).objects_quarantined == 1


def test_a_bucket_without_dates_is_listed_whole_each_time(logs: Trail) -> None:
    logs.put("exports/one.json.gz", [record(1)])
    run(logs)
    logs.put("exports/two.json.gz", [record(2)])
    assert run(logs, NOW + HOUR).records_written == 1


def test_an_end_that_is_named_is_obeyed_and_not_remembered(logs: Trail) -> None:
    put(logs, 1, NOW - 40 * DAY)
    put(logs, 2, NOW)
    span = {"since": NOW - 41 * DAY, "until": NOW - 39 * DAY, "delivery_slack_days": 0}
    assert run(logs, **span).records_written == 1
    assert list(Lake.open(str(logs.lake)).store.list("cache/")) == []


def test_why_nothing_came_is_said(logs: Trail) -> None:
    put(logs, 1, NOW - 50 * DAY)
    (first, second) = run(logs).notes
    assert "takes the last 35 days" in first
    assert "holds objects, but none of the chosen days" in second
    assert "2026/01/19" in second
    for number in range(3):
        logs.s3.put_object(Bucket=BUCKET, Key=key(number), Body=b"{}", StorageClass="DEEP_ARCHIVE")
    result = run(logs, NOW + DAY)
    assert (result.objects_archived, result.complete) == (3, True)
    assert any("--restore" in note for note in result.notes)
    again = run(logs, NOW + DAY + HOUR, since=NOW - 20 * DAY)
    assert (again.objects_archived, again.objects_skipped) == (3, 0)


def test_a_choice_of_accounts_has_a_memory_of_its_own(logs: Trail) -> None:
    put(logs, 1, NOW - 5 * DAY)
    put(logs, 2, NOW - 5 * DAY, account_id="444455556666")
    run(logs, accounts=["444455556666"])
    assert run(logs).records_written == 1
    assert len(list(Lake.open(str(logs.lake)).store.list("cache/"))) == 2


def again(bucket: Bucket, prefixes: tuple[str, ...]) -> int:
    """LIST requests of a steady pass: none to look for folders, one for each stretch."""
    before = bucket.looks
    with ThreadPoolExecutor(4) as pool:
        walker = Walker(bucket.look, pool, Selection(since=NOW - DAY), Notes())
        leaves = walker.again(prefixes)
    assert all(leaf.start_after.endswith("2026/03/09") for leaf in leaves)
    return bucket.looks - before + len(leaves)


@pytest.mark.parametrize(
    ("insights", "limit"),
    [
        pytest.param(0, 6_800, id="no-insights"),
        pytest.param(40, 6_800 + 40 * 17, id="insights-in-40-accounts"),
        pytest.param(400, 13_600, id="insights-everywhere"),
    ],
)
def test_a_steady_pass_over_400_accounts_and_17_regions_takes_less_than_14000_lists(
    insights: int, limit: int
) -> None:
    bucket = organization(400, insights=insights)
    layout = bucket.layout("", Selection(since=NOW - 35 * DAY))
    assert again(bucket, tuple(leaf.prefix for leaf in layout.leaves)) == limit
    assert limit <= 14_000


def test_the_decision_is_the_same_for_the_same_memory(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    source = S3Source(f"s3://{BUCKET}", BUCKET, "", Aws())
    path = listings.path(source.name, (), ())
    known = listings.Listing(floor=dt.date(2026, 1, 1), swept_at=NOW, prefixes=("AWSLogs/x/",))
    listings.remember(lake, path, known)
    limits = Ingest()

    def decided(
        hours: float, since: dt.datetime | None = None, **more: Any
    ) -> tuple[bool, dt.date | None]:
        at = NOW + hours * HOUR
        how = ingest_relist.decide(source, lake, Selection(since=since), limits, at, **more)
        return how.is_hot, how.selection.first_day()

    assert decided(1) == (True, dt.date(2026, 3, 9))
    assert decided(13) == (True, dt.date(2026, 3, 10))
    assert decided(20) == (False, dt.date(2026, 2, 6))
    assert decided(24 * 300) == (False, dt.date(2026, 2, 6))
    assert decided(1, retry=True) == (False, dt.date(2026, 2, 6))
    # A day that is named is listed by an ingest, and only at first by one that follows.
    assert decided(1, NOW - 9 * DAY) == (False, dt.date(2026, 3, 1))
    assert decided(1, NOW - 9 * DAY, eager=False) == (True, dt.date(2026, 3, 9))
    assert decided(1, NOW - 90 * DAY, eager=False) == (False, dt.date(2025, 12, 10))

"""Event history through a whole ingest: each event once, beside the copies of a bucket."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.errors import SourceDenied, SourceError
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES
from ctanalytics.sources import lookup
from tests.app.ingesting import ask, leftovers, run
from tests.aws_server import ACCOUNT, REGION, Server, aws_server
from tests.event_history import History
from tests.lake.decoding import INSIGHT
from tests.logs import START, event_id, record, write

NOW = START + dt.timedelta(hours=6)
ROWS = "* exclude (source_object, source_row, plan_id)"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def history(server: Server, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.setattr(lookup, "_SPACING", 0.0)
    made = History()
    server.disturb.append(made.answer)
    return made


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def take(lake: Path, *, now: dt.datetime = NOW, **more: Any) -> Any:
    return run(lookup.NAME, lake, now=now, **{"regions": [REGION]} | more)


def test_events_come_once_and_a_second_time_only_what_is_new(history: History, lake: Path) -> None:
    history.add(record(number) for number in range(170))
    first = take(lake)
    assert (first.records_written, first.records_duplicate) == (170, 0)
    assert first.complete
    assert leftovers(lake) == []
    asked = len(history.requests)
    history.add([record(3_600 * 7)])
    second = take(lake, now=NOW + dt.timedelta(hours=2))
    assert (second.records_read, second.records_written) == (1, 1)
    new = history.requests[asked:]
    assert len(new) == 2  # management and insight
    since = {request.get("EventCategory"): request["StartTime"] for _, request in new}
    assert 0 <= since[None] - (NOW - dt.timedelta(minutes=30)).timestamp() < 60
    # Seconds pass while regions are asked.
    assert 0 <= since["insight"] - (NOW - dt.timedelta(hours=36)).timestamp() < 60


def test_a_late_event_is_found_and_what_is_asked_again_is_no_second_event(
    history: History, lake: Path
) -> None:
    minutes = 5 * 60 + 50
    history.add([record(60 * minutes)])
    assert take(lake).records_written == 1
    history.add([record(60 * minutes - 300)])
    again = take(lake, now=NOW + dt.timedelta(minutes=5))
    assert (again.records_written, again.records_duplicate) == (1, 1)


@pytest.mark.parametrize("first", ["history", "bucket"])
def test_a_copy_of_event_history_is_equal_to_that_of_a_bucket(
    history: History, lake: Path, tmp_path: Path, first: str
) -> None:
    kinds: list[dict[str, Any]] = [
        record(1),
        record(2, errorCode="AccessDenied", errorMessage='a "quoted" text\n'),
        record(3, requestParameters={"a": [1, 2.50, None, "ü\u2028"]}, resources=[{"ARN": "x"}]),
        record(4, readOnly=False, sessionCredentialFromConsole="true", newField={"b": 1}),
        record(5, addendum={"reason": "DELIVERY_DELAY", "updatedFields": ""}),
        record(6, sharedEventID="5", vpcEndpointId="vpce-1", apiVersion=""),
    ]
    # What a trail's record may have and event history has not.
    in_bucket = [found | {"eventContext": {"requestContext": {"a": 1}}} for found in kinds]
    write(tmp_path / "logs" / "a.json.gz", in_bucket)
    history.add(kinds)
    both = [lambda: take(lake), lambda: run(tmp_path / "logs", lake)]
    one, other = both if first == "history" else reversed(both)
    assert one().records_written == 6
    second = other()
    assert (second.records_written, second.records_duplicate) == (0, 6)
    assert ask(lake, "select count(*) as n from lake.event_conflicts") == [{"n": 0}]
    # Event history is no second trail, and no copy costs anything.
    assert ask(lake, "select * from duplicate_trails") == []
    assert ask(lake, "select sum(duplicate_usd) as usd from ingest_health") == [{"usd": 0.0}]
    alone = tmp_path / "alone"
    run(tmp_path / "logs", alone)
    sql = f"select {ROWS[:-1]}, event_context) from events order by event_id"
    assert ask(lake, sql) == ask(alone, sql)


def test_another_text_of_the_same_event_is_still_a_conflict(history: History, lake: Path) -> None:
    history.add([record(1), record(1, userAgent="another")])
    assert take(lake).rows_by_table["event_conflicts"] == 1


def test_insights_have_their_table(history: History, lake: Path) -> None:
    history.add([INSIGHT | {"eventSource": "x", "eventName": "y"}], category="insight")
    assert take(lake).rows_by_table == {"aws_insights": 1, "log_files": 2}


def test_an_interrupted_reading_goes_on_where_it_stopped(
    history: History, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctanalytics.app import ingest_lookup

    monkeypatch.setattr(lookup, "_CHUNK_PAGES", 1)
    monkeypatch.setattr(ingest_lookup, "_PLAN_SECONDS", 0.0)
    history.add(record(number) for number in range(500))
    history.fails_after = 6
    with pytest.raises(SourceError, match="the test stops here"):
        take(lake)
    known = ask(lake, "select count(*) as n from events")[0]["n"]
    assert known >= 200
    history.fails_after = None
    history.requests.clear()
    done = take(lake)
    assert ask(lake, "select count(distinct event_id) as n, count(*) as m from events") == [
        {"n": 500, "m": 500}
    ]
    assert done.records_written == 500 - known
    assert done.records_duplicate <= 50
    assert len(history.requests) <= 9


def test_what_was_fetched_is_finished_by_an_ingest_of_another_source(
    history: History, lake: Path, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    class Executor:
        def map(self, function: Any, parts: Any) -> Iterator[Any]:
            raise Killed

    history.add(record(number) for number in range(10))
    with pytest.raises(Killed):
        take(lake, executor=Executor())
    history.denied = {REGION}
    write(tmp_path / "logs" / "a.json.gz", [record(99)])
    assert run(tmp_path / "logs", lake).records_written == 1
    found = ask(lake, "select event_id from events order by event_id")
    assert [row["event_id"] for row in found] == [event_id(n) for n in [*range(10), 99]]
    assert leftovers(lake) == []


def test_payloads_are_gone_when_their_plan_is_done(history: History, lake: Path) -> None:
    history.add([record(1)])
    take(lake)
    here = Lake.open(str(lake))
    assert list(here.store.list("staging/")) == []
    assert {here.ingest_version(name) for name in INGEST_TABLES} == {1}


def test_since_until_and_regions_choose_exactly(history: History, lake: Path) -> None:
    second = dt.timedelta(seconds=1)
    history.add(record(number) for number in range(10))
    history.add((record(number + 100) for number in range(10)), region="eu-central-1")
    take(lake, since=START + 2 * second, until=START + 5 * second)
    found = ask(lake, "select event_id from events order by event_id")
    assert [row["event_id"] for row in found] == [event_id(n) for n in (2, 3, 4)]
    rest = take(lake)
    assert (rest.records_written, rest.records_duplicate) == (7, 0)
    assert take(lake, regions=["eu-central-1", REGION]).records_written == 10


def test_all_enabled_regions_are_read_when_none_is_named(history: History, lake: Path) -> None:
    history.add([record(1)])
    history.add([record(2)], region="ap-southeast-2")
    assert take(lake, regions=()).records_written == 2


def test_history_of_another_account_is_not_taken(history: History, lake: Path) -> None:
    history.add([record(1)])
    result = take(lake, accounts=["999999999999"])
    assert result.objects_listed == 0
    assert any(f"belong to account {ACCOUNT}" in note for note in result.notes)
    assert history.requests == []


def test_a_dry_run_tells_what_would_be_asked(history: History, lake: Path) -> None:
    history.add([record(1)])
    result = take(lake, dry_run=True)
    assert history.requests == []
    assert any(f"management events of {REGION}" in note for note in result.notes)


def test_a_refusal_names_the_grant(history: History, lake: Path) -> None:
    history.denied = {REGION}
    with pytest.raises(SourceDenied) as refused:
        take(lake)
    assert "cloudtrail:LookupEvents" in refused.value.what


def test_the_ledger_has_a_row_for_what_was_read(history: History, lake: Path) -> None:
    history.add([record(1)])
    take(lake)
    columns = "bucket, key, account_id, aws_region, records"
    (row,) = ask(lake, f"select {columns} from ingest_files where records > 0")
    assert row["bucket"] == "lookup-events"
    assert row["key"].startswith(f"{ACCOUNT}/CloudTrail/{REGION}/2026/03/01/20251201T140000Z_")
    assert (row["account_id"], row["aws_region"], row["records"]) == (ACCOUNT, REGION, 1)

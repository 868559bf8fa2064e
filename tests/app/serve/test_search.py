from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from ctanalytics.app.serve.fields import Fields
from ctanalytics.app.serve.search import ROWS, Search, filled, find, search_of
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from tests import builders

SINCE = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
UNTIL = SINCE + dt.timedelta(days=1)
DORA = "arn:aws:iam::111122223333:user/dora"


def call(number: int, **columns: object) -> dict[str, object]:
    given = {
        "event_id": f"e{number:03}",
        "principal_arn": DORA,
        "source_ip_address": "198.51.100.1",
    } | columns
    return builders.event(SINCE + dt.timedelta(minutes=number), **given)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = [
        call(-1),  # the minute before
        call(0, event_source="s3.amazonaws.com", event_name="GetObject"),
        call(1, event_source="s3.amazonaws.com", event_name="Get_Object", read_only=False),
        call(2, source_ip_address="203.0.113.9", error_code="AccessDenied", is_error=True),
        call(3, source_ip_address="203.0.1.9", error_code="UnauthorizedOperation", is_error=True),
        call(4, account_id="444455556666", aws_region="us-east-1"),
        call(5, session_name="Nightly%Job", access_key_id="ASIAEXAMPLEKEY000000"),
        call(6, principal_arn=None, actor="config.amazonaws.com"),
        call(24 * 60),  # the minute after
    ]
    made = Lake.create(tmp_path_factory.mktemp("search") / "lake")
    made.append("events", pa.Table.from_pylist(rows, builders.SCHEMAS["events"]))
    return made


def ids(lake: Lake, **wanted: object) -> list[str]:
    found = find(lake, Search(SINCE, UNTIL, **wanted))  # type: ignore[arg-type]
    assert found.events == len(found.rows)
    return [row["event_id"] for row in found.rows]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param({}, "6543210", id="a-span-without-its-end-newest-first"),
        pytest.param({"api": "getobject"}, "0", id="underscore-is-no-wildcard"),
        pytest.param({"api": "Get*Object"}, "10", id="a-star-is-one"),
        pytest.param({"api": "s3:*"}, "10", id="a-service"),
        pytest.param({"api": "s3:GetObject"}, "0", id="an-api-of-a-service"),
        pytest.param({"api": "ec2:GetObject"}, "", id="of-another-service"),
        pytest.param({"api": "s3.amazonaws.com:GetObject"}, "0", id="a-whole-source"),
        pytest.param({"ip": "203.0.113.9"}, "2", id="an-address"),
        pytest.param({"ip": "203.0.113.0/24"}, "2", id="a-network"),
        pytest.param({"ip": "203.0.0.0/16"}, "32", id="a-larger-network"),
        pytest.param({"error": "*denied*"}, "2", id="an-error-in-any-case"),
        pytest.param({"error": "*"}, "32", id="any-error"),
        pytest.param({"account": "444455556666"}, "4", id="an-account"),
        pytest.param({"region": "us-east-1"}, "4", id="a-region"),
        pytest.param({"kind": "writes"}, "1", id="writes"),
        pytest.param({"principal": "user/DORA"}, "543210", id="a-part-of-an-arn"),
        pytest.param({"principal": "*/dora"}, "543210", id="the-end-of-an-arn"),
        pytest.param({"principal": "dora*"}, "", id="not-the-beginning"),
        pytest.param({"principal": "y%j"}, "5", id="percent-is-no-wildcard"),
        pytest.param({"principal": "ASIAEXAMPLEKEY000000"}, "5", id="an-access-key"),
        pytest.param({"principal": "config.amazonaws.com"}, "6", id="a-service-that-acts"),
        pytest.param({"principal": "' or 1=1 --"}, "", id="sql-is-text"),
        pytest.param({"error": "\\"}, "", id="a-backslash-is-text"),
    ],
)
def test_what_is_looked_for_is_found(lake: Lake, wanted: dict[str, str], found: str) -> None:
    assert ids(lake, **wanted) == [f"e00{number}" for number in found]


def test_pages_go_on_where_the_last_ended_and_count_all(lake: Lake) -> None:
    found = find(lake, Search(SINCE, UNTIL, skip=5))
    assert [row["event_id"] for row in found.rows] == ["e001", "e000"]
    assert (found.events, found.failed) == (7, 2)


def test_a_page_beyond_the_last_still_counts(lake: Lake) -> None:
    found = find(lake, Search(SINCE, UNTIL, skip=ROWS))
    assert (found.rows, found.events) == ([], 7)


def test_steps_without_events_are_there_as_zero(lake: Lake) -> None:
    wanted = Search(SINCE - dt.timedelta(hours=1), UNTIL)
    steps = filled(find(lake, wanted).steps, wanted)
    assert wanted.step_seconds == 900
    assert len(steps) == 100
    assert list(steps.values())[3:5] == [(1, 0), (7, 2)]
    assert sum(calls for calls, _ in steps.values()) == 8


def read(query: str, zone: dt.tzinfo = dt.UTC) -> Search:
    return search_of(Fields(query, zone), newest=SINCE + dt.timedelta(hours=9, seconds=5))


def test_without_times_it_is_the_day_up_to_the_newest_event() -> None:
    found = read("api=GetObject&ip=")
    assert found.until == SINCE + dt.timedelta(hours=9, minutes=1)
    assert found.since == found.until - dt.timedelta(days=1)
    assert (found.api, found.ip) == ("GetObject", None)


def test_times_without_an_offset_are_of_the_reports_zone() -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    found = read("since=2026-11-10T09:00&until=2026-11-10T02:00:00Z", tokyo)
    assert (found.since, found.until) == (SINCE, SINCE + dt.timedelta(hours=2))


def test_a_link_leads_to_the_same_search() -> None:
    found = read("principal=*%2Fdora&kind=reads&skip=50&since=2026-11-10T01:02:03.000004")
    query = "&".join(
        f"{name}={value.replace('*', '%2A')}" for name, value in found.fields().items()
    )
    assert read(query.replace("+", "%2B")) == found
    assert "skip" not in found.fields(skip=None)


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-11-10&until=2026-11-10",
        "until=0001-01-01T00:00:00%2B10:00",
        "skip=-1",
        "skip=100001",
        "skip=1e3",
        "skip=%D9%A1",
        "kind=deletes",
        "ip=203.0.113.0/25",
        "ip=a/24",
        "api=:GetObject",
        "principal=" + "x" * 2_001,
        "principal=%ff",
        "&".join(f"a{number}=1" for number in range(41)),
    ],
)
def test_fields_that_make_no_sense_are_refused(lake: Lake, query: str) -> None:
    with pytest.raises(UsageError):
        find(lake, read(query))

"""Event history as a source: what is asked, at which pace, and what is made of the answers."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.wrappers import Response

from ctanalytics.errors import SourceDenied, SourceError
from ctanalytics.records import object_key
from ctanalytics.settings import Aws
from ctanalytics.sources import lookup
from ctanalytics.sources.lookup import Chunk, LookupSource, Span, covered, gaps
from tests.aws_server import ACCOUNT, REGION, Server, aws_server
from tests.event_history import History
from tests.logs import START, event_id, record

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
NOW = START + DAY
WHOLE = Span(ACCOUNT, REGION, "management", START - DAY, NOW)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def history(server: Server) -> History:
    made = History()
    server.disturb.append(made.answer)
    return made


def source(spacing: float = 0.0) -> LookupSource:
    return LookupSource(Aws(), spacing=spacing, sleep=lambda seconds: None)


def chunks(*spans: Span, asked: LookupSource | None = None) -> list[Chunk]:
    return list((asked or source()).chunks(spans, lambda: NOW))


def records(found: list[Chunk]) -> list[dict[str, Any]]:
    return [
        event for chunk in found for event in json.loads(gzip.decompress(chunk.data))["Records"]
    ]


def test_all_pages_of_a_span_come_as_log_files(history: History) -> None:
    history.add(record(number) for number in range(120))
    found = chunks(WHOLE)
    assert [chunk.span for chunk in found] == [WHOLE]
    assert [chunk.events for chunk in found] == [120]
    assert [event["eventID"] for event in records(found)] == [
        event_id(number) for number in reversed(range(120))
    ]
    assert len(history.requests) == 3
    assert all(asked["MaxResults"] == 50 for _, asked in history.requests)


def test_both_ends_of_a_span_are_exact(history: History) -> None:
    history.add(record(number) for number in range(10))
    second = dt.timedelta(seconds=1)
    span = Span(ACCOUNT, REGION, "management", START + 3 * second, START + 7 * second)
    assert sorted(event["requestID"] for event in records(chunks(span))) == ["r3", "r4", "r5", "r6"]


def test_a_records_text_is_kept_byte_for_byte(history: History) -> None:
    odd = json.dumps(record(1), indent=2) + " "
    history.add([record(1)], CloudTrailEvent=odd)
    (found,) = chunks(WHOLE)
    assert odd.encode() in gzip.decompress(found.data)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":1},{"eventID":"forged"}', id="two-records"),
        pytest.param("not json", id="no-json"),
        pytest.param('{"a":"\\ud800"}', id="half-a-surrogate"),
        pytest.param("[]", id="no-object"),
        pytest.param(None, id="nothing"),
    ],
)
def test_an_event_that_is_no_json_object_can_not_be_taken_for_more(
    history: History, text: str | None
) -> None:
    history.add([record(1)])
    history.add([record(2)], CloudTrailEvent=text)
    found = records(chunks(WHOLE))
    assert found[0]["CloudTrailEvent"] == text
    assert found[0]["EventId"] == event_id(2)
    assert found[1] == record(1)


def test_long_histories_come_in_chunks_that_divide_no_second(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_CHUNK_PAGES", 2)
    # Seven events a second, so that pages end within seconds.
    history.add(record(number // 7, eventID=event_id(number)) for number in range(700))
    found = chunks(WHOLE)
    assert len(found) > 3
    assert {event["eventID"] for event in records(found)} == set(map(event_id, range(700)))
    spans = [(chunk.span.since, chunk.span.until) for chunk in found]
    assert spans[0][1] == WHOLE.until
    assert spans[-1][0] == WHOLE.since
    assert all(later[0] == earlier[1] for later, earlier in pairwise(spans))
    for chunk in found:
        times = [event["eventTime"] for event in records([chunk])]
        inside = [t for t in times if t >= f"{chunk.span.since:%Y-%m-%dT%H:%M:%SZ}"]
        # What is read of the second before belongs to the next chunk, and comes there again or not.
        assert len(inside) >= len(times) - 7


def test_more_events_in_one_second_than_a_chunk_holds_are_one_chunk(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_CHUNK_PAGES", 1)
    history.add(record(0, eventID=event_id(number)) for number in range(400))
    span = Span(ACCOUNT, REGION, "management", START, START + dt.timedelta(seconds=1))
    assert [chunk.events for chunk in chunks(span)] == [400]


def test_a_stale_token_is_gone_around(history: History) -> None:
    history.add(record(number) for number in range(170))
    history.stale_tokens = 2
    assert {event["eventID"] for event in records(chunks(WHOLE))} == set(map(event_id, range(170)))


def test_insights_are_asked_for_by_their_category(history: History) -> None:
    history.add([record(1)], category="insight")
    span = Span(ACCOUNT, REGION, "insight", WHOLE.since, WHOLE.until)
    (found,) = chunks(span)
    assert found.events == 1
    assert object_key.parse(found.key).kind == "insight"


def test_throttled_requests_are_repeated(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # botocore's own pauses
    history.add([record(1)])
    history.throttled[REGION] = 12
    waits: list[float] = []
    asked = LookupSource(Aws(), spacing=0.0, sleep=waits.append)
    assert len(records(chunks(WHOLE, asked=asked))) == 1
    assert waits == [2.0]


def test_requests_to_a_region_keep_their_distance(history: History) -> None:
    history.add(record(number) for number in range(200))
    waits: list[float] = []
    asked = LookupSource(Aws(), sleep=waits.append)
    chunks(WHOLE, asked=asked)
    assert len(history.requests) == asked.asked == 4
    # The time of the requests themselves counts, so that the waits are a little shorter.
    assert 0.7 < sum(waits) / (0.5 + 1.0 + 1.5) <= 1.0


def test_regions_are_asked_at_the_same_time_and_a_closed_one_costs_no_other(
    history: History,
) -> None:
    regions = [REGION, "eu-central-1", "us-gov-west-1"]
    for number, region in enumerate(regions):
        history.add([record(number)], region=region)
    history.denied = {"eu-central-1"}
    asked = source()
    spans = [Span(ACCOUNT, name, "management", WHOLE.since, WHOLE.until) for name in regions]
    found = chunks(*spans, asked=asked)
    assert {chunk.span.aws_region for chunk in found} == {REGION, "us-gov-west-1"}
    assert "eu-central-1 was not read" in asked.notes.texts[0]
    assert "cloudtrail:LookupEvents" in asked.notes.texts[0]
    history.denied = set(regions)
    with pytest.raises(SourceDenied):
        chunks(*spans)


def test_another_error_ends_the_reading_with_its_reason(history: History) -> None:
    history.add(record(number) for number in range(200))
    history.fails_after = 2
    with pytest.raises(SourceError, match="the test stops here"):
        chunks(WHOLE)


def test_a_reader_that_stops_early_leaves_no_thread(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_CHUNK_PAGES", 1)
    history.add(record(number) for number in range(3_000))
    coming = source().chunks([WHOLE], lambda: NOW)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert len(history.requests) < 60


def test_the_account_and_its_enabled_regions_are_asked_for(server: Server) -> None:
    asked = source()
    assert asked.account() == ACCOUNT
    assert {REGION, "us-east-1"} <= set(asked.regions())


def test_where_regions_can_not_be_asked_for_the_own_one_is_read(server: Server) -> None:
    refusal = (
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
        "</Errors><RequestID>0</RequestID></Response>"
    )
    server.disturb.append(
        lambda request, passed: (
            Response(refusal, 403, content_type="text/xml")
            if b"DescribeRegions" in request.get_data()
            else None
        )
    )
    asked = source()
    assert asked.regions() == (REGION,)
    assert "ec2:DescribeRegions" in asked.notes.texts[0]


def test_a_key_reads_as_a_log_files_and_tells_what_it_covers() -> None:
    chunk = Chunk(WHOLE, NOW, b"", 0)
    parsed = object_key.parse(chunk.key)
    assert (parsed.kind, parsed.account_id, parsed.aws_region) == ("log", ACCOUNT, REGION)
    assert parsed.delivery_date == (NOW - dt.timedelta(seconds=1)).date()
    assert covered([chunk.key, "x/y", ""]) == {
        (ACCOUNT, REGION, "management"): [(WHOLE.since, NOW - 30 * MINUTE)]
    }


def test_what_is_younger_than_late_events_is_not_covered() -> None:
    young = Span(ACCOUNT, REGION, "management", NOW - 20 * MINUTE, NOW)
    assert covered([Chunk(young, NOW, b"", 1).key]) == {}
    assert covered([Chunk(young, NOW + DAY, b"", 1).key]) == {
        (ACCOUNT, REGION, "management"): [(young.since, young.until)]
    }


times = st.integers(0, 100).map(lambda minutes: START + minutes * MINUTE)


@given(
    known=st.lists(st.tuples(times, times).filter(lambda span: span[0] < span[1]), max_size=6),
    ends=st.tuples(times, times).filter(lambda span: span[0] < span[1]),
)
def test_gaps_and_what_is_known_are_the_whole_and_do_not_overlap(
    known: list[tuple[dt.datetime, dt.datetime]], ends: tuple[dt.datetime, dt.datetime]
) -> None:
    keys = [
        Chunk(Span(ACCOUNT, REGION, "management", *span), NOW + DAY, b"", 1).key for span in known
    ]
    joined = covered(keys).get((ACCOUNT, REGION, "management"), [])
    found = gaps(*ends, joined)

    def holds(spans: list[tuple[dt.datetime, dt.datetime]], minute: int) -> bool:
        return any(since <= START + minute * MINUTE < until for since, until in spans)

    for minute in range(101):
        inside = holds([ends], minute)
        assert holds(found, minute) == (inside and not holds(known, minute))

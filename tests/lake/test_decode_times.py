"""When an event was: times of every form, and those that can't be."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ctanalytics.records import schema
from tests.lake.decoding import (
    decode,
)
from tests.lake.decoding_rows import BOTH_WAYS, row_of
from tests.logs import START, document, key, record

TIMES = {
    "2026-03-01T08:00:00Z": START,
    "2026-03-01T08:00:00.123Z": START + dt.timedelta(milliseconds=123),
    "2026-03-01T08:00:00.123456789Z": START + dt.timedelta(microseconds=123_456),
    "2026-03-01T08:00:00": START,
    "2026-03-01 08:00:00": START,
    "2026-03-01T13:30:00+05:30": START,
    "2026-03-01T00:00:00-0800": START,
    "20260301T080000Z": START,
    "1772352000": START,
    "1772352000.5": START + dt.timedelta(milliseconds=500),
    "1772352000123": START + dt.timedelta(milliseconds=123),
}


@BOTH_WAYS
@pytest.mark.parametrize("text", TIMES)
def test_an_event_time_of_any_form_is_read(spoil: bool, text: str) -> None:
    row = row_of(spoil=spoil, eventTime=text)
    assert (row["event_time"], row["event_time_status"]) == (TIMES[text], "ok")
    assert row["event_date"] == START.date()
    assert (row["event_hour"], row["event_dow"]) == (8, 7)


@pytest.mark.parametrize("number", [1_772_352_000, 1_772_352_000.0, 1_772_352_000_000])
def test_an_event_time_that_is_a_number_is_read(number: float) -> None:
    assert row_of(eventTime=number)["event_time"] == START


def test_one_odd_time_in_a_chunk_changes_no_other() -> None:
    odd = record(2, eventTime="2026-03-01T08:00:02.5Z")
    found = decode(document([record(1), odd, record(3)])).decoded.events["event_time"].to_pylist()
    assert found == [START + dt.timedelta(seconds=seconds) for seconds in (1, 2.5, 3)]


@BOTH_WAYS
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30T08:00:00Z",
        "2026-13-01T08:00:00Z",
        "2026-03-01T24:00:01Z",
        "0000-01-01T00:00:00Z",
        "2026-03-01T08:00:60Z",
        "٢٠٢٦-03-01T08:00:00Z",
        "9" * 400,
        "²",
    ],
)
def test_a_time_that_can_not_be_read_is_missing_and_its_text_kept(spoil: bool, text: str) -> None:
    row = row_of(spoil=spoil, eventTime=text)
    assert (row["event_time"], row["event_time_status"]) == (None, "missing")
    assert (row["event_date"], row["event_hour"], row["event_dow"]) == (schema.UNDATED, None, None)
    assert json.loads(row["unknown_fields"]) == {"eventTime": text}


@pytest.mark.parametrize("value", [None, True, {"at": 1}, ["2026"]])
def test_a_record_without_a_time_is_a_row(value: Any) -> None:
    row = row_of(eventTime=value)
    assert (row["event_time"], row["event_time_status"]) == (None, "missing")


@pytest.mark.parametrize(
    ("text", "status", "date"),
    [
        ("2013-11-12T23:59:59Z", "past", schema.UNDATED),
        ("2013-11-13T00:00:00Z", "ok", dt.date(2013, 11, 13)),
        ("0001-01-01T00:00:00Z", "past", schema.UNDATED),
        ("2026-03-02T23:59:59Z", "ok", dt.date(2026, 3, 2)),
        ("2026-03-03T00:00:00Z", "future", schema.UNDATED),
        ("9999-12-31T23:59:59Z", "future", schema.UNDATED),
    ],
)
def test_a_time_that_can_not_be_is_kept_apart(text: str, status: str, date: dt.date) -> None:
    row = decode(document([record(1, eventTime=text)]), key(0), now=START + dt.timedelta(365)).event
    assert (row["event_time_status"], row["event_date"]) == (status, date)
    assert row["event_time"] is not None


def test_without_a_delivery_time_the_clock_tells_what_is_the_future() -> None:
    late = [record(1, eventTime="2026-03-09T00:00:00Z")]
    assert decode(document(late)).event["event_time_status"] == "future"
    found = decode(document(late), now=START + dt.timedelta(days=30)).event
    assert found["event_time_status"] == "ok"

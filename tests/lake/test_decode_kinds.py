"""What a record and a file are taken for, and what the ledger says became of them."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.lake.decode import Decoder, Outcome
from ctanalytics.lake.decode import decode as decode_alone
from ctanalytics.records import schema
from tests.lake.decoding import (
    INSIGHT,
    Result,
    decode,
    json_values,
)
from tests.lake.decoding_rows import BOTH_WAYS
from tests.logs import ACCOUNT, START, document, event_id, key, record


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("1.11", False),
        ("1.05", False),
        ("1.999", False),
        ("1", False),
        ("", False),
        ("x", False),
        (None, False),
        (1.08, False),
        ("2.0", True),
        ("2", True),
        ("10.1", True),
        ("0.9", True),
    ],
)
def test_only_a_new_major_version_is_set_aside(version: Any, refused: bool) -> None:
    result = decode(document([record(1), record(2, eventVersion=version), record(3)]))
    assert result.reasons == ["unknown_version"] * refused
    assert len(result.events) == 3 - refused
    if refused:
        (fault,) = result.faults
        assert (fault.bucket, fault.key, fault.record) == ("file", "logs/some.json", 1)
        assert fault.json_path == "$.eventVersion"
        assert fault.detail == f"eventVersion {version!r}: only major version 1 is known"
        assert json.loads(fault.content or b"")["eventID"] == event_id(2)


AGGREGATED = {
    "eventVersion": "1.0",
    "accountId": ACCOUNT,
    "eventId": event_id(902),
    "eventCategory": "Aggregated",
    "eventType": "AwsAggregatedEvent",
    "awsRegion": "eu-west-1",
    "eventSource": "s3.amazonaws.com",
    "timeWindow": {
        "windowStart": "2026-03-01T08:00:00Z",
        "windowEnd": "2026-03-01 08:05:00",
        "windowSize": "PT5M",
    },
    "summary": {"primaryDimension": {"dimension": "eventName", "statistics": []}, "details": []},
}


def test_kinds_of_records_are_told_apart_by_content_not_by_key() -> None:
    result = decode(document([record(1), INSIGHT, AGGREGATED, record(2)]), key(0))
    assert result.ids() == [event_id(1), event_id(2)]
    (insight,) = result.decoded.insights.to_pylist()
    (aggregated,) = result.decoded.aggregated.to_pylist()
    assert insight["record"] == json.dumps(INSIGHT, separators=(",", ":"))
    assert aggregated["record"] == json.dumps(AGGREGATED, separators=(",", ":"))
    assert [insight["source_row"], aggregated["source_row"]] == [1, 2]
    assert result.decoded.insights.schema == schema.INSIGHTS
    assert result.decoded.aggregated.schema == schema.AGGREGATED


def test_an_insights_event_has_its_numbers() -> None:
    (row,) = decode(document([INSIGHT]), key(kind="insight")).decoded.insights.to_pylist()
    assert (
        row.items()
        >= {
            "event_time": dt.datetime(2026, 3, 1, 8, 13, tzinfo=dt.UTC),
            "event_date": START.date(),
            "event_id": event_id(900),
            "shared_event_id": event_id(901),
            "account_id": ACCOUNT,
            "state": "End",
            "insight_type": "ApiErrorRateInsight",
            "event_name": "UpdateInstanceInformation",
            "error_code": "AccessDenied",
            "baseline_average": 1.742857142,
            "insight_average": 15.0,
            "insight_duration": 7,
            "baseline_duration": 10080,
        }.items()
    )


def test_an_aggregated_event_has_its_window_in_either_form_of_time() -> None:
    (row,) = decode(document([AGGREGATED])).decoded.aggregated.to_pylist()
    assert (row["window_start"], row["window_end"]) == (START, START + dt.timedelta(minutes=5))
    assert (row["event_id"], row["account_id"]) == (event_id(902), ACCOUNT)


@settings(max_examples=60)
@given(
    st.sampled_from([INSIGHT, AGGREGATED]),
    st.dictionaries(
        st.sampled_from(["insightDetails", "timeWindow", "summary", "eventTime", "eventID"]),
        json_values
        | st.fixed_dictionaries({"insightContext": json_values, "windowStart": json_values})
        | st.fixed_dictionaries(
            {"insightContext": st.fixed_dictionaries({"statistics": json_values})}
        ),
    ),
)
@example(
    INSIGHT,
    {"insightDetails": {"insightContext": {"statistics": {"insightDuration": 10**400}}}},
)
def test_an_insights_or_aggregated_event_of_any_content_is_a_row(
    base: dict[str, Any], fields: dict[str, Any]
) -> None:
    result = decode(document([record(1), base | fields]))
    assert result.outcome.state == "ingested"
    assert result.decoded.insights.num_rows + result.decoded.aggregated.num_rows == 1


@pytest.mark.parametrize("missing", [None, ""], ids=["absent", "empty"])
def test_a_record_without_an_id_is_known_by_its_bytes(missing: str | None) -> None:
    first = {name: value for name, value in record(1).items() if name != "eventID"}
    if missing is not None:
        first["eventID"] = missing
    rows = decode(document([first, first | {"eventName": "PutObject"}, first])).events
    digests = [row["record_sha256"] for row in rows]
    assert digests[0] == digests[2] != digests[1]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert [row["event_id"] for row in rows] == [missing] * 3


def test_the_hash_is_of_the_uncompressed_content_as_digests_have_it() -> None:
    content = document([record(1)])
    assert decode(gzip.compress(content)).outcome.sha256 == decode(content).outcome.sha256


@pytest.mark.parametrize("kind", ["log", "insight", "network_activity", "aggregated"])
@pytest.mark.parametrize("spoil", [False, True])
def test_the_ledger_names_the_kind_of_file_whichever_way_it_was_read(
    kind: str, spoil: bool
) -> None:
    content = {
        "log": record(1),
        "insight": INSIGHT,
        "network_activity": record(1, eventCategory="NetworkActivity", eventType="AwsVpceEvent"),
        "aggregated": AGGREGATED,
    }[kind]
    odd = content | {"eventSource": 5}
    result = decode(document([content] + [odd] * spoil), key(kind=kind))
    assert result.outcome.kind == kind


@pytest.mark.parametrize("kind", ["insight", "aggregated", "config"])
@BOTH_WAYS
def test_a_file_of_events_under_another_kinds_key_is_a_log(kind: str, spoil: bool) -> None:
    odd = record(2) | {"eventSource": 5}
    result = decode(document([record(1)] + [odd] * spoil), key(kind=kind))
    assert (result.outcome.kind, result.outcome.state) == ("log", "ingested")
    assert len(result.events) == 1 + spoil


class Fast(Decoder):
    """Reads files in one parse, or not at all."""

    def _slow(self, *_: Any) -> Outcome:
        raise AssertionError("an ordinary file was read record by record")


def test_an_ordinary_file_is_read_in_one_parse_whatever_its_alphabet() -> None:
    decoder = Fast()
    for number, agent in enumerate(("aws-cli/2.31.0", "агент ü€😀")):
        text = json.dumps({"Records": [record(number, userAgent=agent)]}, ensure_ascii=False)
        decoder.add("file", key(number), text.encode())
    assert len(decoder.finish().events) == 2


def test_decoding_is_usable_alone() -> None:
    found = decode_alone(gzip.compress(document([record(1)])), key=key(0))
    assert found.events["event_id"].to_pylist() == [event_id(1)]
    assert found.events["source_object"].to_pylist() == [f"file/{key(0)}"]
    assert found.events.schema == schema.EVENTS
    assert decode_alone(document([record(1)])).events["source_object"].to_pylist() == ["file/"]


@BOTH_WAYS
@pytest.mark.parametrize(
    ("fields", "insight"),
    [
        ({"eventCategory": "Insight"}, True),
        ({"eventType": "AwsCloudTrailInsight"}, True),
        ({"eventCategory": "Aggregated"}, False),
        ({"eventType": "AwsAggregatedEvent"}, False),
    ],
)
def test_category_or_type_alone_tells_the_kind(
    spoil: bool, fields: dict[str, Any], insight: bool
) -> None:
    odd = [{"eventName": 5, "eventID": "odd"}] * spoil
    lone = {"recipientAccountId": None, "awsRegion": None}
    result = decode(document([record(1, **fields, **lone), *odd]), key(0))
    rows = (result.decoded.insights if insight else result.decoded.aggregated).to_pylist()
    assert [(row["account_id"], row["aws_region"]) for row in rows] == [(ACCOUNT, "eu-west-1")]
    assert [(row["source_object"], row["source_row"]) for row in rows] == [(f"file/{key(0)}", 0)]
    assert rows[0]["plan_id"] == 0


def told(result: Result) -> tuple[Any, ...]:
    found = result.outcome
    return found.kind, found.state, found.reason, found.records, found.records_quarantined


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (document([record(1)]), "x", ("log", "ingested", None, 1, 0)),
        (document([]), "x", ("log", "empty", None, 0, 0)),
        (document([]), key(kind="insight"), ("insight", "empty", None, 0, 0)),
        (
            document([record(1), record(2, eventVersion="2.0"), record(3)]),
            key(0),
            ("log", "partial", "1 of 3 records are set aside", 3, 1),
        ),
        (
            document([record(1, eventVersion="2.0")] * 2),
            key(0),
            ("log", "quarantined", "2 of 2 records are set aside", 2, 2),
        ),
        (
            b'{"digestStartTime":"a","logFiles":[]}',
            "x",
            ("digest", "skipped", "a digest file holds no events", 0, 0),
        ),
        (
            document([record(1)]),
            key(0).replace("CloudTrail", "CloudTrail-Digest"),
            ("digest", "skipped", "a digest file holds no events", 0, 0),
        ),
        (
            b"# what lies here\n",
            "logs/README.md",
            ("companion", "skipped", "a companion file holds no events", 0, 0),
        ),
        (
            b'{"hashSignature":"a","files":[]}',
            "x",
            ("companion", "skipped", "a companion file holds no events", 0, 0),
        ),
        (
            b'{"configurationItems":{}}',
            "x",
            ("config", "skipped", "a config file holds no events", 0, 0),
        ),
    ],
)
def test_the_ledger_says_what_became_of_a_file(
    content: bytes, name: str, expected: tuple[Any, ...]
) -> None:
    result = decode(gzip.compress(content), name)
    assert told(result) == expected
    assert result.outcome.bytes_decompressed == len(content)
    assert result.outcome.sha256 == hashlib.sha256(content).hexdigest()
    assert {(fault.bucket, fault.key) for fault in result.faults} <= {("file", name)}

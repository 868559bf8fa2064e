"""Every wrapping in which records occur, told by content alone."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest

from ctanalytics.lake import containers
from tests.lake.decoding import decode
from tests.logs import document, event_id, record

TWO = [record(1), record(2)]
BOTH = [event_id(1), event_id(2)]


def text(found: Any) -> str:
    return json.dumps(found)


def lookup(found: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An entry of a LookupEvents reply."""
    return {
        "EventId": found["eventID"],
        "EventTime": 1772352001.0,
        "ReadOnly": "true",
        "Resources": [],
        "CloudTrailEvent": text(found),
    } | fields


def envelope(found: dict[str, Any]) -> dict[str, Any]:
    """An EventBridge event."""
    return {
        "version": "0",
        "id": "12345678-0000-4000-8000-000000000000",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-03-01T08:00:01Z",
        "resources": [],
        "detail": found,
    }


def subscription(*messages: str, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    """What CloudWatch Logs hands to a subscriber."""
    return {
        "messageType": kind,
        "owner": "111122223333",
        "logGroup": "trail",
        "logStream": "111122223333_CloudTrail_eu-west-1",
        "subscriptionFilters": ["all"],
        "logEvents": [{"id": "1", "timestamp": 1, "message": message} for message in messages],
    }


WRAPPED = {
    "records": document(TWO),
    "records-indented": json.dumps({"Records": TWO}, indent=2).encode(),
    "records-and-other-keys": text({"Records": TWO, "more": 1}).encode(),
    "byte-order-mark": b"\xef\xbb\xbf" + document(TWO),
    "blanks-around": b"\n \t" + document(TWO) + b"\r\n",
    "list": text(TWO).encode(),
    "list-of-files": text([{"Records": TWO[:1]}, {"Records": TWO[1:]}]).encode(),
    "lines": "\n".join(map(text, TWO)).encode(),
    "lines-with-carriage-returns": "\r\n".join(map(text, TWO)).encode() + b"\r\n\r\n",
    "lines-of-files": b"\n".join([document(TWO[:1]), document(TWO[1:])]),
    "eventbridge-list": text([envelope(found) for found in TWO]).encode(),
    "eventbridge-lines": "\n".join(text(envelope(found)) for found in TWO).encode(),
    "lookup-events": text({"Events": [lookup(found) for found in TWO], "NextToken": "x"}).encode(),
    "lookup-events-lines": "\n".join(text(lookup(found)) for found in TWO).encode(),
    "lookup-events-with-objects": text({"Events": TWO}).encode(),
    "lookup-events-with-event-objects": text(
        {"Events": [{"CloudTrailEvent": found} for found in TWO]}
    ).encode(),
    "subscription": text(subscription(*map(text, TWO))).encode(),
    "subscription-lines": "\n".join(text(subscription(text(found))) for found in TWO).encode(),
    "subscription-with-objects": text(subscription(*TWO)).encode(),  # type: ignore[arg-type]
    "export-lines": "\n".join(
        f"2026-03-01T08:00:0{place}.000Z {text(found)}" for place, found in enumerate(TWO)
    ).encode(),
    "data-wrapper": text([{"data": {"Records": TWO}, "log": "cloudtrail:events"}]).encode(),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_records_are_found_in_their_wrapping(name: str, packed: bool) -> None:
    data = gzip.compress(WRAPPED[name]) if packed else WRAPPED[name]
    result = decode(data)
    assert result.ids() == BOTH
    assert (result.outcome.kind, result.outcome.state) == ("log", "ingested")
    assert (result.outcome.records, result.outcome.reason) == (2, None)


@pytest.mark.parametrize("name", WRAPPED)
def test_the_wrapping_changes_nothing_in_a_row(name: str) -> None:
    plain = [row | {"source_row": 0} for row in decode(document(TWO)).events]
    for row, expected in zip(decode(WRAPPED[name]).events, plain, strict=True):
        row["source_row"] = 0
        # White space is the writer's: json.dumps puts blanks where CloudTrail puts none.
        for column in ("request_parameters", "user_identity"):
            assert json.loads(row.pop(column)) == json.loads(expected[column])
        assert row.items() <= expected.items()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(text(record(1)).encode(), id="one-record"),
        pytest.param(json.dumps(record(1), indent=4).encode(), id="one-record-indented"),
        pytest.param(text(envelope(record(1))).encode(), id="one-eventbridge-event"),
        pytest.param(text(lookup(record(1))).encode(), id="one-looked-up-event"),
    ],
)
def test_one_record_alone_is_a_file_too(data: bytes) -> None:
    assert decode(data).ids() == [event_id(1)]


@pytest.mark.parametrize(
    ("data", "state"),
    [
        pytest.param(b'{"Records":[]}', "empty", id="no-records"),
        pytest.param(gzip.compress(b'{"Records":[]}'), "empty", id="no-records-gzip"),
        pytest.param(b"[]", "empty", id="empty-list"),
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \n", "empty", id="blanks"),
        pytest.param(
            text(subscription("probe", kind="CONTROL_MESSAGE")).encode(),
            "empty",
            id="control-message",
        ),
    ],
)
def test_a_file_without_records_is_no_fault(data: bytes, state: str) -> None:
    result = decode(data)
    assert (result.outcome.state, result.outcome.records, result.faults) == (state, 0, [])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(
            text({"awsAccountId": "1", "digestStartTime": "x", "logFiles": []}).encode(),
            "digest",
            id="digest",
        ),
    ],
)
def test_a_file_of_another_kind_is_skipped_by_its_content(data: bytes, kind: str) -> None:
    result = decode(data)
    assert (result.outcome.kind, result.outcome.state) == (kind, "skipped")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"hello world\nhello again", "not_json", id="text"),
        pytest.param(b"time,value\n2026,1\n", "not_json", id="csv"),
        pytest.param(b"PAR1\x15\x04\x00\xff\xfe", "not_json", id="parquet"),
        pytest.param(document(TWO)[:-40], "not_json", id="cut-json"),
        pytest.param(b'"text"', "not_cloudtrail", id="json-text"),
        pytest.param(b"7", "not_cloudtrail", id="json-number"),
        pytest.param(b'{"a":{"b":1}}', "not_cloudtrail", id="other-json"),
        pytest.param(b'[{"a":1},{"b":2}]', "not_cloudtrail", id="list-of-other-json"),
        pytest.param(b'{"a":1}\n{"b":2}', "not_json", id="lines-of-other-json"),
        pytest.param(b'{"eventName":"x","name":"y"}', "not_cloudtrail", id="one-known-key"),
    ],
)
def test_what_is_no_log_is_set_aside_once_with_its_reason(data: bytes, reason: str) -> None:
    result = decode(data)
    assert (result.outcome.state, result.reasons) == ("quarantined", [reason])
    (fault,) = result.faults
    assert (fault.record, bool(fault.detail)) == (None, True)
    assert result.outcome.reason == f"{reason}: {fault.detail}"
    assert result.outcome.bytes_decompressed == len(data)
    assert result.outcome.sha256 == hashlib.sha256(data).hexdigest()


def test_things_among_records_that_are_none_are_set_aside_alone() -> None:
    result = decode(text({"Records": [TWO[0], {"a": 1}, 5, None, TWO[1]]}).encode())
    assert result.ids() == BOTH
    assert [(fault.record, fault.reason) for fault in result.faults] == [
        (1, "not_cloudtrail"),
        (2, "not_cloudtrail"),
        (3, "not_cloudtrail"),
    ]
    assert [fault.content for fault in result.faults] == [b'{"a": 1}', b"5", b"null"]
    assert [row["source_row"] for row in result.events] == [0, 4]


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(b'{"eventName":NaN,"eventID":"x"}', id="nan"),
        pytest.param(b'{"eventName":"a","readOnly":[-Infinity],"eventID":"x"}', id="infinity"),
        pytest.param(b'{"eventName":"a" "eventID":"x"}', id="no-comma"),
        pytest.param(b'{"eventName":"tab\there","eventID":"x"}', id="control-character"),
        pytest.param(b'{"eventName":"\\q","eventID":"x"}', id="wrong-escape"),
        pytest.param(b'{"eventName":01,"eventID":"x"}', id="wrong-number"),
        pytest.param(
            b'{"eventID":"x","eventName":"y","requestParameters":'
            + b"[" * 3_000
            + b"]" * 3_000
            + b"}",
            id="too-deep",
        ),
    ],
)
@pytest.mark.parametrize("frame", ["records", "list", "lines"])
def test_a_record_that_is_no_json_costs_no_neighbour(spoiled: bytes, frame: str) -> None:
    parts = [text(TWO[0]).encode(), spoiled, text(TWO[1]).encode()]
    data = {
        "records": b'{"Records":[' + b",".join(parts) + b"]}",
        "list": b"[\n" + b",\n".join(parts) + b"\n]",
        "lines": b"\n".join(parts),
    }[frame]
    result = decode(data)
    assert result.ids() == BOTH
    assert [(fault.record, fault.reason) for fault in result.faults] == [(1, "not_json")]
    assert result.faults[0].content == spoiled
    assert result.outcome.state == "partial"


def test_a_message_that_is_no_json_costs_no_neighbour() -> None:
    data = text(subscription(text(TWO[0]), "not json", "\ud800", text(TWO[1]))).encode()
    result = decode(data)
    assert result.ids() == BOTH
    assert result.reasons == ["not_json", "not_json"]


def test_a_message_that_is_no_utf8_costs_no_neighbour() -> None:
    data = (
        text(subscription(text(TWO[0]), "@", text(TWO[1]))).encode().replace(b'"@"', b'"\xff\xfe"')
    )
    result = decode(data)
    assert result.ids() == BOTH
    assert result.reasons == ["not_utf8"]


@pytest.mark.parametrize("value", [b"5", b"null", b"[]", b"1e999", b"1" * 5_000, b'"\\ud800"'])
def test_an_event_that_is_no_text_is_set_aside(value: bytes) -> None:
    result = decode(b'{"EventId":"x","CloudTrailEvent":' + value + b"}")
    assert result.outcome.state == "quarantined"


def test_wrapping_has_an_end() -> None:
    nested: Any = TWO
    for _ in range(8):
        nested = {"Records": [nested]}
    assert decode(text(nested).encode()).outcome.state == "quarantined"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" + b"1," * 300_000 + b"1]", id="list"),
        pytest.param(b"1\n" * 300_000, id="lines"),
        pytest.param(b'{"Records":[' + b"x," * 300_000 + b"x]}", id="broken"),
    ],
)
def test_a_file_of_countless_other_things_is_refused_whole(data: bytes) -> None:
    result = decode(data)
    assert (result.outcome.state, len(result.faults)) == ("quarantined", 1)


def test_many_faults_are_kept_while_records_prevail() -> None:
    items = containers._bounded(
        containers.Item(b"", "not_json" if place % 2 else None) for place in range(40_000)
    )[0]
    assert items is not None
    assert len(items) == 40_000


@pytest.mark.parametrize("key", ["Events", "logEvents", "CloudTrailEvent", "detail", "data"])
def test_a_record_with_the_key_of_a_wrapper_is_a_record(key: str) -> None:
    record = {"eventVersion": "1.08", "eventName": "X", "eventID": "a", key: [{"b": 1}]}
    record |= {"messageType": "DATA_MESSAGE", "detail-type": "x"}
    found = containers.read(json.dumps(record).encode())
    assert [json.loads(item.text) for item in found.items] == [record]

"""What comes out of CloudWatch Logs, Firehose, Kinesis and Lambda, however it is packed."""

from __future__ import annotations

import base64
import gzip
import json
import time

import pytest

from ctanalytics.lake import containers
from ctanalytics.lake.decode import Limits
from tests.lake.decoding import decode
from tests.lake.test_containers import BOTH, TWO, envelope, subscription, text
from tests.logs import document, event_id, record


def packed(*messages: str, kind: str = "DATA_MESSAGE") -> bytes:
    """A payload as CloudWatch Logs hands it to Kinesis and Firehose."""
    return gzip.compress(text(subscription(*messages, kind=kind)).encode())


def coded(*messages: str, kind: str = "DATA_MESSAGE") -> str:
    return base64.b64encode(packed(*messages, kind=kind)).decode()


ONE, OTHER = (text(found) for found in TWO)
CHECK = "CWL CONTROL MESSAGE: Checking health of destination."
PROBE = packed(CHECK, kind="CONTROL_MESSAGE")
HEALTH = coded(CHECK, kind="CONTROL_MESSAGE")
PAYLOADS = text(subscription(ONE)) + text(subscription(CHECK, kind="CONTROL_MESSAGE"))

CASES = {
    "firehose": PROBE + packed(ONE) + packed(OTHER),
    "firehose-packed-again": gzip.compress(PROBE + packed(ONE) + packed(OTHER)),
    "firehose-unpacked": (PAYLOADS + text(subscription(OTHER))).encode(),
    "firehose-unpacked-lines": f"{PAYLOADS}\n{text(subscription(OTHER))}\n".encode(),
    "firehose-messages": (ONE + OTHER).encode(),
    "firehose-messages-packed": gzip.compress((ONE + OTHER).encode()),
    "firehose-eventbridge": (text(envelope(TWO[0])) + text(envelope(TWO[1]))).encode(),
    "firehose-some-line-breaks": f"{ONE}\n{ONE}{OTHER}\n".encode(),
    "indented-one-behind-the-other": "".join(json.dumps(x, indent=1) for x in TWO).encode(),
    "base64": coded(ONE, OTHER).encode(),
    "base64-lines": f"{HEALTH}\n{coded(ONE)}\n{coded(OTHER)}\n".encode(),
    "base64-wrapped": base64.encodebytes(packed(ONE)) + base64.encodebytes(packed(OTHER)),
    "lambda-event": text({"awslogs": {"data": coded(ONE, OTHER)}}).encode(),
    "kinesis-event": text(
        {
            "Records": [
                {"kinesis": {"data": coded(found)}, "eventSource": "aws:kinesis"}
                for found in (ONE, OTHER)
            ]
        }
    ).encode(),
    "firehose-event": text(
        {"records": [{"recordId": "1", "data": coded(found)} for found in (ONE, OTHER)]}
    ).encode(),
    "firehose-failed": "".join(
        text({"attemptsMade": 4, "errorCode": "Lambda.FunctionError", "rawData": coded(x)}) + "\n"
        for x in (ONE, OTHER)
    ).encode(),
    "export-task": gzip.compress(
        "".join(f"2026-03-01T08:00:01.{n}00Z {x}\n" for n, x in enumerate((ONE, OTHER))).encode()
    ),
    "logs-tail": "".join(
        f"2026-03-01T08:00:01.000000+00:00 111122223333_CloudTrail_eu-west-1_2 {x}\n"
        for x in (ONE, OTHER)
    ).encode(),
    "filter-log-events": json.dumps(
        {
            "events": [
                {"logStreamName": "s", "timestamp": 1, "message": x, "ingestionTime": 2}
                for x in (ONE, OTHER)
            ],
            "searchedLogStreams": [],
        },
        indent=4,
    ).encode(),
    "insights-query": text(
        {
            "results": [
                [
                    {"field": "@timestamp", "value": "2026-03-01 08:00:01.000"},
                    {"field": "@message", "value": x},
                    {"field": "@ptr", "value": "Cm0K"},
                ]
                for x in (ONE, OTHER)
            ],
            "status": "Complete",
        }
    ).encode(),
    "gzip-twice": gzip.compress(gzip.compress(document(TWO))),
}


@pytest.mark.parametrize("name", CASES)
def test_records_are_found_in_what_comes_out_of_log_groups(name: str) -> None:
    result = decode(CASES[name])
    assert list(dict.fromkeys(result.ids())) == BOTH
    assert (result.outcome.kind, result.outcome.state) == ("log", "ingested")


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
def test_members_behind_a_log_file_are_never_payloads(twice: bool) -> None:
    hidden = record(3, requestParameters={"messageType": "x", "logEvents": []})
    for first in (document(TWO), document([*TWO, hidden])):
        data = gzip.compress(first) + packed(text(record(4)))
        result = decode(gzip.compress(data) if twice else data)
        assert event_id(4) not in result.ids()
        assert result.reasons == ["trailing_data"]
        assert result.outcome.records >= 2


@pytest.mark.parametrize(
    ("behind", "why"),
    [
        pytest.param(b"forged", "no gzip", id="bytes"),
        pytest.param(gzip.compress(document([record(3)])), "no payload", id="a-log-file"),
        pytest.param(packed(text(record(3)))[:-9], "ends early", id="a-cut-payload"),
    ],
)
def test_what_follows_payloads_and_is_none_is_set_aside(behind: bytes, why: str) -> None:
    data = packed(ONE) + packed(OTHER) + behind
    for given in (data, gzip.compress(data)):
        result = decode(given)
        assert result.ids() == BOTH
        assert (result.outcome.state, result.reasons) == ("partial", ["trailing_data"])
        assert why in result.faults[0].detail


def test_many_small_payloads_take_time_in_proportion_to_their_number() -> None:
    started = time.monotonic()
    result = decode(packed(ONE) * 2_000)
    assert result.outcome.records == 2_000
    assert time.monotonic() - started < 20


def test_a_document_that_is_cut_costs_no_other() -> None:
    result = decode((ONE + OTHER + text(record(3))[:-50]).encode())
    assert result.ids() == BOTH
    assert result.reasons == ["not_json"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param("H4sIAAAA", "truncated", id="cut"),
        pytest.param("H4sI****", "truncated", id="no-base64"),
        pytest.param(f"{coded(ONE)[:40]}\n{{}}", "truncated", id="cut-and-more"),
        pytest.param(f"{coded(ONE)}\n{{}}", "corrupt", id="more-behind"),
    ],
)
def test_base64_that_can_not_be_unpacked_is_set_aside(data: str, reason: str) -> None:
    assert decode(data.encode()).reasons == [reason]


def test_a_packed_payload_that_can_not_be_read_costs_no_neighbour() -> None:
    no_json = base64.b64encode(gzip.compress(b"{")).decode()
    found = [coded(ONE), coded(ONE)[:-32], "H4sI****", no_json, coded(OTHER)]
    result = decode(text({"records": [{"data": data} for data in found]}).encode())
    assert result.ids() == BOTH
    assert result.reasons == ["not_json"] * 3


def test_packed_payloads_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = base64.b64encode(gzip.compress(bytes(containers._MAX_PAYLOAD + 1))).decode()
    assert decode(text({"awslogs": {"data": bomb}}).encode()).outcome.state == "quarantined"
    many = decode(packed(ONE) * 3, limits=Limits(max_decompressed_bytes=3_000))
    assert many.reasons == ["too_large"]
    monkeypatch.setattr(containers, "_MAX_TEXT", 3_000)
    many = decode(text({"records": [{"data": coded(ONE)}] * 9}).encode())
    assert "unpack to more than 3000 bytes" in many.faults[0].detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(
            b'"Event name","Event time","User name","Event source"\n"x","2026","d","s3"\n',
            "event history",
            id="event-history-csv",
        ),
        pytest.param(
            b"\xef\xbb\xbfEvent ID,Event time,Event name\n1,2,3\n",
            "event history",
            id="event-history-csv-unquoted",
        ),
        pytest.param(
            gzip.compress(b'"eventversion","useridentity","eventtime"\n"1.08","{type=x}","t"\n'),
            "CloudTrail Lake",
            id="lake-results-csv",
        ),
        pytest.param(
            text({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventName": "x"}]]}).encode(),
            "CloudTrail Lake",
            id="lake-results-json",
        ),
        pytest.param(
            text({"class_uid": 6003, "metadata": {"uid": "1"}, "time": 1}).encode(),
            "Security Lake",
            id="ocsf",
        ),
        pytest.param(b"PAR1\x15\x04", "Parquet", id="parquet"),
        pytest.param(b"\xfd7zXZ\x00\x00", "xz", id="xz"),
        pytest.param(b"PK\x03\x04\x14", "zip", id="zip"),
    ],
)
def test_what_is_often_taken_for_a_log_is_told_by_name(data: bytes, words: str) -> None:
    result = decode(data)
    assert result.outcome.state == "quarantined"
    assert words in result.faults[0].detail


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"Permission Check Successful", id="export-write-test"),
        pytest.param(
            text({"version": "1.0", "files": [], "hashSignature": "00"}).encode(),
            id="result-sign",
        ),
    ],
)
def test_what_lies_beside_exports_is_skipped(data: bytes) -> None:
    assert decode(data).outcome.state == "skipped"

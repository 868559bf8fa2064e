"""Records become rows: every field, every oddity, and no neighbour harmed."""

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

from ctanalytics.lake.decode import Decoder
from ctanalytics.lake.decode import decode as decode_alone
from ctanalytics.records import schema
from tests.lake.decoding import (
    INSIGHT,
    NOW,
    Result,
    all_valid_json,
    decode,
    json_values,
    odd_records,
)
from tests.logs import ACCOUNT, START, document, event_id, key, record


def row_of(*, spoil: bool = False, **fields: Any) -> dict[str, Any]:
    """The row of one record, read the fast way, or (spoil) record by record."""
    records = [record(1, **fields)]
    if spoil:
        records.append({"eventName": 5, "eventID": "odd", "eventTime": "x"})
    return decode(document(records)).events[0]


BOTH_WAYS = pytest.mark.parametrize("spoil", [False, True], ids=["fast", "careful"])


@BOTH_WAYS
def test_every_documented_field_has_its_column(spoil: bool) -> None:
    fields: dict[str, Any] = {
        name: f"text of {name}" for name in schema.STRING_FIELDS if name != "eventVersion"
    }
    fields |= {"eventVersion": "1.11", "eventCategory": "Data", "eventType": "AwsApiCall"}
    fields |= {"readOnly": False, "managementEvent": True, "sessionCredentialFromConsole": "true"}
    fields |= {name: {"of": name} for name in schema.JSON_FIELDS}
    row = row_of(spoil=spoil, **fields)
    for name, column in schema.STRING_FIELDS.items():
        assert row[column] == fields[name]
    for name, column in schema.JSON_FIELDS.items():
        assert json.loads(row[column]) == {"of": name}
    assert [row[column] for column in schema.BOOL_FIELDS.values()] == [False, True, True]
    assert row["event_time"] == START + dt.timedelta(seconds=1)
    assert row["unknown_fields"] is None
    assert row["record_sha256"] is None


@BOTH_WAYS
def test_a_row_tells_where_it_came_from(spoil: bool) -> None:
    records = [record(1), {"eventName": 5, "eventID": "x"} if spoil else record(2), record(3)]
    path = key(7)
    decoder = Decoder(now=NOW, plan_id=42)
    decoder.add("trail-bucket", path, gzip.compress(document(records)))
    rows = decoder.finish().in_file_order().events.to_pylist()
    assert [row["source_row"] for row in rows] == [0, 1, 2]
    assert {row["source_object"] for row in rows} == {f"trail-bucket/{path}"}
    assert {row["plan_id"] for row in rows} == {42}


@BOTH_WAYS
def test_empty_text_is_not_absent(spoil: bool) -> None:
    row = row_of(spoil=spoil, errorCode="", userAgent="", requestID=None, errorMessage=None)
    assert (row["error_code"], row["user_agent"]) == ("", "")
    assert (row["request_id"], row["error_message"], row["shared_event_id"]) == (None, None, None)


@BOTH_WAYS
@pytest.mark.parametrize("text", ["{}", "[]", '""', "0", "false", '{"a":null}'])
def test_empty_json_is_not_absent(spoil: bool, text: str) -> None:
    assert row_of(spoil=spoil, requestParameters=json.loads(text))["request_parameters"] == (
        json.dumps(json.loads(text), separators=(",", ":"))
    )
    assert row_of(spoil=spoil, requestParameters=None)["request_parameters"] is None


RAW_TEXTS = [
    '{"b":1,"a":2,"b":3}',
    '{ "spaced" : [ 1 ,\t2 ] }',
    '{"number":1.10,"big":123456789012345678901234567890,"exp":1E+2,"minus":-0}',
    '{"escape":"\\u0041\\/\\n\\u0000","emoji":"\\ud83d\\ude00","raw":"ü€😀"}',
    '{"Key":1,"key":2,"KEY":3}',
    '{"quote\\"in":"\\\\","":""}',
    '"just text"',
    "[" * 400 + "]" * 400,
]


@BOTH_WAYS
@pytest.mark.parametrize("text", RAW_TEXTS)
@pytest.mark.parametrize("field", ["requestParameters", "responseElements", "userIdentity"])
def test_json_text_is_the_sources_own_bytes(spoil: bool, text: str, field: str) -> None:
    marked = document([record(1, **{field: "@@@"})] + [{"eventName": 5, "eventID": ""}] * spoil)
    row = decode(marked.replace(b'"@@@"', text.encode())).events[0]
    column = schema.JSON_FIELDS.get(field, "user_identity")
    assert row[column] == text


@settings(max_examples=150)
@given(odd_records, st.sampled_from([None, 2]), st.booleans())
def test_any_record_is_a_row_and_loses_nothing(
    found: dict[str, Any], indent: int | None, ascii_: bool
) -> None:
    neighbours = [record(1), record(2)]
    data = json.dumps(
        {"Records": [neighbours[0], found, neighbours[1]]}, indent=indent, ensure_ascii=ascii_
    )
    result = decode(data.encode())
    assert result.outcome.records == 3
    by_place = {row["source_row"]: row for row in result.events}
    plain = decode(document(neighbours)).events
    assert by_place[0]["event_id"] == plain[0]["event_id"]
    assert by_place[2] | {"source_row": 1} == plain[1] | {
        name: by_place[2][name] for name in ("request_parameters", "user_identity")
    }
    if 1 in by_place:
        _lost_nothing(found, by_place[1])
    assert all_valid_json(result.decoded.events)


def _lost_nothing(found: dict[str, Any], row: dict[str, Any]) -> None:
    unknown = json.loads(row["unknown_fields"] or "{}")
    for name, value in found.items():
        if name in unknown:
            assert unknown[name] in (value, str(value))
        elif value is None:
            continue
        elif name in schema.JSON_FIELDS or name == "userIdentity":
            assert json.loads(row[schema.JSON_FIELDS.get(name, "user_identity")]) == value
        elif name in schema.STRING_FIELDS:
            assert row[schema.STRING_FIELDS[name]] == value
        elif name in schema.BOOL_FIELDS:
            assert name == "sessionCredentialFromConsole" or row[schema.BOOL_FIELDS[name]] == (
                value in (True, "true")
            )
        else:
            assert name in ("eventTime", "tlsDetails")


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a\\b",
        "a\nb",
        "a`b",
        "a b",
        "ключ",
        "😀",
        "",
        "unfit",
        "sha256",
        "extra_0",
        "a" * 300,
        "$.Records[...]",
        "x` - at `$.Records[...]`",
        "aws:event",
        "@timestamp",
        "\x00nul",
        "Records",
    ],
)
def test_an_unknown_top_level_key_is_kept_under_its_name(name: str) -> None:
    value = {"of": ["any", 1.50, None]}
    row = decode(document([record(1, **{name: value}), record(2)])).events[0]
    assert json.loads(row["unknown_fields"]) == {name: value}
    assert row["event_id"] == event_id(1)


def test_a_thousand_unknown_keys_are_kept() -> None:
    names = [f"key{place}" for place in range(1_000)]
    records = [record(place, **{name: place}) for place, name in enumerate(names)]
    many = record(1_000, **dict.fromkeys(names, "v"))
    rows = decode(document([*records, many])).events
    for place, name in enumerate(names):
        assert rows[place]["unknown_fields"] == f'{{"{name}":{place}}}'
    assert json.loads(rows[-1]["unknown_fields"]) == dict.fromkeys(names, "v")


def test_unknown_keys_learned_between_chunks_belong_to_their_own_records() -> None:
    decoder = Decoder(now=NOW)
    expected: list[dict[str, Any] | None] = []
    number = 0
    # 2,000 records make a chunk; keys are learned before, at and after its boundaries.
    for file, (count, extra) in enumerate(
        [
            (1999, {}),
            (1, {"a": 1}),
            (1, {"b": 2}),
            (1998, {}),
            (3, {"c": 3}),
            (4000, {"a": 4}),
            (1, {"b": 5, "d": {}}),
            (2500, {}),
        ]
    ):
        records = [record(number + place, **extra) for place in range(count)]
        decoder.add("file", key(file), document(records))
        number += count
        expected += [extra or None] * count
    rows = decoder.finish().events
    unknown = [text and json.loads(text) for text in rows["unknown_fields"].to_pylist()]
    assert unknown == expected
    assert rows["event_id"].to_pylist() == [event_id(place) for place in range(number)]
    parameters = rows["request_parameters"].to_pylist()
    assert parameters[1_999:2_002] == [
        f'{{"bucketName":"logs-{n}","acl":""}}' for n in (1999, 2000, 2001)
    ]


def test_a_wrongly_typed_field_is_kept_beside_and_harms_no_neighbour() -> None:
    result = decode(document([record(1), record(2, eventName=7, readOnly="no"), record(3)]))
    assert result.ids() == [event_id(number) for number in (1, 2, 3)]
    assert result.outcome.state == "ingested"
    odd = result.events[1]
    assert (odd["event_name"], odd["read_only"]) == (None, None)
    assert json.loads(odd["unknown_fields"]) == {"eventName": 7, "readOnly": "no"}


@pytest.mark.parametrize(
    ("field", "value", "column", "expected"),
    [
        ("readOnly", "true", "read_only", True),
        ("readOnly", "false", "read_only", False),
        ("managementEvent", "true", "management_event", True),
        ("sessionCredentialFromConsole", "true", "session_credential_from_console", True),
        ("sessionCredentialFromConsole", True, "session_credential_from_console", True),
        ("sessionCredentialFromConsole", "false", "session_credential_from_console", False),
        ("recipientAccountId", "000000000001", "account_id", "000000000001"),
        (
            "resources",
            [{"ARN": "a"}, {"ARNPrefix": "b"}, {"type": "x"}, 5],
            "resource_arns",
            ["a", "b"],
        ),
        ("resources", [], "resource_arns", None),
        ("resources", "text", "resource_arns", None),
        ("addendum", {"reason": "UPDATED_DATA"}, "addendum_reason", "UPDATED_DATA"),
        ("addendum", {"reason": 5}, "addendum_reason", None),
        ("tlsDetails", {"keyExchange": "x25519"}, "tls_key_exchange", "x25519"),
        ("tlsDetails", "none", "tls_version", None),
        ("sourceIPAddress", "203.0.113.9", "source_ip_kind", "ipv4"),
        ("sourceIPAddress", "2001:db8::1", "source_ip_kind", "ipv6"),
        ("sourceIPAddress", "ec2.amazonaws.com", "source_ip_kind", "service"),
        ("sourceIPAddress", "ec2.amazonaws.com.cn", "source_ip_kind", "service"),
        ("sourceIPAddress", "AWS Internal/3", "source_ip_kind", "aws_internal"),
        ("sourceIPAddress", "1.2.3.4.5", "source_ip_kind", "other"),
        ("sourceIPAddress", "", "source_ip_kind", "other"),
        ("sourceIPAddress", None, "source_ip_kind", None),
        ("errorCode", "AccessDenied", "is_error", True),
        ("errorMessage", "Failed authentication", "is_error", True),
        ("errorCode", None, "is_error", False),
    ],
)
@BOTH_WAYS
def test_a_derived_column_follows_its_field(
    spoil: bool, field: str, value: Any, column: str, expected: Any
) -> None:
    assert row_of(spoil=spoil, **{field: value})[column] == expected


@pytest.mark.parametrize(("answer", "failed"), [("Failure", True), ("Success", False)])
def test_a_failed_sign_in_is_an_error_without_a_code(answer: str, failed: bool) -> None:
    fields = {"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": answer}}
    assert row_of(**fields)["is_error"] is failed
    assert row_of(**fields | {"eventName": "GetObject"})["is_error"] is False


def test_the_account_is_the_recipients_else_the_paths_else_the_callers() -> None:
    caller = {"userIdentity": {"type": "AWSAccount", "accountId": "555555555555"}}
    other = key(account_id="444455556666")
    lone = {
        name: value for name, value in record(1, **caller).items() if name != "recipientAccountId"
    }
    assert decode(document([record(1, **caller)]), other).event["account_id"] == ACCOUNT
    assert decode(document([lone]), other).event["account_id"] == "444455556666"
    assert decode(document([lone])).event["account_id"] == "555555555555"
    del lone["userIdentity"]
    assert decode(document([lone])).event["account_id"] is None


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
        assert result.faults[0].json_path == "$.eventVersion"
        assert json.loads(result.faults[0].content or b"")["eventID"] == event_id(2)


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


@BOTH_WAYS
def test_the_last_of_two_equal_keys_counts(spoil: bool) -> None:
    data = document([record(1)] + [{"eventName": 5, "eventID": ""}] * spoil)
    twice = data.replace(
        b'"eventName":"GetBucketAcl"', b'"eventName":"First","eventName":"Last"', 1
    )
    assert decode(twice).events[0]["event_name"] == "Last"


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

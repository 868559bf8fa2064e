"""Records become rows: every field, every oddity, and no neighbour harmed."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.lake.decode import Decoder, Limits
from ctanalytics.lake.decode import decode as decode_alone
from ctanalytics.records import schema
from tests.lake.decoding import NOW, Result, check_sum, decode
from tests.logs import ACCOUNT, DATA, START, document, event_id, key, record, write


def row_of(*, spoil: bool = False, **fields: Any) -> dict[str, Any]:
    """The row of one record, read the fast way, or (spoil) record by record."""
    records = [record(1, **fields)]
    if spoil:
        records.append({"eventName": 5, "eventID": "odd", "eventTime": "x"})
    return decode(document(records)).events[0]


DUCKDB = duckdb.connect()
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


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
field_names = st.sampled_from(
    [
        "eventTime",
        "readOnly",
        "managementEvent",
        "userIdentity",
        "tlsDetails",
        "insightDetails",
        "sessionCredentialFromConsole",
        "eventId",
        "accountId",
        "unfit",
        "sha256",
        "extra_0",
        *schema.STRING_FIELDS,
        *schema.JSON_FIELDS,
    ]
) | st.text(max_size=12)
odd_records = st.dictionaries(field_names, json_values, max_size=8).map(
    lambda found: {"eventName": "X", "eventVersion": "1.08"} | found
)


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
    assert _all_valid_json(result.decoded.events)


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


def _all_valid_json(events: pa.Table) -> bool:
    """Whether DuckDB can read all JSON text: one row that it can't would end a user's query."""
    if not events.num_rows:
        return True
    columns = [*schema.JSON_FIELDS.values(), "user_identity", "unknown_fields"]
    tests = " and ".join(f"coalesce(json_valid({column}), true)" for column in columns)
    DUCKDB.register("rows", events)
    ((valid,),) = DUCKDB.sql(f"select coalesce(bool_and({tests}), true) from rows").fetchall()
    return bool(valid)


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


INSIGHT = {
    "eventVersion": "1.09",
    "eventTime": "2026-03-01T08:13:00Z",
    "awsRegion": "eu-west-1",
    "eventID": event_id(900),
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": ACCOUNT,
    "sharedEventID": event_id(901),
    "insightDetails": {
        "state": "End",
        "eventSource": "ssm.amazonaws.com",
        "eventName": "UpdateInstanceInformation",
        "insightType": "ApiErrorRateInsight",
        "errorCode": "AccessDenied",
        "insightContext": {
            "statistics": {
                "baseline": {"average": 1.742857142},
                "insight": {"average": 15},
                "insightDuration": 7,
                "baselineDuration": 10080,
            }
        },
    },
    "eventCategory": "Insight",
}
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


HALVES = ["\ud800", "\udfff", "x\ud83d", "\ude00\ud83d", "a\udc00b"]


@pytest.mark.parametrize("half", HALVES)
def test_half_a_surrogate_pair_hides_no_field_and_keeps_its_text(half: str) -> None:
    odd = record(
        2,
        userAgent=half,
        requestParameters={"name": half},
        userIdentity={"type": "IAMUser", "userName": f"dora{half}"},
        resources=[{"ARN": half}],
        oddity=half,
    )
    result = decode(document([record(1), odd, record(3)]))
    assert result.ids() == [event_id(number) for number in (1, 2, 3)]
    assert result.outcome.state == "ingested"
    row = result.events[1]
    shown = re.sub("[\ud800-\udfff]", "\ufffd", half)
    assert row["user_agent"] == shown
    assert json.loads(row["request_parameters"]) == {"name": shown}
    assert (row["user_name"], row["resource_arns"]) == (f"dora{shown}", [shown])
    unknown = json.loads(row["unknown_fields"])
    originals = unknown["ctanalytics.originals"]
    assert json.loads(originals["userAgent"]) == half
    assert json.loads(originals["requestParameters"]) == {"name": half}
    assert unknown["oddity"] == shown
    assert set(originals) == {
        "userAgent",
        "requestParameters",
        "userIdentity",
        "resources",
        "oddity",
    }
    assert _all_valid_json(result.decoded.events)
    assert result.events[0] == decode(document([record(1)])).event


def test_half_a_surrogate_pair_in_a_key_is_no_fault() -> None:
    result = decode(document([record(1, **{"\ud800": 1}), INSIGHT | {"x": "\ud800"}]))
    assert json.loads(result.event["unknown_fields"])["\ufffd"] == 1
    assert json.loads(result.decoded.insights["record"][0].as_py())["x"] == "\ufffd"


def test_nul_and_control_characters_survive() -> None:
    text = "a\x00b\x1b[31m\u202e"
    row = row_of(eventName=text, requestParameters={"key": text})
    assert row["event_name"] == text
    assert json.loads(row["request_parameters"]) == {"key": text}


def test_a_record_of_invalid_utf8_is_set_aside_alone() -> None:
    data = document([record(1), record(2, userAgent="@"), record(3)]).replace(b'"@"', b'"\xff"')
    result = decode(data)
    assert result.ids() == [event_id(1), event_id(3)]
    assert result.reasons == ["not_utf8"]
    assert b'"userAgent":"\xff"' in (result.faults[0].content or b"")


@pytest.mark.parametrize("number", ["1" * 30, "1" * 5_000, "-" + "9" * 400, "1e400", "1E-400"])
@pytest.mark.parametrize(
    "field",
    [
        "requestParameters",
        "userIdentity",
        "tlsDetails",
        "resources",
        "addendum",
        "eventTime",
        "novel",
        "eventName",
        "readOnly",
        "insightDetails",
    ],
)
def test_a_number_of_any_size_is_no_fault(number: str, field: str) -> None:
    data = document([record(1), record(2, **{field: "@@@"})])
    inner = (
        number if field in ("eventTime", "eventName", "readOnly", "novel") else f'{{"n":{number}}}'
    )
    result = decode(data.replace(b'"@@@"', inner.encode()))
    assert result.outcome.state == "ingested"
    assert len(result.events) == 2


def test_what_follows_the_gzip_member_is_no_record_but_a_fault() -> None:
    forged = gzip.compress(document([record(2)]))
    result = decode(gzip.compress(document([record(1)])) + forged)
    assert result.ids() == [event_id(1)]
    assert (result.outcome.state, result.reasons) == ("partial", ["trailing_data"])
    assert result.faults[0].content == forged


def test_what_follows_a_member_without_records_is_a_fault_too() -> None:
    result = decode(gzip.compress(b'{"Records":[]}') + b"tail")
    assert (result.outcome.state, result.reasons) == ("partial", ["trailing_data"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(gzip.compress(document([record(1)]))[:-5], "truncated", id="truncated"),
        pytest.param(
            gzip.compress(document([record(1)]))[:-8] + b"\0" * 8, "corrupt", id="wrong-checksum"
        ),
        pytest.param(gzip.compress(b"\0" * 3_000_000), "too_large", id="bomb"),
    ],
)
def test_a_broken_object_is_set_aside_whole(data: bytes, reason: str) -> None:
    result = decode(data, limits=Limits(max_decompressed_bytes=2_000_000))
    assert (result.outcome.state, result.reasons) == ("quarantined", [reason])
    assert (result.outcome.records, result.outcome.sha256) == (0, None)


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
    assert found.events.schema == schema.EVENTS


# Whatever the bytes


def _is_sound(result: Result) -> None:
    assert result.decoded.events.schema == schema.EVENTS
    result.decoded.events.validate(full=True)
    assert _all_valid_json(result.decoded.events)


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.text('[]{}",:\\u0d8a1 eventNamID\n', max_size=120).map(str.encode)
    | json_values.map(lambda found: json.dumps(found).encode())
    | st.lists(odd_records, max_size=3).map(document)
)
@example(b'{"Records":[{"eventName":"a","eventID":"b","eventTime":"0000-01-01T00:00:00Z"}]}')
def test_any_bytes_end_in_rows_or_faults(data: bytes) -> None:
    _is_sound(decode(data))
    _is_sound(decode(gzip.compress(data)))


def _mutated(source: bytes, rng: random.Random) -> bytes:
    data = bytearray(source)
    for _ in range(rng.choice((1, 1, 1, 3))):
        at = rng.randrange(len(data))
        until = min(len(data), at + rng.choice((1, 4, 40, 400)))
        match rng.randrange(5):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:until]
            case 2:
                data[at:at] = data[at:until]
            case 3:
                other = rng.randrange(len(data))
                data[at:until] = data[other : other + until - at]
            case 4:
                data[at:until] = rng.randbytes(until - at)
    return bytes(data)


(REAL,) = (DATA / "trailscraper").glob("*.json.gz")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_damaged_real_file_ends_in_rows_or_faults_and_its_neighbours_stay(packed: bool) -> None:
    rng = random.Random(7)
    made: list[pa.Table] = []
    content = gzip.decompress(REAL.read_bytes())
    for round_ in range(300):
        damaged = _mutated(REAL.read_bytes() if packed else content, rng)
        decoder = Decoder(now=NOW)
        before = decoder.add("file", key(1), document([record(1), record(2)]))
        outcome = decoder.add("file", f"damaged-{round_}.json", damaged)
        after = decoder.add("file", key(2), document([record(3)]))
        found = decoder.finish()
        own = found.events.filter(
            pa.compute.equal(found.events["source_object"], f"file/damaged-{round_}.json")
        )
        others = decode_all(found.events, own)
        assert [row["event_id"] for row in others] == [event_id(n) for n in (1, 2, 3)]
        assert [row["event_name"] for row in others] == ["GetBucketAcl"] * 3
        assert (before.state, after.state) == ("ingested", "ingested")
        faults = [fault for fault in found.faults if fault.record is not None]
        rows = own.num_rows + found.insights.num_rows + found.aggregated.num_rows
        assert rows + len(faults) == outcome.records
        if packed:
            # gzip's checksum: damage is found, or it was in a part that says nothing.
            assert own.num_rows in (0, 2)
        made.append(own)
    assert _all_valid_json(pa.concat_tables(made))


def decode_all(events: pa.Table, without: pa.Table) -> list[dict[str, Any]]:
    left_out = set(without["source_object"].to_pylist())
    return [row for row in events.to_pylist() if row["source_object"] not in left_out]


def test_a_damaged_record_of_a_plain_file_leaves_the_others_as_they_were() -> None:
    """Damage within one record's braces never changes what its neighbours become."""
    rng = random.Random(11)
    records = [record(number) for number in range(5)]
    parts = [json.dumps(found).encode() for found in records]
    whole = {
        row["event_id"]: row for row in decode(b'{"Records":[' + b",".join(parts) + b"]}").events
    }
    kept = 0
    for _ in range(300):
        damaged = bytearray(parts[2])
        for _ in range(rng.choice((1, 2, 5))):
            damaged[rng.randrange(1, len(damaged) - 1)] = rng.choice(b'{}[]",:\\x\x00\xff0')
        data = b'{"Records":[' + b",".join([*parts[:2], bytes(damaged), *parts[3:]]) + b"]}"
        result = decode(data)
        check_sum(result)
        if result.outcome.records != 5:
            continue  # the damage moved the file's own brackets: it was set aside whole, or regrouped
        kept += 1
        rows = {row["source_row"]: row for row in result.events}
        for place in (0, 1, 3, 4):
            assert rows[place] == whole[event_id(place)]
    assert kept > 150


def test_the_same_record_gives_the_same_row_fast_and_carefully(tmp_path: Path) -> None:
    """The two ways of reading are one, but for what only the careful one can take."""
    records = [record(number) for number in range(50)]
    fast = decode(write(tmp_path / "a.json.gz", records).read_bytes()).events
    careful = decode(
        "\n".join(json.dumps(found, separators=(",", ":")) for found in records).encode()
    )
    assert careful.events == fast

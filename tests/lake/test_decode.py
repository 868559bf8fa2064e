"""Records become rows: every field, every oddity, and no neighbour harmed."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.lake.decode import Decoder
from ctanalytics.records import schema
from tests.lake.decoding import (
    NOW,
    all_valid_json,
    decode,
    odd_records,
)
from tests.lake.decoding_rows import BOTH_WAYS, row_of
from tests.logs import ACCOUNT, START, document, event_id, key, record


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


@BOTH_WAYS
def test_the_last_of_two_equal_keys_counts(spoil: bool) -> None:
    data = document([record(1)] + [{"eventName": 5, "eventID": ""}] * spoil)
    twice = data.replace(
        b'"eventName":"GetBucketAcl"', b'"eventName":"First","eventName":"Last"', 1
    )
    assert decode(twice).events[0]["event_name"] == "Last"

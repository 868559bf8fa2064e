"""Whatever the bytes: odd text, damage and malice end in rows or faults, and harm no neighbour."""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.lake.decode import Decoder, Limits
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
from tests.logs import DATA, document, event_id, key, record, write


def row_of(*, spoil: bool = False, **fields: Any) -> dict[str, Any]:
    """The row of one record, read the fast way, or (spoil) record by record."""
    records = [record(1, **fields)]
    if spoil:
        records.append({"eventName": 5, "eventID": "odd", "eventTime": "x"})
    return decode(document(records)).events[0]


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
    assert all_valid_json(result.decoded.events)
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


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * 100 + "]" * 100, id="100-levels"),
        pytest.param('{"a":' * 100 + "[]" + "}" * 100, id="100-objects"),
        pytest.param('{"a":1,"A":2,"á":3}', id="keys-that-collide"),
        pytest.param('[1,"a",null,{"b":[true,[{}]]}]', id="mixed-containers"),
        pytest.param('{"../../etc":"x\'; drop table events; --"}', id="path-and-sql"),
    ],
)
def test_json_of_any_shape_is_kept_as_it_is_and_harms_no_neighbour(value: str) -> None:
    data = document([record(1), record(2, requestParameters="@@@"), record(3)])
    result = decode(data.replace(b'"@@@"', value.encode()))
    assert result.ids() == [event_id(number) for number in (1, 2, 3)]
    assert result.events[1]["request_parameters"] == value
    assert result.events[0] == decode(document([record(1)])).event


def test_a_text_of_100_mb_is_a_row_and_harms_no_neighbour() -> None:
    before, after = document([record(1), record(2, userAgent="@@@"), record(3)]).split(b"@@@")
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(piece) for piece in (before, *[b"x" * 1_000_000] * 100, after)]
    result = decode(b"".join(pieces) + packer.flush())
    assert result.ids() == [event_id(number) for number in (1, 2, 3)]
    lengths = pc.binary_length(result.decoded.events["user_agent"]).to_pylist()
    assert lengths == [14, 100_000_000, 14]
    neighbours = result.decoded.events.take([0, 2]).to_pylist()
    assert neighbours[0] == decode(document([record(1)])).event
    assert neighbours[1]["event_name"] == "GetBucketAcl"


def test_a_file_of_10000_records_is_10000_rows_in_their_order() -> None:
    one = json.dumps(record(1), separators=(",", ":"))
    ids = [event_id(number) for number in range(10_000)]
    records = ",".join(one.replace(event_id(1), each) for each in ids)
    result = decode(f'{{"Records":[{records}]}}'.encode())
    assert result.ids() == ids
    assert result.decoded.events["source_row"].to_pylist() == list(range(10_000))
    assert (result.outcome.state, result.outcome.records) == ("ingested", 10_000)


def test_a_field_of_another_case_is_another_field() -> None:
    result = decode(document([record(1, EVENTNAME="DeleteTrail", eventname="StopLogging")]))
    assert result.event["event_name"] == "GetBucketAcl"
    assert json.loads(result.event["unknown_fields"]) == {
        "EVENTNAME": "DeleteTrail",
        "eventname": "StopLogging",
    }


def test_what_follows_the_gzip_member_is_no_record_but_a_fault() -> None:
    forged = gzip.compress(document([record(2)]))
    result = decode(gzip.compress(document([record(1)])) + forged)
    assert result.ids() == [event_id(1)]
    assert (result.outcome.state, result.reasons) == ("partial", ["trailing_data"])
    (fault,) = result.faults
    assert (fault.bucket, fault.key, fault.record) == ("file", "logs/some.json", None)
    assert fault.content == forged
    assert fault.detail == f"{len(forged)} bytes follow the gzip member that holds the log"
    assert (result.outcome.reason, result.outcome.records) == (fault.detail, 1)


def test_of_what_follows_the_beginning_is_kept_and_a_file_at_fault_stays_so() -> None:
    bad = record(1, eventVersion="2.0")
    result = decode(gzip.compress(document([bad])) + b"x" * 70_000)
    assert result.outcome.state == "quarantined"
    assert result.faults[0].content == b"x" * 65_536
    assert result.outcome.reason == (
        "70000 bytes follow the gzip member that holds the log; 1 of 1 records are set aside"
    )


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
    assert result.outcome.bytes_decompressed == 0
    (fault,) = result.faults
    assert (fault.bucket, fault.key, fault.content) == ("file", "logs/some.json", None)
    assert (result.outcome.kind, result.outcome.reason) == ("unknown", f"{reason}: {fault.detail}")
    assert fault.detail


@pytest.mark.parametrize(
    ("packed", "limits", "largest"),
    [
        pytest.param(True, Limits(max_expansion=10), 10_240, id="of-less-than-a-kilobyte"),
        pytest.param(True, Limits(max_decompressed_bytes=5_000), 5_000, id="by-setting"),
        pytest.param(False, Limits(max_expansion=1), 2_000, id="not-packed"),
        pytest.param(
            False, Limits(max_decompressed_bytes=2_000), 2_000, id="not-packed-by-setting"
        ),
    ],
)
def test_content_is_read_up_to_its_limit(packed: bool, limits: Limits, largest: int) -> None:
    content = document([]).ljust(largest)
    assert decode(gzip.compress(content) if packed else content, limits=limits).reasons == []
    if packed or limits.max_expansion > 1:
        more = content + b" "
        found = decode(gzip.compress(more) if packed else more, limits=limits)
        assert found.reasons == ["too_large"]


def test_invalid_utf8_where_text_is_kept_unread_is_set_aside_too() -> None:
    data = document([record(1), record(2, requestParameters={"a": "@"}), record(3)])
    result = decode(data.replace(b'"@"', b'"\xff"'))
    assert (result.ids(), result.reasons) == ([event_id(1), event_id(3)], ["not_utf8"])
    assert (result.faults[0].bucket, result.faults[0].key) == ("file", "logs/some.json")
    assert (result.faults[0].record, result.outcome.state) == (1, "partial")


# Whatever the bytes


def _is_sound(result: Result) -> None:
    assert result.decoded.events.schema == schema.EVENTS
    result.decoded.events.validate(full=True)
    assert all_valid_json(result.decoded.events)


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.text('[]{}",:\\u0d8a1 eventNamID\n', max_size=120).map(str.encode)
    | json_values.map(lambda found: json.dumps(found).encode())
    | st.lists(odd_records, max_size=3).map(document),
    st.booleans(),
)
@example(b'{"Records":[{"eventName":"a","eventID":"b","eventTime":"0000-01-01T00:00:00Z"}]}', True)
def test_any_bytes_end_in_rows_or_faults(data: bytes, packed: bool) -> None:
    _is_sound(decode(gzip.compress(data) if packed else data))


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
    source = REAL.read_bytes() if packed else gzip.decompress(REAL.read_bytes())
    for round_ in range(30):
        names = [f"file/damaged-{round_}-{number}.json" for number in range(10)]
        decoder = Decoder(now=NOW)
        before = decoder.add("file", key(1), document([record(1), record(2)]))
        outcomes = [
            decoder.add("file", name.removeprefix("file/"), _mutated(source, rng)) for name in names
        ]
        after = decoder.add("file", key(2), document([record(3)]))
        found = decoder.finish()
        own = found.events.filter(pc.is_in(found.events["source_object"], pa.array(names)))
        others = decode_all(found.events, own)
        assert [row["event_id"] for row in others] == [event_id(n) for n in (1, 2, 3)]
        assert [row["event_name"] for row in others] == ["GetBucketAcl"] * 3
        assert (before.state, after.state) == ("ingested", "ingested")
        faults = [fault for fault in found.faults if fault.record is not None]
        rows = own.num_rows + found.insights.num_rows + found.aggregated.num_rows
        assert rows + len(faults) == sum(outcome.records for outcome in outcomes)
        if packed:
            # gzip's checksum: damage is found, or it was in a part that says nothing.
            counts = Counter(own["source_object"].to_pylist())
            assert set(counts.values()) <= {2}
        made.append(own)
    assert all_valid_json(pa.concat_tables(made))


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
    decoder = Decoder(now=NOW)
    records_of: dict[str, int] = {}
    for round_ in range(300):
        damaged = bytearray(parts[2])
        for _ in range(rng.choice((1, 2, 5))):
            damaged[rng.randrange(1, len(damaged) - 1)] = rng.choice(b'{}[]",:\\x\x00\xff0')
        data = b'{"Records":[' + b",".join([*parts[:2], bytes(damaged), *parts[3:]]) + b"]}"
        records_of[f"file/{round_}"] = decoder.add("file", str(round_), data).records
    found = decoder.finish()
    aside = Counter(f"file/{fault.key}" for fault in found.faults if fault.record is not None)
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    for row in found.events.to_pylist():
        rows.setdefault(row["source_object"], {})[row["source_row"]] = row
    # In the others the damage moved the file's own brackets: set aside whole, or regrouped.
    same = [name for name, records in records_of.items() if records == 5]
    assert len(same) > 150
    for name in same:
        assert len(rows[name]) + aside[name] == 5
        for place in (0, 1, 3, 4):
            expected = whole[event_id(place)]
            assert rows[name][place] == expected | {"source_object": name}


def test_the_same_record_gives_the_same_row_fast_and_carefully(tmp_path: Path) -> None:
    """The two ways of reading are one, but for what only the careful one can take."""
    records = [record(number) for number in range(50)]
    fast = decode(write(tmp_path / "a.json.gz", records).read_bytes()).events
    careful = decode(
        "\n".join(json.dumps(found, separators=(",", ":")) for found in records).encode()
    )
    assert careful.events == fast

"""Files of AWS Config: cut while they are unpacked, read in all their spellings, hidden as asked."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.lake import config_file
from ctanalytics.lake.config_file import Cutter, DamagedError, Unpacked
from ctanalytics.lake.config_rows import channel
from ctanalytics.lake.decode import Decoder, Outcome
from ctanalytics.lake.redact import Redactor, rules
from ctanalytics.lake.redact_records import RecordRedactor
from ctanalytics.lake.treatment import Treatment
from ctanalytics.records import config_item
from tests.configuring import content, item, key
from tests.lake.decoding import NOW, decode, json_values
from tests.logs import ACCOUNT, DATA, START, record

TEXT = st.text(st.sampled_from('ab"\\{}[]:,\né'), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


def cut(text: bytes, size: int) -> tuple[Cutter, list[bytes]]:
    cutter = Cutter()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return cutter, [found for piece in pieces for found in cutter.feed(piece)]


@given(
    st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=4),
    JSON,
    st.sampled_from([None, 1]),
    st.integers(1, 40),
)
@settings(max_examples=40)
def test_items_are_cut_out_whatever_they_hold_and_wherever_the_pieces_end(
    items: list[Any], other: Any, indent: int | None, size: int
) -> None:
    document = {
        "a": {"configurationItems": [{}]},
        "b": other,
        "configurationItems": items,
        "c": other,
    }
    text = json.dumps(document, indent=indent, ensure_ascii=bool(size % 2)).encode()
    cutter, found = cut(text, size)
    assert [json.loads(each) for each in found] == items
    assert (cutter.found, cutter.fault()) == (True, None)


def test_an_item_of_its_own_is_found_and_an_end_that_is_missing_is_told() -> None:
    assert cut(b'{"configurationItem": {"a": [{}]}, "messageType": "x"}', 7)[1] == [b'{"a": [{}]}']
    cutter, found = cut(b'{"configurationItems": [{"a": 1}, {"b": ', 7)
    assert (found, cutter.fault() is None) == ([b'{"a": 1}'], False)


def test_of_an_item_beyond_all_size_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_file, "MAX_ITEM_BYTES", 100)
    large = {"a": "x" * 500, "b": [{}]}
    cutter, found = cut(content([{"a": 1}, large, {"a": 2}]), 50)
    assert [json.loads(each) for each in found] == [{"a": 1}, {"a": 2}]
    assert cutter.too_large == 1
    assert len(cutter._held) <= 300


def test_a_gzip_bomb_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_file, "MAX_FILE_BYTES", config_file.PIECE_BYTES)
    bomb = Unpacked(gzip.compress(b" " * 3 * config_file.PIECE_BYTES))
    with pytest.raises(DamagedError, match="unpacks to more"):
        list(bomb.pieces())


def test_a_history_file_becomes_rows_and_no_events() -> None:
    made = item(configuration={"groupId": "sg-1", "ipPermissions": []}, tags={"team": "web"})
    result = decode(gzip.compress(content([made])), key())
    (row,) = result.decoded.config_items.to_pylist()
    assert (result.outcome.kind, result.outcome.state, result.outcome.records) == (
        "config",
        "ingested",
        1,
    )
    assert result.events == []
    assert json.loads(row["configuration"]) == made["configuration"]
    assert row["capture_time"] == START
    assert (row["account_id"], row["arn"]) == (ACCOUNT, made["ARN"])
    assert (row["state_id"], row["delivered_by"]) == (str(made["configurationStateId"]), "history")
    assert (row["related_events"], row["unknown_fields"]) == ([], None)


def test_spellings_of_the_api_and_of_old_versions_are_read() -> None:
    old = {
        "snapshotVersion": "1.0",
        "resourceId": "vol-1",
        "resourceType": "AWS::EC2::Volume",
        "arn": "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1",
        "configurationItemCaptureTime": 1614641951.442,
        "configurationStateID": "s-1",
        "availibilityZone": "eu-west-1a",
        "relatedEvents": ["06c12a39-eb35-11de-ae07-adb69edbb1e4"],
        "configuration": '{"size":1}',
        "brandNew": [1],
    }
    (row,) = decode(content([old]), key("ConfigSnapshot", "x")).decoded.config_items.to_pylist()
    assert row["capture_time"].isoformat() == "2021-03-01T23:39:11.442000+00:00"
    assert (row["configuration"], row["availability_zone"]) == ('{"size":1}', "eu-west-1a")
    assert (row["account_id"], row["aws_region"]) == (ACCOUNT, "eu-west-1")  # of the key
    assert (row["related_events"], row["unknown_fields"]) == (
        old["relatedEvents"],
        '{"brandNew":[1]}',
    )
    assert row["delivered_by"] == "snapshot"


def test_an_item_is_the_same_through_any_channel_and_another_when_it_says_something_else() -> None:
    first = item(relationships=[{"resourceId": "a"}, {"resourceId": "b"}])
    turned = first | {"relationships": first["relationships"][::-1], "relatedEvents": []}
    loosened = first | {"configuration": {"id": "other"}}
    rows = decode(content([first, turned, loosened]), key()).decoded.config_items.to_pylist()
    ids, states = [row["item_id"] for row in rows], [row["state_hash"] for row in rows]
    assert ids[0] == ids[1] != ids[2]
    assert states[0] == states[1] != states[2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (key("ConfigHistory"), "history"),
        (key("ConfigSnapshot"), "snapshot"),
        (f"AWSLogs/{ACCOUNT}/Config/eu-west-1/2026/3/1/OversizedChangeNotification/AWS::S3::Bucket/b/x", "notification"),
        ("items.json", "other"),
    ],
)  # fmt: skip
def test_the_channel_is_told_by_the_key(name: str, expected: str) -> None:
    assert channel(name) == expected


def test_what_can_not_be_an_item_is_set_aside_and_its_neighbours_are_rows() -> None:
    text = content([item(), {"resourceType": "AWS::S3::Bucket"}, item(resource_id="sg-2")])
    damaged = text.replace(b'"sg-2"', b'"sg-2" oops', 1)
    result = decode(damaged, key())
    assert (result.outcome.state, result.outcome.records, result.outcome.records_quarantined) == (
        "partial",
        3,
        2,
    )
    assert result.reasons == ["not_config_item", "not_json"]


def test_of_a_file_that_ends_early_what_came_before_is_kept() -> None:
    whole = gzip.compress(content(item(resource_id=f"sg-{number}") for number in range(50)))
    result = decode(whole[:-30], key())
    assert result.outcome.state == "partial"
    assert result.decoded.config_items.num_rows > 0
    assert (result.reasons, result.outcome.sha256) == (["truncated"], None)


REFUSED = {"resourceType": "AWS::S3::Bucket"}
ENDS = "not_json: the file ends early, or its brackets don't pair"


@pytest.mark.parametrize(
    ("items", "cut_off", "expected"),
    [
        ([], 0, ("empty", None, 0, 0)),
        ([{}], 0, ("quarantined", "1 of 1 configuration items are set aside", 1, 1)),
        ([item(), REFUSED], 0, ("partial", "1 of 2 configuration items are set aside", 2, 1)),
        ([item()], 1, ("partial", ENDS, 1, 0)),
        ([item(), REFUSED], 1, ("partial", f"{ENDS}; 1 of 2 configuration items are set aside", 2, 1)),
        ([REFUSED], 1, ("quarantined", f"{ENDS}; 1 of 1 configuration items are set aside", 1, 1)),
        ([], 1, ("quarantined", ENDS, 0, 0)),
    ],
)  # fmt: skip
def test_the_ledger_says_of_a_config_file_what_became_of_it(
    items: list[Any], cut_off: int, expected: tuple[str, str | None, int, int]
) -> None:
    text = content(items)[: -cut_off or None]
    found = decode(text, key())
    state, reason, records, refused = expected
    sha256 = None if cut_off else hashlib.sha256(text).hexdigest()
    assert found.outcome == Outcome("config", state, reason, records, refused, len(text), sha256)
    parts = [(fault.bucket, fault.key, fault.record, fault.content) for fault in found.faults]
    own = [
        ("file", key(), place, json.dumps(each).encode())
        for place, each in enumerate(items)
        if len(each) < 2
    ]
    assert parts == own + [("file", key(), None, None)] * cut_off
    assert [fault.detail for fault in found.faults if fault.record is None] == [
        ENDS.removeprefix("not_json: ")
    ] * cut_off


def test_items_beyond_all_size_are_counted_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_file, "MAX_ITEM_BYTES", 2_000)
    monkeypatch.setattr(config_file, "PIECE_BYTES", 500)
    result = decode(content([item(), item(configuration="x" * 9_000)]), key())
    assert (result.outcome.state, result.outcome.records) == ("partial", 1)
    assert result.outcome.reason == "too_large: 1 items are too large"
    assert (result.reasons, result.faults[0].detail) == (["too_large"], "1 items are too large")


def test_a_log_under_the_key_of_a_config_file_is_read_as_what_it_is() -> None:
    result = decode(json.dumps({"Records": [record(1)]}).encode(), key())
    assert (len(result.events), result.decoded.config_items.num_rows) == (1, 0)


def test_config_files_are_told_by_their_content_where_the_key_is_silent() -> None:
    result = decode(content([item()]), "backup/some.json")
    assert (result.outcome.kind, result.decoded.config_items.num_rows) == ("config", 1)


def test_a_large_snapshot_leaves_memory_in_pieces_and_loses_nothing() -> None:
    spilled: list[pa.Table] = []
    decoder = Decoder(now=NOW, plan_id=42, spill=spilled.append)
    decoder._config.spill_bytes = 100_000
    made = [item(resource_id=f"sg-{number}") for number in range(6_000)]
    outcome = decoder.add("bucket", key("ConfigSnapshot"), gzip.compress(content(made)))
    rows = pa.concat_tables([*spilled, decoder.finish().config_items])
    assert outcome.records == rows.num_rows == 6_000
    assert len(spilled) >= 3
    assert rows["source_row"].to_pylist() == list(range(6_000))
    assert set(rows["plan_id"].to_pylist()) == {42}


def test_values_of_an_item_are_hidden_and_its_identity_stays() -> None:
    def rows(treatment: Treatment) -> dict[str, Any]:
        decoder = Decoder(now=NOW, treatment=treatment)
        secret = {"environment": {"variables": {"KEY": "hunter2"}}, "handler": "main"}
        text = json.dumps(secret)  # as Config's API writes it
        decoder.add(
            "bucket", key(), content([item("AWS::Lambda::Function", "f", configuration=text)])
        )
        (row,) = decoder.finish().config_items.to_pylist()
        return row

    masking = Redactor(rules(["configuration.environment.variables.*"], []))
    hidden, plain = rows(Treatment(RecordRedactor(masking))), rows(Treatment())
    assert "hunter2" not in json.dumps(hidden, default=str)
    assert json.loads(hidden["configuration"])["handler"] == "main"
    assert hidden["masked_paths"] == "configuration.environment.variables.*"
    assert hidden["item_id"] == plain["item_id"]


SPELLINGS = [name for names in config_item._SPELLINGS.values() for name in names]
ITEMS = st.dictionaries(st.sampled_from(SPELLINGS) | TEXT, json_values, max_size=4).map(
    lambda odd: item() | odd
)


@given(st.lists(ITEMS | json_values, max_size=3).map(content) | st.binary(max_size=80))
@settings(max_examples=40)
def test_any_items_are_rows_or_set_aside_and_their_neighbours_stay(data: bytes) -> None:
    found = decode(data, key())  # which counts rows and faults
    assert found.decoded.config_items.schema == config_item.CONFIG_ITEMS
    for row in found.decoded.config_items.to_pylist():
        assert row["resource_type"]
        assert row["resource_id"]
        for name in ("tags", "relationships", "configuration", "unknown_fields"):
            assert row[name] is None or json.loads(row[name]) is not None
    beside = content([item(), item(resource_id="sg-2")]).removesuffix(b"]}")
    (first, second, *_) = decode(
        beside + b"," + data + b"]}", key()
    ).decoded.config_items.to_pylist()
    assert (first["resource_id"], second["resource_id"]) == (item()["resourceId"], "sg-2")


def test_real_items_are_rows() -> None:
    files = sorted((DATA / "aws-config").glob("*.json"))
    found = {path.stem: decode(path.read_bytes(), str(path)).decoded for path in files}
    items = {name: decoded.config_items.to_pylist() for name, decoded in found.items()}
    volume, instance = items["deliver-snapshot-cli_01"]
    assert (volume["resource_type"], instance["resource_id"]) == ("AWS::EC2::Volume", "i-344c463d")
    assert len(volume["related_events"]) == 2
    assert json.loads(volume["configuration"])["attachments"][0]["instanceId"] == "i-344c463d"
    assert {row["status"] for row in items["compliance-history-conformance-pack_01"]} == {
        "OK",
        "ResourceDiscovered",
    }
    assert [row["resource_type"] for row in items["rds-cluster"]] == ["AWS::RDS::DBCluster"]

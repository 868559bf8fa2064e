"""Hidden values reach no column, no other table and no quarantine, by whatever way records come."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.errors import SettingsError
from ctanalytics.lake import forgotten, treatment
from ctanalytics.lake.decode import Decoded, Decoder
from ctanalytics.lake.erasure import Subject
from ctanalytics.lake.redact import Redactor, rules
from ctanalytics.lake.redact_records import RecordRedactor
from ctanalytics.lake.treatment import Treatment
from ctanalytics.settings import Drop, Ingest, Redact, Settings
from tests import configuring
from tests.lake.decoding import INSIGHT, NOW
from tests.logs import START, document, record

SECRET = "IQoJb3JpZ2luX2VjEJr-a-secret"
KEY = b"a key for the tests, long enough"
ASSUME: dict[str, Any] = {
    "eventSource": "sts.amazonaws.com",
    "eventName": "AssumeRole",
    "responseElements": {
        "credentials": {
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionToken": SECRET,
            "expiration": "Mar 1, 2026, 9:00:00 AM",
        },
        "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/deploy/ci"},
    },
}
DEFAULT = Settings().redact.mask


def hiding(mask: list[str] = DEFAULT, hashed: list[str] | None = None) -> Treatment:
    return Treatment(RecordRedactor(Redactor(rules(mask, hashed or []), KEY)))


def read(data: bytes, how: Treatment | None = None, key: str = "k") -> Decoded:
    decoder = Decoder(now=NOW, treatment=how or hiding())
    decoder.add("file", key, data)
    return decoder.finish().in_file_order()


def everything(found: Decoded) -> str:
    """All that would be stored."""
    tables = (found.events, found.insights, found.aggregated)
    rows = [table.to_pylist() for table in tables]
    return json.dumps([rows, [repr(fault) for fault in found.faults]], default=str)


def wrapped(one: bytes) -> dict[str, bytes]:
    """One record in the ways that it may come."""
    text = json.dumps(one.decode())
    return {
        "log": b'{"Records":[' + one + b"]}",
        "bare": one,
        "list": b"[" + one + b"]",
        "lines": one + b"\n" + one,
        "eventbridge": b'{"detail-type":"AWS API Call via CloudTrail","detail":' + one + b"}",
        "lookup": f'{{"Events":[{{"CloudTrailEvent":{text}}}]}}'.encode(),
        "logs": f'{{"messageType":"DATA_MESSAGE","logEvents":[{{"message":{text}}}]}}'.encode(),
        "damaged": b'{"Records":[' + one + b',{"eventName":}]}',
        "unknown-version": b'{"Records":[' + one.replace(b'"1.11"', b'"2.0"') + b"]}",
        "no-record": b'{"Records":[{"body":' + one + b'},{"eventName":"X","eventVersion":"1.0"}]}',
        "cut": b'{"Records":[' + one[:-200] + b"\n" + one,
        "trailing": gzip.compress(b'{"Records":[]}') + gzip.compress(one),
    }


@pytest.mark.parametrize("way", wrapped(b"{}"))
def test_the_secret_of_temporary_credentials_is_stored_nowhere(way: str) -> None:
    one = json.dumps(record(0, **ASSUME), separators=(",", ":")).encode()
    for text in (one, one.replace(b"sessionToken", rb"session\u0054oken")):
        data = wrapped(text)[way]
        assert SECRET not in everything(read(data))
        for row in read(data).events.to_pylist():
            if row["event_name"] == "AssumeRole":
                assert row["masked_paths"] == DEFAULT[0]
                assert row["record_sha256"] == hashlib.sha256(text).hexdigest()
                expected = text.replace(SECRET.encode(), b"***")
                assert row["response_elements"].encode() in expected
                assert json.loads(row["response_elements"])["credentials"]["accessKeyId"]


def test_records_that_hold_nothing_to_hide_stay_as_they_are() -> None:
    records = [record(0), record(1, **ASSUME), record(2, requestParameters={"sessionToken": "x"})]
    plain, hidden = read(document(records), Treatment()), read(document(records))
    rows = list(zip(plain.events.to_pylist(), hidden.events.to_pylist(), strict=True))
    assert [one == other for one, other in rows] == [True, False, True]
    changed = {name for name, value in rows[1][0].items() if rows[1][1][name] != value}
    assert changed == {"response_elements", "record_sha256", "masked_paths"}


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("spaced", [False, True])
def test_the_hash_is_that_of_the_records_bytes_in_the_file(count: int, spaced: bool) -> None:
    """However few of a file's records are changed, and however the file is written."""
    records = [record(number, **(ASSUME if number % 20 == 0 else {})) for number in range(count)]
    texts = [json.dumps(each, indent=1 if spaced else None).encode() for each in records]
    data = b'{ "Records" : [\n' + b" , ".join(texts) + b"\n] }\n"
    compact = [json.dumps(each, separators=(",", ":")).encode() for each in records]
    for content, originals in (
        (data, texts),
        (b'{"Records":[' + b",".join(compact) + b"]}", compact),
    ):
        for row in read(content).events.to_pylist():
            original = originals[row["source_row"]]
            expected = hashlib.sha256(original).hexdigest() if SECRET.encode() in original else None
            assert row["record_sha256"] == expected


def test_a_copy_of_a_record_within_another_does_not_mislead_the_hash() -> None:
    inner = record(5, **ASSUME)
    outer = [record(n, requestParameters={"list": [inner, inner]}, **ASSUME) for n in range(30)]
    content = document([*map(record, range(100, 300)), *outer])
    texts = [json.dumps(each, separators=(",", ":")).encode() for each in outer]
    digests = [row["record_sha256"] for row in read(content).events.to_pylist()][200:]
    assert digests == [hashlib.sha256(text).hexdigest() for text in texts]


def test_hashed_fields_are_consistent_in_columns_derived_columns_and_json_text() -> None:
    paths = ["sourceIPAddress", "userIdentity.userName", "userIdentity.arn",
             "requestParameters.userName", "newField.address"]  # fmt: skip
    one = record(
        0, requestParameters={"userName": "dora"}, newField={"address": "203.0.113.9"}, extra=1
    )
    rows = read(document([one, record(1)]), hiding(hashed=paths)).events.to_pylist()
    name, address = Redactor((), KEY).hash(b"dora"), Redactor((), KEY).hash(b"203.0.113.9")
    arn = Redactor((), KEY).hash(one["userIdentity"]["arn"].encode())
    for row in rows:
        assert (row["source_ip_address"], row["source_ip_kind"]) == (address, "other")
        assert (row["user_name"], row["identity_arn"]) == (name, arn)
        assert row["principal_arn"] == row["actor"] == arn
        identity = json.loads(row["user_identity"])
        assert (identity["userName"], identity["arn"]) == (name, arn)
        assert row["record_sha256"]
    assert json.loads(rows[0]["request_parameters"]) == {"userName": name}
    assert json.loads(rows[0]["unknown_fields"])["newField"] == {"address": address}
    assert set(rows[0]["masked_paths"].split(",")) == set(paths)
    assert "dora" not in everything(read(document([one]), hiding(hashed=paths)))


def test_the_careful_way_hides_as_the_fast_way_does() -> None:
    paths = (["userAgent", "tlsDetails.tlsVersion", "resources[*].ARN"], ["sourceIPAddress"])
    records = [
        record(0, resources=[{"ARN": "arn:aws:s3:::secret", "type": "AWS::S3::Bucket"}]),
        record(1, **ASSUME),
        record(2, userAgent=None),
    ]
    fast = read(document(records), hiding(*paths)).events.to_pylist()
    slow = read(json.dumps(records, separators=(",", ":")).encode(), hiding(*paths)).events
    for one, other in zip(fast, slow.to_pylist(), strict=True):
        assert set(one.pop("masked_paths").split(",")) == set(other.pop("masked_paths").split(","))
        assert one == other
    assert fast[0]["user_agent"] == "***" and fast[2]["user_agent"] is None
    assert fast[0]["resource_arns"] == ["***"] and fast[0]["tls_version"] == "***"


def test_insights_and_aggregated_events_are_hidden_too() -> None:
    aggregated = {"eventVersion": "1.0", "eventCategory": "Aggregated", "accountId": "111122223333",
                  "summary": {"callers": [SECRET]}, "eventId": "a"}  # fmt: skip
    how = hiding(["insightDetails.insightContext", "summary.callers[*]"])
    insight = INSIGHT | {"insightDetails": {**INSIGHT["insightDetails"], "insightContext": SECRET}}  # type: ignore[dict-item]
    found = read(json.dumps([insight, aggregated]).encode(), how)
    assert (found.insights.num_rows, found.aggregated.num_rows) == (1, 1)
    assert SECRET not in everything(found)
    assert '"***"' in found.insights["record"][0].as_py()


def test_records_that_rules_and_requests_leave_out_are_counted_together() -> None:
    gone = "444455556666"
    request = forgotten.new(Subject("account", gone), "remove", START, "asked for")
    rule = Drop(name="noise", event_name=["Get*"])
    decoder = Decoder(now=NOW, treatment=Treatment(None, (rule,), forgotten.Forgotten((request,))))
    decoder.add("file", "k", document([record(0), record(1, eventName="ListKeys")]))
    decoder.add(
        "file", configuring.key(), configuring.content([configuring.item(awsAccountId=gone)])
    )
    found = decoder.finish()
    assert (found.events.num_rows, found.config_items.num_rows) == (1, 0)
    assert found.dropped.by_rule == {"noise": 1, treatment.FORGOTTEN_RULE: 1}
    assert found.dropped.by_object == {"file/k": 1, f"file/{configuring.key()}": 1}


class Blind(Treatment):
    """Follows no path in any text."""

    def hidden(self, record: bytes) -> tuple[bytes, tuple[str, ...]] | None:
        return None


def test_a_record_in_which_what_has_to_be_hidden_can_not_be_found_is_set_aside() -> None:
    (fault,) = read(json.dumps([record(0)]).encode(), Blind()).faults
    assert (fault.record, fault.reason) == (0, "not_json")
    assert fault.detail == "what has to be hidden in it can't be found"


MASKS = st.lists(
    st.sampled_from([
        *DEFAULT, "requestParameters", "requestParameters.a", "requestParameters.*.b",
        "requestParameters[*].a", "userIdentity.userName", "userAgent", "zone.a", "tlsDetails.*",
    ]), min_size=1, max_size=3, unique=True)  # fmt: skip
PARTS = st.recursive(
    st.just(SECRET) | st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(MASKS, st.lists(PARTS, min_size=1, max_size=3), st.sampled_from(sorted(wrapped(b"{}"))))
def test_every_way_of_coming_hides_all_that_lies_at_the_paths(
    mask: list[str], parts: list[Any], way: str
) -> None:
    one = record(
        0,
        requestParameters=parts[0],
        responseElements={"credentials": {"sessionToken": parts[-1]}},
        zone=parts[len(parts) // 2],
        tlsDetails={"tlsVersion": SECRET},
        userAgent=SECRET,
    )
    text = json.dumps(one, separators=(",", ":")).encode()
    redactor = Redactor(rules(mask, []))
    hidden, paths = redactor.record(text)
    for row in read(wrapped(text)[way], hiding(mask)).events.to_pylist():
        if row["event_name"] != "GetBucketAcl":
            continue
        assert set((row["masked_paths"] or "").split(",")) == set(paths or [""])
        shown = json.loads(hidden)
        for key, column in (("requestParameters", "request_parameters"), ("zone", "unknown_fields"),
                            ("responseElements", "response_elements")):  # fmt: skip
            stored = row[column] and json.loads(row[column])
            if column == "unknown_fields":
                stored = stored and stored.get("zone")
            assert stored == shown[key]
        assert row["user_agent"] == shown["userAgent"]


def test_a_treatment_travels_as_a_spec_that_holds_no_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(treatment.KEY_VARIABLE, KEY.decode())
    given_settings = Settings(
        redact=Redact(hash=["userAgent"]),
        ingest=Ingest(drop=[Drop(name="noise", read_only=True)]),
    )
    spec = json.loads(json.dumps(treatment.spec(given_settings)))
    assert KEY.decode() not in json.dumps(spec)
    made = treatment.from_spec(spec)
    assert made.drops[0].name == "noise"
    rows = read(document([record(0, readOnly=False)]), made).events.to_pylist()
    assert rows[0]["user_agent"].startswith("hmac:")
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    assert treatment.read_key(str(file)) == KEY
    assert KEY.decode() not in repr(made)


@pytest.mark.parametrize("key", [None, "short"])
def test_hashing_without_a_key_of_some_length_is_refused(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(treatment.KEY_VARIABLE, raising=False)
    if key:
        monkeypatch.setenv(treatment.KEY_VARIABLE, key)
    with pytest.raises(SettingsError) as caught:
        treatment.from_spec(treatment.spec(Settings(redact=Redact(hash=["userAgent"]))))
    assert "key" in caught.value.what
    with pytest.raises(SettingsError):
        treatment.read_key("/nowhere/key")


def test_the_hash_of_the_settings_tells_paths_rules_and_keys_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def digest(key: str = KEY.decode(), **sections: Any) -> str:
        monkeypatch.setenv(treatment.KEY_VARIABLE, key)
        return treatment.digest(Settings(**sections))

    digests = [
        digest(),
        digest(redact=Redact(mask=[])),
        digest(redact=Redact(hash=["userAgent"])),
        digest(redact=Redact(hash=["userAgent"]), key="another key, long enough too"),
        digest(ingest=Ingest(drop=[Drop(name="noise", read_only=True)])),
        digest(ingest=Ingest(max_expansion=7)),
    ]
    assert len(set(digests)) == len(digests)
    assert digest(ingest=Ingest(workers=7)) == digest()

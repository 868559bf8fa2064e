"""Each way to tamper with a digest, its signature or its key, and what is said about it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.app.validate import validate
from ctanalytics.integrity import log_file, signature
from ctanalytics.integrity.keys import KeyFiles
from tests.integrity.checking import check, hours, spans
from tests.integrity.trail import Trail, public_keys

NO_KEYS = KeyFiles((), "nowhere")


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_no_flipped_bit_of_a_digest_goes_unseen(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trail = Trail(hours=3, logs_an_hour=1)
    found = trail.objects[trail.digests[1]]
    content = bytearray(gzip.decompress(found.data))
    content[place % len(content)] ^= 1 << bit
    found.data = gzip.compress(bytes(content), mtime=0)
    result, verdicts = check(trail, tmp_path_factory.mktemp("copy"))
    assert verdicts[trail.digests[1]] in ("modified", "bad signature", "moved", "unknown key")
    assert spans(result) == [hours(1, 2)]


def test_a_bomb_is_neither_a_digest_nor_a_log_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "MAX_DIGEST_BYTES", 10_000)
    monkeypatch.setattr(log_file, "MAX_BYTES", 10_000)
    bomb = gzip.compress(b"[" * 50_000_000, 1)
    judged = signature.judge(bomb, {}, keys=NO_KEYS, place=(None, None))
    assert (judged.verdict, judged.trusted) == ("unreadable", False)
    assert log_file.content_of(bomb).verdict == "unreadable"
    deep = gzip.compress(b"[" * 9_000)
    assert signature.judge(deep, {}, keys=NO_KEYS, place=(None, None)).verdict == "modified"


def test_an_altered_digest_does_not_vouch_for_its_log_files(tmp_path: Path) -> None:
    trail = Trail()
    found = trail.objects[trail.digests[2]]
    content = json.loads(gzip.decompress(found.data))
    content["logFiles"] = content["logFiles"][:1]
    found.data = gzip.compress(json.dumps(content).encode())
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[2]] == "modified"
    assert {verdicts[key] for key in trail.logs[2]} == {"uncovered"}
    assert spans(result) == [hours(2, 3)]


def test_an_altered_newest_digest_has_a_bad_signature(tmp_path: Path) -> None:
    trail = Trail()
    found = trail.objects[trail.digests[-1]]
    found.data = gzip.compress(gzip.decompress(found.data) + b" ")
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "bad signature"


def test_swapped_signatures_are_bad(tmp_path: Path) -> None:
    trail = Trail()
    one, other = (trail.objects[trail.digests[place]] for place in (1, 3))
    one.metadata, other.metadata = other.metadata, one.metadata
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[1]] == verdicts[trail.digests[3]] == "bad signature"
    assert spans(result) == [hours(1, 2), hours(3, 4)]


@pytest.mark.parametrize(
    "signature",
    ["", "zz", "00" * 256, "é", "ab" * 10_000],
    ids=["none", "no-hex", "0", "é", "long"],
)
def test_a_signature_that_is_none_is_bad(signature: str, tmp_path: Path) -> None:
    trail = Trail(hours=2)
    trail.objects[trail.digests[-1]].metadata["signature"] = signature
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "bad signature"


def test_another_algorithm_is_a_bad_signature(tmp_path: Path) -> None:
    trail = Trail(hours=2)
    trail.objects[trail.digests[-1]].metadata["signature-algorithm"] = "none"
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "bad signature"


def test_a_digest_signed_with_a_key_of_ones_own_is_refused(tmp_path: Path) -> None:
    trail = Trail()
    trail.signer = "attacker"
    trail.put_digest(trail.digests[-1], *hours(5, 6), [], trail.digests[-2])  # type: ignore[arg-type]
    trail.signer = "aws"
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "unknown key"


def test_a_forged_digest_under_the_true_fingerprint_is_refused(tmp_path: Path) -> None:
    trail = Trail()
    true = json.loads(gzip.decompress(trail.objects[trail.digests[-1]].data))
    trail.signer = "attacker"
    key, field = trail.digests[-1], "digestPublicKeyFingerprint"
    trail.put_digest(key, *hours(5, 6), [], trail.digests[-2], **{field: true[field]})  # type: ignore[arg-type]
    trail.signer = "aws"
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "bad signature"


def test_a_key_counts_only_in_its_time(tmp_path: Path) -> None:
    trail = Trail()
    folder = trail.write(tmp_path)
    keys = tmp_path / "keys.json"
    keys.write_bytes(public_keys({trail.region: "aws"}, *hours(-100, 1.5)))  # type: ignore[arg-type]
    result = validate(folder, public_keys=[keys])
    assert result.digests == {"unknown key": 4, "valid": 2}


def test_a_key_that_becomes_valid_just_after_a_digest_may_have_signed_it(tmp_path: Path) -> None:
    trail = Trail(hours=1)
    folder = trail.write(tmp_path)
    keys = tmp_path / "keys.json"
    keys.write_bytes(public_keys({trail.region: "aws"}, *hours(2.9, 100)))  # type: ignore[arg-type]
    assert validate(folder, public_keys=[keys]).whole


def test_the_key_of_another_region_is_no_key(tmp_path: Path) -> None:
    trail = Trail()
    folder = trail.write(tmp_path)
    keys = tmp_path / "keys.json"
    keys.write_bytes(public_keys({"us-west-2": "aws"}))
    assert validate(folder, public_keys=[keys]).digests == {"unknown key": 6}


def test_the_raw_reply_of_aws_serves_as_keys(tmp_path: Path) -> None:
    trail = Trail()
    folder = trail.write(tmp_path, keys=False)
    found = json.loads(public_keys({trail.region: "aws"}))
    for entry in found["PublicKeyList"]:
        del entry["Region"]
        for name in ("ValidityStartTime", "ValidityEndTime"):
            entry[name] = dt.datetime.fromisoformat(entry[name]).timestamp()
    (tmp_path / "reply.json").write_text(json.dumps(found))
    assert validate(folder, public_keys=[tmp_path / "reply.json"]).whole

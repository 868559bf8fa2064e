"""Each way to tamper with a copy, and what is said about it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.app.validate import ValidateResult, validate
from ctanalytics.integrity.verdict import VERDICTS, Checked, line
from tests.integrity.trail import HOUR, START, Object, Trail, public_keys


def check(trail: Trail, folder: Path, **more: Any) -> tuple[ValidateResult, dict[str, str]]:
    """Validate a trail as a folder; return the result and the verdict of every key."""
    rows: list[Checked] = []
    result = validate(trail.write(folder), report=rows.append, **more)
    return result, {row.key: row.verdict for row in rows if row.kind != "gap"}


def spans(result: ValidateResult) -> list[tuple[dt.datetime, dt.datetime]]:
    return [(gap.since, gap.until) for gap in result.gaps if gap.since and gap.until]


def hours(*span: float) -> tuple[dt.datetime, ...]:
    return tuple(START + hour * HOUR for hour in span)


def test_an_intact_trail_is_whole(tmp_path: Path) -> None:
    trail = Trail()
    result, verdicts = check(trail, tmp_path)
    assert result.whole
    assert set(verdicts) == {*trail.digests, *trail.all_logs}
    assert set(verdicts.values()) == {"valid"}
    assert result.digests == {"valid": 6} and result.log_files == {"valid": 12}
    assert (result.found_since, result.found_until) == (START, trail.end)


def flip(data: bytes) -> bytes:
    content = gzip.decompress(data)
    return gzip.compress(content.replace(b"ListBuckets", b"ListBucketz"), mtime=0)


def append_member(data: bytes) -> bytes:
    return data + gzip.compress(b'{"Records":[{"eventName":"forged"}]}')


LOG_FAULTS = [
    pytest.param(flip, "modified", id="another-content"),
    pytest.param(append_member, "trailing data", id="a-second-member"),
    pytest.param(lambda data: data + b"\0" * 512, "trailing data", id="zeros-behind"),
    pytest.param(lambda data: data[:-9], "truncated", id="cut-in-the-trailer"),
    pytest.param(lambda data: data[:40], "truncated", id="cut-in-the-content"),
    pytest.param(lambda data: flip(append_member(data)), "modified", id="both-members-in-one"),
    pytest.param(gzip.decompress, "modified", id="not-compressed"),
    pytest.param(lambda data: b"", "modified", id="emptied"),
    pytest.param(lambda data: b"\x1f\x8b" + b"x" * 50, "modified", id="no-gzip"),
]


@pytest.mark.parametrize(("change", "verdict"), LOG_FAULTS)
def test_a_tampered_log_file_is_named(
    change: Callable[[bytes], bytes], verdict: str, tmp_path: Path
) -> None:
    trail = Trail()
    key = trail.logs[2][1]
    trail.objects[key].data = change(trail.objects[key].data)
    result, verdicts = check(trail, tmp_path)
    assert verdicts.pop(key) == verdict
    assert set(verdicts.values()) == {"valid"}
    assert [row.key for row in result.findings] == [key]
    assert not result.gaps


@given(data=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_other_bytes_pass_for_a_log_file(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trail = Trail(hours=1, logs_an_hour=1)
    trail.objects[trail.all_logs[0]].data = data
    result, verdicts = check(trail, tmp_path_factory.mktemp("copy"))
    assert not result.whole
    assert verdicts[trail.all_logs[0]] in set(VERDICTS) - {"valid", "pending"}


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


def test_a_missing_log_file_is_named(tmp_path: Path) -> None:
    trail = Trail()
    del trail.objects[trail.logs[1][0]]
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.logs[1][0]] == "missing"
    assert len(result.findings) == 1


def test_swapped_log_files_are_both_modified(tmp_path: Path) -> None:
    trail = Trail()
    one, other = trail.logs[1]
    trail.objects[one], trail.objects[other] = trail.objects[other], trail.objects[one]
    _, verdicts = check(trail, tmp_path)
    assert verdicts[one] == verdicts[other] == "modified"


def test_a_moved_log_file_is_found_where_it_went(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.logs[1][0]
    new = key.replace("/02/", "/02/hidden/")
    trail.objects[new] = trail.objects.pop(key)
    result, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "moved"
    assert "hidden" in result.findings[0].detail
    assert len(result.findings) == 1


def test_a_planted_log_file_is_unlisted(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.put_log(START + 2.4 * HOUR, "planted000000000")
    result, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "unlisted"
    assert len(result.findings) == 1


def test_a_log_file_after_the_newest_digest_is_pending(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.put_log(trail.end + HOUR / 2, "young00000000000")
    result, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "pending"
    assert result.whole


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


def test_one_missing_digest_is_named_and_its_hour_too(tmp_path: Path) -> None:
    trail = Trail()
    del trail.objects[trail.digests[2]]
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[2]] == "missing"
    assert spans(result) == [hours(2, 3)]
    assert {verdicts[key] for key in trail.logs[2]} == {"uncovered"}


def test_two_digests_gone_in_a_row_leave_two_uncovered_hours(tmp_path: Path) -> None:
    trail = Trail()
    for place in (2, 3):
        del trail.objects[trail.digests[place]]
    result, _ = check(trail, tmp_path)
    assert spans(result) == [hours(2, 4)]


def test_the_newest_digests_gone_are_a_missing_tail(tmp_path: Path) -> None:
    trail = Trail()
    for place in (4, 5):
        del trail.objects[trail.digests[place]]
    result, _ = check(trail, tmp_path, until=trail.end, now=trail.end + 5 * HOUR)
    assert spans(result) == [hours(4, 6)]
    assert "tail missing" in result.gaps[0].detail


def test_the_tail_of_one_region_is_missed_by_the_clock_of_another(tmp_path: Path) -> None:
    trail, other = Trail(), Trail(region="us-west-2")
    for place in (3, 4, 5):
        del trail.objects[trail.digests[place]]
    other.write(tmp_path)
    trail.write(tmp_path)
    (tmp_path / "public-keys.json").write_bytes(
        public_keys({trail.region: "aws", other.region: "aws"})
    )
    result = validate(tmp_path)
    assert [gap.aws_region for gap in result.gaps] == [trail.region]
    assert spans(result)[0][0] == START + 3 * HOUR


def test_a_trail_that_was_off_has_a_gap_that_says_so(tmp_path: Path) -> None:
    trail = Trail(hours=2)
    end = trail.end
    planted = trail.put_log(end + HOUR, "off0000000000000")
    trail.add_hour(starting=True, skip=3 * HOUR)
    result, verdicts = check(trail, tmp_path)
    assert spans(result) == [(end, end + 3 * HOUR)]
    assert line(result.gaps[0]).startswith(
        "No log files were delivered by CloudTrail between 2026-03-02T08:00:00Z and "
        "2026-03-02T11:00:00Z"
    )
    assert verdicts[planted] == "uncovered"


def test_no_digests_at_all_is_a_gap_over_the_whole_span(tmp_path: Path) -> None:
    trail = Trail()
    for key in trail.digests:
        del trail.objects[key]
    result, verdicts = check(trail, tmp_path, since=START, until=trail.end)
    assert spans(result) == [(START, trail.end)]
    assert set(verdicts.values()) == {"uncovered"}


def test_a_moved_digest_is_moved(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.digests[3]
    new = key.replace("T1000", "T1010")
    assert new != key
    trail.objects[new] = trail.objects.pop(key)
    result, verdicts = check(trail, tmp_path)
    assert verdicts[new] == "moved" and verdicts[key] == "missing"
    assert spans(result) == [hours(3, 4)]


def test_the_digest_of_another_account_proves_nothing_here(tmp_path: Path) -> None:
    trail, other = Trail(), Trail(account="444455556666")
    key = trail.digests[2]
    trail.objects[key] = other.objects[other.digests[2]]
    _, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "moved"


def test_bytes_behind_a_digest_are_told_and_it_still_vouches(tmp_path: Path) -> None:
    trail = Trail()
    trail.objects[trail.digests[2]].data += gzip.compress(b"{}")
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[2]] == "trailing data"
    assert {verdicts[key] for key in trail.logs[2]} == {"valid"}
    assert len(result.findings) == 1 and not result.gaps


def test_a_copy_that_lost_its_metadata_is_checked_by_the_successors(tmp_path: Path) -> None:
    trail = Trail()
    for key in trail.digests:
        trail.objects[key].metadata = {}
    result, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[-1]] == "bad signature"
    assert result.digests == {"bad signature": 1, "valid": 4, "missing": 0} or (
        # Without the newest, nothing names the signature of the one before it.
        result.digests == {"bad signature": 6}
    )


def test_a_copy_without_the_metadata_of_older_digests_is_whole(tmp_path: Path) -> None:
    trail = Trail()
    for key in trail.digests[:-1]:
        trail.objects[key].metadata = {}
    assert check(trail, tmp_path)[0].whole


def test_a_successor_that_names_another_hash_is_believed(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    # Signed by AWS and in its place, but not the digest that the next one followed on.
    trail.put_digest(trail.digests[1], *hours(1, 2), [], trail.digests[0])  # type: ignore[arg-type]
    _, verdicts = check(trail, tmp_path)
    assert verdicts[trail.digests[1]] == "modified"


def test_backfill_digests_vouch_for_what_the_ordinary_ones_missed(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.add_backfill(2)
    result, verdicts = check(trail, tmp_path)
    assert result.whole
    assert result.backfill_digests == {"valid": 1}
    assert verdicts[key] == "valid"
    assert result.log_files == {"valid": 13}


def test_a_backfill_digest_without_its_time_is_not_believed(tmp_path: Path) -> None:
    trail = Trail()
    key = trail.add_backfill(2)
    del trail.objects[key].metadata["backfill-generation-timestamp"]
    result, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "bad signature"
    assert result.log_files == {"unlisted": 1, "valid": 12}


def test_organization_trails_and_prefixes_are_found(tmp_path: Path) -> None:
    trails = [
        Trail(account=account, region=region, organization="o-a1b2c3d4e5", prefix="o-a1b2c3d4e5")
        for account in ("111122223333", "444455556666")
        for region in ("eu-west-1", "us-gov-west-1")
    ]
    for trail in trails:
        trail.write(tmp_path)
    (tmp_path / "public-keys.json").write_bytes(
        public_keys({"eu-west-1": "aws", "us-gov-west-1": "aws"})
    )
    result = validate(tmp_path)
    assert result.whole and result.chains == 4
    assert result.digests == {"valid": 24}
    assert validate(tmp_path, accounts=["444455556666"]).digests == {"valid": 12}
    assert validate(tmp_path, regions=["us-gov-west-1"]).digests == {"valid": 12}


def test_two_trails_of_one_bucket_vouch_each_for_their_own(tmp_path: Path) -> None:
    main = Trail()
    data = Trail(trail="data", start=START + HOUR / 2)
    data.write(tmp_path)
    result, verdicts = check(main, tmp_path)
    assert result.whole and result.digests == {"valid": 12}
    only = validate(tmp_path, trail_arn=main.arn())
    assert only.whole and only.digests == {"valid": 6} and only.log_files == {"valid": 12}
    assert "unlisted" not in verdicts.values()


def test_a_part_of_a_copy_can_be_named(tmp_path: Path) -> None:
    trail = Trail(prefix="some/where")
    trail.write(tmp_path)
    keys = [tmp_path / "public-keys.json"]
    for inner in ("some", "some/where/AWSLogs", f"{trail.root}", f"{trail.root}/CloudTrail-Digest"):
        result = validate(tmp_path / inner, public_keys=keys)
        assert result.whole, inner
        assert result.log_files == {"valid": 12}


def test_a_copy_of_another_layout_is_held_to_its_original_place(tmp_path: Path) -> None:
    trail = Trail(prefix="deep/er")
    folder = trail.write(tmp_path / "copy")
    (tmp_path / "copy/deep/er/AWSLogs").rename(tmp_path / "copy/AWSLogs")
    assert validate(folder).whole
    assert validate(folder, original_location=f"s3://{trail.bucket}/deep/er").whole
    assert validate(folder, original_location="s3://another/deep/er").digests == {"moved": 6}


def test_a_span_chooses_hours(tmp_path: Path) -> None:
    trail = Trail()
    since, until = hours(2, 4)
    result, verdicts = check(trail, tmp_path, since=since, until=until)
    assert result.whole
    # The digest after the end lists what was delivered just before it.
    assert set(verdicts) == {*trail.digests[2:5], *(k for h in trail.logs[2:5] for k in h)}


def test_hours_before_the_chain_are_uncovered(tmp_path: Path) -> None:
    trail = Trail()
    result, _ = check(trail, tmp_path, since=START - 2 * HOUR)
    assert spans(result) == [hours(-2, 0)]


def test_a_stranger_among_the_digests_is_unlisted(tmp_path: Path) -> None:
    trail = Trail()
    key = f"{trail.root}/CloudTrail-Digest/{trail.region}/2026/03/02/readme.txt"
    trail.objects[key] = Object(b"hello")
    result, verdicts = check(trail, tmp_path)
    assert verdicts[key] == "unlisted"
    assert len(result.findings) == 1


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    trail = Trail()
    folder = trail.write(tmp_path / "copy")
    key = trail.logs[1][0]
    outside = tmp_path / "outside.gz"
    (folder / key).rename(outside)
    (folder / key).symlink_to(outside)
    assert validate(folder).log_files == {"unreadable": 1, "valid": 11}


def test_a_name_in_a_digest_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    trail = Trail(hours=1)
    (tmp_path / "secret.gz").write_bytes(gzip.compress(b"secret"))
    evil = f"{trail.root}/CloudTrail/../../../../secret.gz"
    trail.objects[evil] = Object(gzip.compress(b"secret"))
    trail.put_digest(trail.digests[0], *hours(0, 1), [evil], None)  # type: ignore[arg-type]
    del trail.objects[evil]
    rows: list[Checked] = []
    validate(trail.write(tmp_path / "copy"), report=rows.append)
    assert [row.verdict for row in rows if row.key == evil] == ["missing"]


def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    trail = Trail()
    folder = trail.write(tmp_path / "copy")

    class StoppedError(Exception):
        pass

    seen = 0

    def stop(row: Checked) -> None:
        nonlocal seen
        seen += row.kind == "log"
        if seen == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        validate(folder, resume=tmp_path / "state", report=stop)
    first = validate(folder, resume=tmp_path / "state")
    assert first.whole and first.log_files == {"valid": 12}
    # What was valid and was written to since is read again.
    path = folder / trail.logs[0][0]
    path.write_bytes(flip(path.read_bytes()))
    again = validate(folder, resume=tmp_path / "state")
    assert again.log_files == {"modified": 1, "valid": 11}


def test_the_order_of_rows_is_the_same_every_time(tmp_path: Path) -> None:
    trails = [Trail(region=region) for region in ("eu-west-1", "eu-west-2", "eu-west-3")]
    for trail in trails:
        trail.write(tmp_path)
    keys = tmp_path / "public-keys.json"
    keys.write_bytes(public_keys({trail.region: "aws" for trail in trails}))
    runs = []
    for workers in (1, 16):
        rows: list[Checked] = []
        validate(tmp_path, report=rows.append, workers=workers)
        runs.append(rows)
    assert runs[0] == runs[1]

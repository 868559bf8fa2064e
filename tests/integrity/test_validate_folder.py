"""Copies of a trail with holes, moved files or odd layouts, and what is said about them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ctanalytics.app.validate import validate
from ctanalytics.integrity.verdict import Checked, line
from tests.integrity.checking import check, flip, hours, spans
from tests.integrity.trail import HOUR, START, Object, Trail, public_keys


def test_an_intact_trail_is_whole(tmp_path: Path) -> None:
    trail = Trail()
    result, verdicts = check(trail, tmp_path)
    assert result.whole
    assert set(verdicts) == {*trail.digests, *trail.all_logs}
    assert set(verdicts.values()) == {"valid"}
    assert result.digests == {"valid": 6} and result.log_files == {"valid": 12}
    assert (result.found_since, result.found_until) == (START, trail.end)


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

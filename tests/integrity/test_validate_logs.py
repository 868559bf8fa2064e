"""Each way to tamper with a log file, and what is said about it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.integrity.verdict import VERDICTS
from tests.integrity.checking import append_member, check, flip
from tests.integrity.trail import HOUR, START, Trail

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

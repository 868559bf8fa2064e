"""Validation of a bucket, with the keys that CloudTrail gives."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from ctanalytics.app.validate import ValidateResult, validate
from ctanalytics.errors import SourceError
from ctanalytics.integrity.verdict import Checked
from tests.aws_server import Server, aws_server, json_error, s3_error
from tests.integrity.trail import BUCKET, HOUR, REGION, START, Trail, list_public_keys


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.disturb.append(list_public_keys({REGION: "aws"}))
        yield running


def check(server: Server, trail: Trail, **more: Any) -> tuple[ValidateResult, dict[str, Checked]]:
    if not any(found["Name"] == BUCKET for found in server.client("s3").list_buckets()["Buckets"]):
        trail.upload(server.bucket(BUCKET))
    rows: list[Checked] = []
    span = {"since": START, "until": trail.end, "now": trail.end} | more
    result = validate(f"s3://{BUCKET}", report=rows.append, **span)
    return result, {row.key: row for row in rows if row.kind != "gap"}


def test_an_intact_bucket_is_whole_with_the_keys_that_aws_gives(server: Server) -> None:
    trail = Trail(prefix="trails/main")
    result, rows = check(server, trail)
    assert result.whole
    assert set(rows) == {*trail.digests, *trail.all_logs}
    assert result.keys == "cloudtrail:ListPublicKeys"


def test_keys_can_be_kept_for_a_check_without_aws(server: Server, tmp_path: Path) -> None:
    trail = Trail()
    check(server, trail, save_keys=tmp_path / "keys.json")
    result = validate(
        trail.write(tmp_path / "copy", keys=False), public_keys=[tmp_path / "keys.json"]
    )
    assert result.whole


def test_the_tail_up_to_now_must_be_there(server: Server) -> None:
    trail = Trail()
    fresh, _ = check(server, trail, until=None, now=trail.end + 70 * HOUR / 60)
    assert fresh.whole
    late, _ = check(server, trail, until=None, now=trail.end + 2 * HOUR)
    assert [(gap.since, gap.until) for gap in late.gaps] == [(trail.end, trail.end + 2 * HOUR)]


def test_a_young_file_is_pending_and_an_old_one_in_the_tail_is_uncovered(server: Server) -> None:
    trail = Trail()
    key = trail.put_log(trail.end + HOUR / 2, "young00000000000")
    fresh, rows = check(server, trail, until=None, now=trail.end + HOUR)
    assert fresh.whole and rows[key].verdict == "pending"
    _, rows = check(server, trail, until=None, now=trail.end + 4 * HOUR)
    assert rows[key].verdict == "uncovered"


def test_what_may_not_be_read_is_unreadable_and_the_rest_is_checked(server: Server) -> None:
    trail = Trail()
    log, digest = trail.logs[3][0], trail.digests[1]

    def deny(request: Any, _: Any) -> Response | None:
        if request.method == "GET" and (log in request.path or digest in request.path):
            return s3_error("AccessDenied", "Access Denied")
        return None

    server.disturb.append(deny)
    result, rows = check(server, trail)
    assert rows[log].verdict == rows[digest].verdict == "unreadable"
    assert result.digests == {"unreadable": 1, "valid": 5}
    assert "s3:GetObject" in rows[log].detail
    assert [(gap.since, gap.until) for gap in result.gaps] == [(START + HOUR, START + 2 * HOUR)]


def test_an_archived_log_file_is_unreadable(server: Server) -> None:
    trail = Trail()
    log = trail.logs[3][0]

    def archived(request: Any, _: Any) -> Response | None:
        if request.method == "GET" and log in request.path:
            return s3_error("InvalidObjectState", "The operation is not valid for this class")
        return None

    server.disturb.append(archived)
    _, rows = check(server, trail)
    assert rows[log].verdict == "unreadable" and "archive" in rows[log].detail


def test_the_older_version_that_is_true_is_named(server: Server) -> None:
    trail = Trail()
    altered, deleted = trail.logs[1][0], trail.logs[2][0]
    s3 = server.bucket(BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    trail.upload(s3)
    true = s3.list_object_versions(Bucket=BUCKET, Prefix=altered)["Versions"][0]["VersionId"]
    s3.put_object(Bucket=BUCKET, Key=altered, Body=gzip.compress(b'{"Records":[]}'))
    s3.delete_object(Bucket=BUCKET, Key=deleted)
    _, rows = check(server, trail)
    assert rows[altered].verdict == "modified"
    assert f"version {true} has the content that was delivered, replaced at" in rows[altered].detail
    assert rows[deleted].verdict == "missing" and "deleted at" in rows[deleted].detail


def test_a_replica_is_validated_by_its_original_place(server: Server) -> None:
    trail = Trail(prefix="from")
    s3 = server.bucket("replica")
    for key, found in trail.objects.items():
        s3.put_object(
            Bucket="replica", Key=f"copies/{key}", Body=found.data, Metadata=found.metadata
        )
    span = {"since": START, "until": trail.end, "now": trail.end}
    moved = validate("s3://replica/copies", **span)  # type: ignore[arg-type]
    assert moved.digests == {"moved": 6}
    told = validate("s3://replica/copies", original_location=f"s3://{BUCKET}", **span)  # type: ignore[arg-type]
    assert told.whole and told.log_files == {"valid": 12}


def test_a_chain_goes_on_in_the_bucket_the_trail_had_before(server: Server) -> None:
    old = Trail(hours=3, bucket="before")
    new = Trail(hours=3, bucket="before")
    new.objects, new.digests, new.logs = dict(old.objects), list(old.digests), list(old.logs)
    s3 = server.bucket("before")
    for key, found in old.objects.items():
        s3.put_object(Bucket="before", Key=key, Body=found.data, Metadata=found.metadata)
    new.bucket = BUCKET
    end = new.end
    key, log = new.digest_key(end + HOUR), new.put_log(end + HOUR / 2, "later00000000000")
    new.put_digest(key, end, end + HOUR, [log], old.digests[-1], previousDigestS3Bucket="before")
    s3 = server.bucket(BUCKET)
    for name in (key, log):
        s3.put_object(
            Bucket=BUCKET,
            Key=name,
            Body=new.objects[name].data,
            Metadata=new.objects[name].metadata,
        )
    rows: list[Checked] = []
    result = validate(
        f"s3://{BUCKET}", since=START, until=end + HOUR, now=end + HOUR, report=rows.append
    )
    assert result.whole
    assert result.digests == {"valid": 4} and result.log_files == {"valid": 7}


def test_a_throttled_read_is_repeated(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    trail = Trail(hours=2)
    slow = {trail.logs[0][0]: 3}

    def busy(request: Any, _: Any) -> Response | None:
        for key in slow:
            if request.method == "GET" and key in request.path and slow[key]:
                slow[key] -= 1
                return s3_error("SlowDown", "Please reduce your request rate.", 503)
        return None

    server.disturb.append(busy)
    assert check(server, trail)[0].whole


def test_keys_that_can_not_be_asked_for_end_the_run(server: Server) -> None:
    def deny(request: Any, _: Any) -> Response | None:
        if request.headers.get("X-Amz-Target", "").endswith("ListPublicKeys"):
            return json_error("AccessDeniedException", "not authorized")
        return None

    server.disturb.insert(0, deny)
    with pytest.raises(SourceError) as caught:
        check(server, Trail(hours=2))
    assert "ListPublicKeys" in caught.value.where


def test_a_resumed_run_fetches_no_valid_file_again(server: Server, tmp_path: Path) -> None:
    trail = Trail()
    check(server, trail, resume=tmp_path / "state")
    server.requests.clear()
    result, _ = check(server, trail, resume=tmp_path / "state")
    assert result.whole
    assert server.count("GET", "/CloudTrail/eu-west-1/2026") == 0
    assert server.count("HEAD", "/CloudTrail/eu-west-1/2026") == 12


def test_only_the_days_of_the_span_are_listed(server: Server) -> None:
    old, new = Trail(hours=2, start=START - 40 * 24 * HOUR), Trail(hours=2)
    s3 = server.bucket(BUCKET)
    old.upload(s3)
    new.upload(s3)
    result = validate(f"s3://{BUCKET}", since=START, until=new.end, now=new.end)
    assert result.whole and result.digests == {"valid": 2}
    assert dt.timedelta(0) < new.end - START < dt.timedelta(days=1)

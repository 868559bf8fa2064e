"""A queue that announces objects: each event once, each message deleted when its work is in."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctanalytics.app.ingest import ingest
from ctanalytics.errors import SourceError, SourceMissing, UsageError
from tests.app.ingesting import ask, leftovers, settings
from tests.app.queueing import BUCKET, EMPTY, Trail, arguments
from tests.aws_server import Server, aws_server, environment, s3_error
from tests.logs import START, event_id, key, record
from tests.sources.announcing import eventbridge, s3, s3_record, sns, test_event, trail

START_OF_DAY = START.replace(hour=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def logs(server: Server, tmp_path: Path) -> Trail:
    return Trail(server, tmp_path / "lake")


def events(logs: Trail) -> list[str]:
    """Every event id of the lake, as often as it is there."""
    rows = ask(logs.lake, "select event_id from lake.events order by event_id")
    return [row["event_id"] for row in rows]


def ids(*numbers: int) -> list[str]:
    return [event_id(number) for number in numbers]


def swept(logs: Trail, **more: object) -> None:
    """Let the bucket be listed once, so that later passes leave what is new to the queue."""
    logs.put(key(-1), [record(0)])
    logs.ingest(now=START, **more)


@pytest.mark.parametrize("way", ["direct", "sns", "sns-raw"])
def test_what_s3_announces_comes_without_a_listing(logs: Trail, way: str) -> None:
    swept(logs)
    logs.announce_by(way)
    for number in (1, 2, 3):
        logs.put(key(number), [record(number)])
    result = logs.ingest(now=START)
    assert (result.records_written, result.objects_listed) == (3, 3)
    # One message more: S3's own test of the notification.
    assert (result.messages_received, result.messages_ignored) == (4, 1)
    assert (result.list_requests, result.complete) == (0, True)
    assert events(logs) == ids(0, 1, 2, 3)
    assert logs.left() == EMPTY
    assert leftovers(logs.lake) == []


def test_eventbridge_and_the_trails_own_topic_announce_too(logs: Trail, server: Server) -> None:
    swept(logs)
    tags = {number: logs.put(key(number), [record(number)]) for number in (1, 2, 3)}
    named = {"key": key(1), "size": 500, "etag": tags[1]}
    logs.send(eventbridge(BUCKET, key(1), object=named))
    topic = logs.subscribed()
    server.client("sns").publish(TopicArn=topic, Message=trail(BUCKET, key(2), key(3)))
    result = logs.ingest(now=START)
    assert events(logs) == ids(0, 1, 2, 3)
    # The trail's message has no ETag: S3 is asked for it.
    assert (result.messages_received, result.get_requests) == (2, 3 + 2)
    assert logs.left() == EMPTY
    # The listing finds the same ETags, and nothing new.
    again = logs.ingest(since=START_OF_DAY, now=START)
    assert (again.objects_skipped, again.records_read) == (4, 0)


def test_first_the_bucket_is_listed_then_what_the_queue_says_is_known(logs: Trail) -> None:
    logs.announce_by("direct")
    logs.put(key(0), [record(0)])
    result = logs.ingest(now=START)
    assert (result.objects_listed, result.objects_skipped, result.records_read) == (2, 1, 1)
    assert logs.left() == EMPTY


def test_messages_about_known_objects_are_deleted_without_reading_them(logs: Trail) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(1)])
    body = s3(s3_record(BUCKET, key(1), object={"eTag": tag, "size": 400}))
    logs.send(body, sns(body), trail(BUCKET, key(1)))
    first = logs.ingest(now=START)
    assert (first.records_read, first.records_duplicate) == (1, 0)
    logs.send(body, sns(body), trail(BUCKET, key(1)))
    result = logs.ingest(now=START)
    assert (result.messages_received, result.get_requests, result.records_read) == (3, 0, 0)
    assert logs.left() == EMPTY


def test_tests_deletions_digests_and_other_prefixes_are_acknowledged_and_counted(
    logs: Trail,
) -> None:
    swept(logs)
    logs.send(
        test_event(BUCKET),
        s3(s3_record(BUCKET, key(1), eventName="ObjectRemoved:Delete")),
        s3(s3_record(BUCKET, key(1).replace("CloudTrail", "CloudTrail-Digest"))),
        s3(s3_record(BUCKET, "elsewhere/" + key(1))),
        s3(s3_record(BUCKET, f"AWSLogs/{'1' * 12}/ConfigWritabilityCheckFile")),
    )
    result = logs.ingest(f"s3://{BUCKET}/AWSLogs/", now=START)
    assert (result.messages_received, result.messages_ignored) == (5, 5)
    assert (result.objects_listed, result.complete) == (1, True)
    assert logs.left() == EMPTY


def test_what_can_not_be_understood_is_kept_in_the_lake_and_blocks_nothing(logs: Trail) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(1)])
    logs.server.bucket("secret")
    logs.put(key(2), [record(2)], bucket="secret")
    logs.send(
        "this is not json {{{ \u2603",
        s3(s3_record("secret", key(2))),
        s3(s3_record(BUCKET, key(1), object={"eTag": tag})),
    )
    result = logs.ingest(now=START)
    assert (result.records_written, result.messages_parked, result.complete) == (1, 2, False)
    assert events(logs) == ids(0, 1)
    # No object of a bucket that nobody named is ever asked for.
    assert logs.server.count("GET", "secret") + logs.server.count("HEAD", "secret") == 0
    parked = ask(
        logs.lake,
        "select detail, content from lake.quarantine where bucket = 'sqs' order by detail",
    )
    assert [row["detail"][:20] for row in parked] == [
        "it is not JSON: JSON",
        "it names a bucket th",
    ]
    assert "\u2603" in parked[0]["content"].decode()
    assert {row["reason"] for row in result.set_aside} == {"message"}
    assert len(ask(logs.lake, "select * from quarantined")) == 2
    assert logs.left() == EMPTY


def test_a_parked_message_that_comes_again_is_parked_once(logs: Trail) -> None:
    swept(logs)
    logs.send("garbage")

    def lose_deletes(request, passed):  # type: ignore[no-untyped-def]
        if b"DeleteMessageBatch" in request.headers.get("X-Amz-Target", "").encode():
            return s3_error("AccessDenied", "no", 403)
        return None

    logs.server.disturb.append(lose_deletes)
    with pytest.raises(SourceError):
        logs.ingest(now=START)
    logs.server.disturb.clear()
    result = logs.ingest(now=START)
    assert (result.messages_received, result.messages_parked) == (1, 0)
    assert len(ask(logs.lake, "select * from quarantined")) == 1
    assert logs.left() == EMPTY


def test_a_denied_object_leaves_its_message_for_another_try(logs: Trail) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(1)])

    def deny(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith(key(1)):
            return s3_error("AccessDenied", "Access Denied")
        return None

    logs.server.disturb.append(deny)
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": tag})))
    result = logs.ingest(now=START)
    assert (result.objects_deferred, result.messages_kept, result.complete) == (1, 1, False)
    assert logs.left() == {"waiting": 0, "hidden": 1}
    logs.server.disturb.clear()
    (message,) = ask(logs.lake, "select state from ingest_files where state <> 'ingested'")
    assert message == {"state": "denied"}
    # The wait is a minute and more; another copy of the message stands for it.
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": tag})))
    assert logs.ingest(now=START).records_written == 1


def test_an_object_that_is_gone_is_recorded_and_its_message_deleted(logs: Trail) -> None:
    swept(logs)
    logs.send(s3(s3_record(BUCKET, key(1))), trail(BUCKET, key(2)))
    result = logs.ingest(now=START)
    assert (result.objects_deferred, result.messages_kept) == (2, 0)
    states = ask(logs.lake, "select state from ingest_files where state <> 'ingested'")
    assert states == [{"state": "gone"}] * 2
    assert logs.left() == EMPTY
    # It was only late: when it is there, its own message brings it.
    logs.put(key(2), [record(2)])
    logs.send(trail(BUCKET, key(2)))
    assert logs.ingest(now=START).records_written == 1


def test_an_object_that_was_replaced_is_read_as_it_is_now(logs: Trail) -> None:
    swept(logs)
    old = logs.put(key(1), [record(1)])
    logs.put(key(1), [record(1), record(2)])
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": old})))
    first = logs.ingest(now=START)
    assert (first.messages_kept, first.records_written) == (1, 0)
    logs.send(trail(BUCKET, key(1)))
    assert logs.ingest(now=START).records_written == 2


@pytest.mark.parametrize("size", [0, 10**12])
def test_a_forged_size_keeps_no_object_from_being_read(logs: Trail, size: int) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(1)])
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": tag, "size": size})))
    assert logs.ingest(now=START).records_written == 1


def test_a_size_that_is_too_small_does_not_get_round_the_limit(logs: Trail) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(number) for number in range(1, 200)])
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": tag, "size": 10})))
    result = logs.ingest(now=START, max_object_bytes=1_000)
    assert (result.objects_quarantined, result.records_read) == (1, 0)


def test_only_chosen_accounts_and_regions_are_read(logs: Trail) -> None:
    swept(logs, accounts=["111122223333"])
    for number, account in enumerate(("111122223333", "444455556666"), start=1):
        name = key(number, account_id=account)
        tag = logs.put(name, [record(number)])
        logs.send(s3(s3_record(BUCKET, name, object={"eTag": tag})))
    result = logs.ingest(now=START, accounts=["111122223333"])
    assert (result.records_written, result.messages_ignored) == (1, 1)


def test_a_queue_of_the_settings_is_left_to_the_others_by_a_job_of_its_own(logs: Trail) -> None:
    swept(logs)
    tag = logs.put(key(1), [record(1)])
    logs.send(s3(s3_record(BUCKET, key(1), object={"eTag": tag})))
    url, logs.url = logs.url, None  # type: ignore[assignment]
    narrowed = logs.ingest(
        now=START, since=START_OF_DAY - dt.timedelta(days=9), until=START_OF_DAY, queue=url
    )
    assert narrowed.messages_received == 0
    assert logs.ingest(now=START, queue=url).messages_received == 1


def test_many_messages_become_few_plans(logs: Trail) -> None:
    swept(logs)
    logs.announce_by("direct")
    for number in range(1, 25):
        logs.put(key(number), [record(number)])
    result = logs.ingest(now=START, queue_gather_seconds=5.0)
    assert result.records_written == 24
    plans = ask(logs.lake, "select count(distinct plan_id) as n from ingest_files")
    assert plans[0]["n"] <= 1 + 2


def test_a_queue_alone_names_no_bucket(logs: Trail, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="no bucket is named"):
        logs.ingest(str(tmp_path / "folder"))


def test_a_queue_that_is_not_there_or_is_none_is_said(logs: Trail) -> None:
    swept(logs)
    logs.url = logs.url.replace("trail", "nothing")
    with pytest.raises(SourceMissing, match="no such queue"):
        logs.ingest(now=START)
    logs.url = "trail"
    with pytest.raises(UsageError, match="no URL"):
        logs.ingest(now=START)


def test_a_bucket_that_may_not_be_listed_is_read_by_its_queue(logs: Trail) -> None:
    def deny(request, passed):  # type: ignore[no-untyped-def]
        if "list-type" in request.args:
            return s3_error("AccessDenied", "Access Denied")
        return None

    logs.announce_by("direct")
    logs.put(key(1), [record(1)])
    logs.server.disturb.append(deny)
    result = logs.ingest(now=START)
    assert result.records_written == 1
    assert any("can't be listed" in note for note in result.notes)


def test_a_dry_run_takes_no_message(logs: Trail) -> None:
    logs.announce_by("direct")
    logs.put(key(1), [record(1)])
    result = logs.ingest(now=START, dry_run=True)
    assert any("about 2 messages wait" in note for note in result.notes)
    assert logs.left() == {"waiting": 2, "hidden": 0}


def test_messages_stay_hidden_while_a_slow_plan_runs(logs: Trail) -> None:
    swept(logs)
    logs.announce_by("direct")
    logs.put(key(1), [record(1)])

    def slow(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith(key(1)):
            time.sleep(4)
        return

    logs.server.disturb.append(slow)
    result = logs.ingest(now=START, queue_hidden_seconds=2)
    assert result.messages_received == 2  # each once
    assert logs.left() == EMPTY


def test_two_readers_of_a_queue_and_a_listing_at_once_neither_lose_nor_double(
    logs: Trail,
) -> None:
    now = dt.datetime.now(dt.UTC)
    for number in range(1, 25):
        tag = logs.put(key(number), [record(number), record(number + 1)])
        logs.send(s3(s3_record(BUCKET, key(number), object={"eTag": tag})))
    env = {**os.environ, **environment(logs.server.url)}
    command = [sys.executable, *arguments(logs, plan_objects=5)]
    readers = [subprocess.Popen(command, env=env) for _ in range(2)]
    listed = ingest(
        [f"s3://{BUCKET}"],
        str(logs.lake),
        settings=settings(plan_objects=3),
        since=START_OF_DAY,
        queue="",
    )
    assert [reader.wait(timeout=120) for reader in readers] == [0, 0]
    assert listed.objects_listed == 24
    logs.ingest(now=now)  # what one of them has given back
    assert events(logs) == ids(*range(1, 26))
    (found,) = ask(logs.lake, "select count(*) as n, sum(records) as records from lake.log_files")
    assert found == {"n": 24, "records": 48}, "an object was read twice"
    assert logs.left() == EMPTY
    assert leftovers(logs.lake) == []


def kill_at(logs: Trail, moment: str) -> None:
    """Run an ingest of the queue in a process that is killed when a moment comes."""
    running: list[subprocess.Popen[bytes]] = []

    def kill(request, passed):  # type: ignore[no-untyped-def]
        action = request.headers.get("X-Amz-Target", request.path)
        if moment not in action or not running:
            return None
        os.kill(running[0].pid, signal.SIGKILL)
        time.sleep(0.1)
        return passed() if moment == "/AWSLogs/" else s3_error("Killed", "killed", 500)

    logs.server.disturb.append(kill)
    command = [sys.executable, *arguments(logs, queue_hidden_seconds=2)]
    running.append(subprocess.Popen(command, env={**os.environ, **environment(logs.server.url)}))
    assert running[0].wait(timeout=60) == -signal.SIGKILL
    logs.server.disturb.remove(kill)


@pytest.mark.parametrize("moment", ["/AWSLogs/", "DeleteMessageBatch"])
def test_killed_between_read_commit_and_delete_and_run_again_is_one_run(
    logs: Trail, moment: str
) -> None:
    swept_now = dt.datetime.now(dt.UTC)
    logs.put(key(-1), [record(0)])
    logs.ingest(since=START_OF_DAY, now=swept_now)
    for number in (1, 2):
        tag = logs.put(key(number), [record(number), record(0)])
        logs.send(s3(s3_record(BUCKET, key(number), object={"eTag": tag})))
    kill_at(logs, moment)
    if moment == "DeleteMessageBatch":
        assert events(logs) == ids(0, 1, 2)  # all is in, no message is deleted
    time.sleep(2.5)  # until the messages come again
    result = logs.ingest(now=swept_now)
    assert events(logs) == ids(0, 1, 2)
    assert result.messages_received == 2
    assert logs.left() == EMPTY
    assert leftovers(logs.lake) == []

"""Ingest as a whole: every record accounted for, every event once, whatever happens."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import Progress, ingest
from ctanalytics.errors import LakeError, LakeNewer, SourceMissing
from ctanalytics.lake import plans
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES, MARKER
from tests.app.ingesting import FreshProcesses, ask, leftovers, rows, run, settings
from tests.logs import ACCOUNT, START, corpus, document, event_id, key, record, write


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def states(lake: Path) -> dict[str, tuple[str, str | None]]:
    """State and reason of each file, by its name."""
    found = ask(lake, "select key, state, reason from ingest_files order by plan_id")
    return {Path(row["key"]).name: (row["state"], row["reason"]) for row in found}


def test_every_event_comes_once_and_a_second_time_adds_nothing(logs: Path, lake: Path) -> None:
    events = corpus(logs, files=6, per_file=20)
    first = run(logs, lake)
    assert (first.objects_listed, first.objects_ingested, first.records_written) == (6, 6, events)
    assert first.records_duplicate == 10
    assert first.complete
    before = rows(lake)
    again = run(logs, lake)
    assert (again.objects_skipped, again.records_read, again.bytes_read) == (6, 0, 0)
    assert "all 6 objects are known from earlier ingests" in again.notes
    assert rows(lake) == before
    assert ask(lake, "select count(distinct event_id) as ids, count(*) as n from events") == [
        {"ids": events, "n": events}
    ]
    assert leftovers(lake) == []


def test_counts_tell_what_became_of_each_object_and_record(logs: Path, lake: Path) -> None:
    write(logs / "a.json.gz", [record(1), record(1), record(2, eventVersion="2.0")])
    write(logs / "b.json.gz", [record(1), record(3)])
    write(logs / "empty.json.gz", [])
    (logs / "cut.json.gz").write_bytes(gzip.compress(document([record(4)]))[:-9])
    (logs / "text.txt").write_text("hello")
    (logs / "digest.json").write_text('{"digestStartTime":"x","logFiles":[]}')
    (logs / "marker").write_bytes(b"")
    result = run(logs, lake)
    assert (result.objects_listed, result.objects_ingested) == (7, 3)
    assert (result.objects_quarantined, result.objects_skipped) == (2, 2)
    assert (result.records_read, result.records_written) == (5, 2)
    assert (result.records_duplicate, result.records_quarantined) == (2, 1)
    assert result.rows_by_table == {"log_files": 7, "quarantine": 3, "events": 2}
    assert result.dates == ["2026-03-01"]
    assert result.bytes_read == sum(path.stat().st_size for path in logs.iterdir())
    assert not result.complete
    assert {(Path(row["key"]).name, row["record"], row["reason"]) for row in result.set_aside} == {
        ("a.json.gz", 2, "unknown_version"),
        ("cut.json.gz", None, "truncated"),
        ("text.txt", None, "not_json"),
    }
    assert {name: state for name, (state, _) in states(lake).items()} == {
        "a.json.gz": "partial",
        "b.json.gz": "ingested",
        "empty.json.gz": "empty",
        "cut.json.gz": "quarantined",
        "text.txt": "quarantined",
        "digest.json": "skipped",
        "marker": "skipped",
    }


def test_events_of_two_files_and_days_land_on_their_own_dates(logs: Path, lake: Path) -> None:
    day = 86_400
    before = record(3, eventTime="2026-02-28T23:59:59Z")
    write(logs / key(0), [record(1), record(day), before])
    write(logs / key(300), [record(day), record(2)])
    assert run(logs, lake).dates == ["2026-02-28", "2026-03-01", "2026-03-02"]
    found = ask(lake, "select event_date, count(*) as n from events group by all order by all")
    assert [row["n"] for row in found] == [1, 2, 1]


@pytest.mark.parametrize("limits", [{"plan_objects": 1}, {"plan_bytes": 1}, {"part_objects": 1}])
def test_the_size_of_plans_and_parts_changes_no_row(
    logs: Path, tmp_path: Path, limits: dict[str, int]
) -> None:
    corpus(logs, files=5, per_file=11)
    run(logs, tmp_path / "one")
    result = run(logs, tmp_path / "other", **limits)
    assert result.objects_ingested == 5
    assert rows(tmp_path / "other") == rows(tmp_path / "one")


def test_rows_leave_memory_by_what_they_unpack_to(logs: Path, tmp_path: Path) -> None:
    for number in range(4):
        write(logs / key(number), [record(number, requestParameters={"a": "x" * 100_000})])
    run(logs, tmp_path / "one")
    run(logs, tmp_path / "other", part_unpacked_bytes=100_000)
    assert rows(tmp_path / "other") == rows(tmp_path / "one")
    assert rows(tmp_path / "other", "log_files") == rows(tmp_path / "one", "log_files")


def test_one_and_two_workers_give_the_same_rows_in_the_same_order(
    logs: Path, tmp_path: Path
) -> None:
    corpus(logs, files=8, per_file=25, apart=40_000)
    write(logs / key(9), [record(5, eventName="Contradiction"), record(2, eventTime=None)])
    (logs / "cut.json.gz").write_bytes(b"\x1f\x8b\x08cut")
    counts = []
    for workers in (1, 2):
        place = tmp_path / f"lake{workers}"
        found = run(logs, place, workers=workers, part_objects=2, plan_objects=6)
        counts.append((found.records_read, found.rows_by_table, found.dates))
    assert counts[0] == counts[1]
    for table in INGEST_TABLES:
        assert rows(tmp_path / "lake1", table) == rows(tmp_path / "lake2", table)
    files = [
        sorted((path.parent.name, path.stat().st_size) for path in place.rglob("*.parquet"))
        for place in (tmp_path / "lake1/tables/events", tmp_path / "lake2/tables/events")
    ]
    assert files[0] == files[1]


def test_parts_are_json_for_any_process_and_run_alone(logs: Path, tmp_path: Path) -> None:
    corpus(logs, files=4, per_file=5, apart=43_200)
    executor = FreshProcesses()
    ingest(
        [str(logs)],
        str(tmp_path / "other"),
        settings=settings(part_objects=2),
        executor=executor,
    )
    run(logs, tmp_path / "one", part_objects=2)
    for table in INGEST_TABLES:
        assert rows(tmp_path / "other", table) == rows(tmp_path / "one", table)
    assert [name for name, _ in executor.parts].count("decode_part") == 2
    assert "merge" in {name for name, _ in executor.parts}
    assert all(len(text) < 1 << 20 for _, text in executor.parts)


def test_a_contradicting_copy_is_kept_apart_counted_once_and_the_first_is_shown(
    logs: Path, lake: Path
) -> None:
    write(logs / "a.json.gz", [record(1)])
    run(logs, lake)
    write(logs / "b.json.gz", [record(1, eventName="Other"), record(1, eventName="Other")])
    result = run(logs, lake)
    assert (result.records_written, result.records_duplicate) == (1, 1)
    assert result.rows_by_table["event_conflicts"] == 1
    assert ask(lake, "select event_name from events") == [{"event_name": "GetBucketAcl"}]
    corrected = record(1, eventName="Right", addendum={"reason": "UPDATED_DATA"})
    write(logs / "c.json.gz", [corrected])
    run(logs, lake)
    assert ask(lake, "select event_name from events") == [{"event_name": "Right"}]


def test_the_same_event_through_another_channel_is_no_second_event(logs: Path, lake: Path) -> None:
    write(logs / "a.json.gz", [record(1), record(2)])
    run(logs, lake)
    copies = [
        {"Events": [{"EventId": event_id(1), "CloudTrailEvent": json.dumps(record(1), indent=1)}]},
        {"detail-type": "AWS API Call via CloudTrail", "detail": record(2)},
    ]
    for number, copy in enumerate(copies):
        (logs / f"copy{number}.json").write_text(json.dumps(copy))
    result = run(logs, lake)
    assert (result.records_read, result.records_duplicate) == (2, 2)


def test_insights_and_aggregated_events_have_tables_of_their_own(logs: Path, lake: Path) -> None:
    insight = {
        "eventVersion": "1.09",
        "eventTime": "2026-03-01T08:00:00Z",
        "eventID": event_id(50),
        "eventType": "AwsCloudTrailInsight",
        "eventCategory": "Insight",
        "recipientAccountId": ACCOUNT,
        "insightDetails": {"state": "Start", "insightType": "ApiCallRateInsight"},
    }
    unnamed = {name: value for name, value in insight.items() if name != "eventID"}
    window = {"windowStart": "2026-03-01T08:00:00Z", "windowEnd": "2026-03-01T08:05:00Z"}
    rolled_up = {
        "eventVersion": "1.0",
        "eventId": event_id(51),
        "accountId": ACCOUNT,
        "eventCategory": "Aggregated",
        "timeWindow": window,
    }
    write(logs / key(0, kind="insight"), [insight, unnamed, unnamed | {"awsRegion": "eu-west-1"}])
    write(logs / key(1, kind="aggregated"), [rolled_up, rolled_up])
    result = run(logs, lake)
    assert result.rows_by_table == {"log_files": 2, "aws_insights": 3, "aggregated_events": 1}
    assert result.records_duplicate == 1
    shutil.move(logs / key(0, kind="insight"), logs / "moved.json.gz")
    assert run(logs, lake).records_duplicate == 3


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, 4),
        ({"accounts": [ACCOUNT]}, 3),
        ({"regions": ["us-east-1"]}, 2),
        ({"accounts": [ACCOUNT], "regions": ["eu-west-1"]}, 2),
        ({"since": START + dt.timedelta(days=2)}, 1),
        ({"until": START, "delivery_slack_days": 1}, 3),
    ],
)
def test_only_chosen_objects_are_read(
    logs: Path, lake: Path, chosen: dict[str, Any], expected: int
) -> None:
    for number, parts in enumerate(
        [{}, {"account_id": "444455556666", "aws_region": "us-east-1"}, {"aws_region": "us-east-1"}]
    ):
        write(logs / key(number, **parts), [record(number)])
    write(logs / key(900), [record(900)])
    assert run(logs, lake, **chosen).objects_listed == expected


def test_when_nothing_came_the_reason_is_said(logs: Path, lake: Path) -> None:
    write(logs / key(0), [record(1)])
    result = run(logs, lake, accounts=["444455556666"])
    assert result.objects_listed == 0
    assert any("nothing was listed" in note for note in result.notes)


def test_progress_goes_up_to_the_whole(logs: Path, lake: Path) -> None:
    events = corpus(logs, files=4, per_file=5)
    seen: list[Progress] = []
    result = run(logs, lake, progress=seen.append, plan_objects=2, part_objects=1)
    assert [at.objects for at in seen] == [1, 2, 3, 4]
    assert seen[-1].records == result.records_read >= events
    assert seen[-1].bytes_read == result.bytes_read


def test_a_missing_source_makes_no_lake(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        run(tmp_path / "nowhere", lake)
    assert not lake.exists()


def test_a_dry_run_counts_and_writes_nothing(logs: Path, lake: Path) -> None:
    corpus(logs, files=3, per_file=2)
    found = run(logs, lake, dry_run=True)
    assert (found.objects_listed, found.objects_ingested, found.records_read) == (3, 0, 0)
    assert not lake.exists()
    run(logs, lake)
    before = sorted(path for path in lake.rglob("*"))
    assert run(logs, lake, dry_run=True).objects_skipped == 3
    assert sorted(path for path in lake.rglob("*")) == before


def test_a_dry_run_over_a_lake_that_can_not_be_used_says_so(logs: Path, lake: Path) -> None:
    write(logs / "a.json.gz", [record(1)])
    Lake.create(lake)
    (lake / MARKER).write_text('{"version":99,"created_at":"2026-03-01T00:00:00"}')
    with pytest.raises(LakeNewer):
        run(logs, lake, dry_run=True)
    (lake / MARKER).write_text("not json")
    with pytest.raises(LakeError):
        run(logs, lake, dry_run=True)


# Content that changes, comes back, or was at fault


def test_other_content_under_a_known_name_is_reported_and_the_old_rows_stay(
    logs: Path, lake: Path
) -> None:
    path = write(logs / "a.json.gz", [record(1), record(2)])
    run(logs, lake)
    write(path, [record(1, eventName="Rewritten"), record(3)])
    os.utime(path, ns=(1, 1))
    result = run(logs, lake)
    assert any("other content" in note for note in result.notes)
    assert (result.records_written, result.rows_by_table["event_conflicts"]) == (2, 1)
    assert "content is another" in (states(lake)["a.json.gz"][1] or "")
    found = ask(lake, "select event_id, event_name from events order by event_id")
    assert [row["event_id"] for row in found] == [event_id(number) for number in (1, 2, 3)]
    assert found[0]["event_name"] == "GetBucketAcl"


def test_a_file_that_was_only_touched_is_read_again_and_changes_nothing(
    logs: Path, lake: Path
) -> None:
    path = write(logs / "a.json.gz", [record(1)])
    run(logs, lake)
    os.utime(path, ns=(1, 1))
    result = run(logs, lake)
    assert (result.records_read, result.records_duplicate, result.notes) == (1, 1, [])
    assert result.complete


def test_what_was_set_aside_is_taken_again_only_when_asked(logs: Path, lake: Path) -> None:
    write(logs / "odd.json.gz", [record(1), record(2, eventVersion="2.0")])
    (logs / "cut.json.gz").write_bytes(b"\x1f\x8b\x08cut")
    write(logs / "good.json.gz", [record(3)])
    assert run(logs, lake).objects_quarantined == 1
    assert run(logs, lake).objects_skipped == 3
    result = run(logs, lake, retry=True)
    assert (result.objects_skipped, result.objects_quarantined) == (1, 1)
    assert (result.records_duplicate, result.records_quarantined) == (1, 1)
    assert len(ask(lake, "select * from quarantined")) == 2


def test_a_mended_file_is_read_without_being_asked_and_leaves_the_quarantine(
    logs: Path, lake: Path
) -> None:
    path = logs / "a.json.gz"
    path.write_bytes(gzip.compress(document([record(1)]))[:-9])
    assert not run(logs, lake).complete
    assert len(ask(lake, "select * from quarantined")) == 1
    write(path, [record(1)])
    result = run(logs, lake)
    assert (result.records_written, result.notes, result.complete) == (1, [], True)
    assert ask(lake, "select * from quarantined") == []


def test_an_object_larger_than_allowed_is_set_aside(logs: Path, lake: Path) -> None:
    write(logs / "big.json.gz", [record(number) for number in range(50)])
    write(logs / "small.json.gz", [record(99)])
    result = run(logs, lake, max_object_bytes=1_000)
    assert [row["reason"] for row in result.set_aside] == ["too_large"]
    assert result.records_written == 1


# Plans that somebody else has left


def left_plan(lake: Path, source: Path, *names: str, plan_id: int = 1) -> None:
    """A plan whose owner is dead, as a killed ingest leaves it."""
    objects = []
    for name in names:
        path = source / name
        status = path.stat() if path.exists() else None
        objects.append(
            {
                "bucket": "file",
                "key": str(path),
                "etag": f"{status.st_size}-{status.st_mtime_ns}" if status else "1-1",
                "size_bytes": status.st_size if status else 1,
                "last_modified": START.isoformat(),
                "storage_class": None,
                "version_id": None,
                "restored": False,
                "archived": False,
                "known_sha256": None,
            }
        )
    aws = {"profile": "", "region": "", "role_arn": "", "external_id": "", "endpoint_url": ""}
    plan = {
        "plan_id": plan_id,
        "owner": {"id": "dead"},
        "source": {"source": str(source), "aws": aws},
        "settings_hash": "s",
        "objects": objects,
    }
    assert plans.claim(Lake.create(lake), plan)


def test_a_dead_plan_is_finished_by_the_next_ingest_of_any_source(
    logs: Path, lake: Path, tmp_path: Path
) -> None:
    write(logs / "a.json.gz", [record(1)])
    (logs / "cut.json.gz").write_bytes(b"\x1f\x8b\x08cut")
    left_plan(lake, logs, "a.json.gz", "cut.json.gz")
    other = tmp_path / "other"
    write(other / "b.json.gz", [record(2)])
    result = run(other, lake)
    assert any("finished plan 1" in note for note in result.notes)
    assert result.records_written == 1
    # What that plan set aside is told too, or nobody would hear of it.
    assert [Path(row["key"]).name for row in result.set_aside] == ["cut.json.gz"]
    assert not result.complete
    assert ask(lake, "select count(*) as n from events") == [{"n": 2}]
    assert run(logs, lake).objects_skipped == 2
    assert leftovers(lake) == []


def test_a_dead_plan_whose_source_is_gone_is_deferred_and_comes_when_it_is_back(
    logs: Path, lake: Path, tmp_path: Path
) -> None:
    write(logs / "a.json.gz", [record(1)])
    left_plan(lake, logs, "a.json.gz")
    away = tmp_path / "away"
    shutil.move(logs, away)
    other = tmp_path / "other"
    write(other / "b.json.gz", [record(2)])
    result = run(other, lake)
    assert (result.records_written, result.complete) == (1, False)
    assert any("closed without rows" in note for note in result.notes)
    assert states(lake)["a.json.gz"][0] == "deferred"
    shutil.move(away, logs)
    assert run(logs, lake).records_written == 1
    assert states(lake)["a.json.gz"][0] == "ingested"
    assert leftovers(lake) == []


def test_a_dead_plan_of_a_bucket_that_may_not_be_read_stops_no_other_source(
    logs: Path, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    write(logs / "a.json.gz", [record(1)])
    left_plan(lake, logs, "a.json.gz")
    store = Lake.open(lake).store
    plan = json.loads(store.read(plans.plan_path(1)))
    plan["source"] |= {"source": "s3://some-bucket/x", "region": "eu-west-1"}
    plan["objects"][0] |= {"bucket": "some-bucket", "key": "x/a.json.gz"}
    store.write(plans.plan_path(1), json.dumps(plan).encode())
    result = run(logs, lake)
    assert (result.records_written, result.complete) == (1, False)
    found = ask(lake, "select bucket, state from ingest_files order by plan_id")
    assert [tuple(row.values()) for row in found] == [
        ("some-bucket", "deferred"),
        ("file", "ingested"),
    ]
    assert leftovers(lake) == []


def test_an_object_that_is_gone_stops_no_plan(logs: Path, lake: Path) -> None:
    write(logs / "a.json.gz", [record(1)])
    left_plan(lake, logs, "gone.json.gz", "a.json.gz")
    result = run(logs, lake)
    assert states(lake)["gone.json.gz"][0] == "gone"
    assert [row["reason"] for row in result.set_aside] == ["gone"]
    assert ask(lake, "select count(*) as n from events") == [{"n": 1}]


def test_an_object_that_changed_since_it_was_planned_is_recorded_and_read_next_time(
    logs: Path, lake: Path
) -> None:
    path = write(logs / "a.json.gz", [record(1)])
    left_plan(lake, logs, "a.json.gz")
    write(path, [record(1), record(2)])
    os.utime(path, ns=(1, 1))
    result = run(logs, lake)
    assert result.records_written == 2
    found = ask(lake, "select state from ingest_files order by plan_id")
    assert [row["state"] for row in found] == ["changed", "ingested"]


def test_a_plan_that_can_not_be_read_is_said(logs: Path, lake: Path) -> None:
    write(logs / "a.json.gz", [record(1)])
    store = Lake.create(lake).store
    store.write(plans.plan_path(1), b"{")
    with pytest.raises(LakeError, match="unfinished plan"):
        run(logs, lake)
    store.delete(plans.plan_path(1))
    assert run(logs, lake).records_written == 1


def test_a_file_that_vanishes_between_listing_and_reading_is_tried_again(
    logs: Path, lake: Path
) -> None:
    write(logs / "a.json.gz", [record(1)])
    later = write(logs / "b.json.gz", [record(2)])

    def vanish(at: Progress) -> None:
        later.unlink(missing_ok=True)

    result = run(logs, lake, progress=vanish, plan_objects=1)
    assert (result.objects_ingested, result.objects_deferred, result.complete) == (1, 1, False)
    write(later, [record(2)])
    assert run(logs, lake).records_written == 1

"""Objects that a report or a file names instead of a listing: read once, and only those chosen."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.errors import SourceError, UsageError
from tests.app.ingesting import ask, settings
from tests.aws_server import Server, aws_server, environment
from tests.cli.runner import run as command
from tests.logs import START, document, key, record
from tests.sources.reports import report, row, save


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("logs")
        yield running


def put(server: Server, name: str, number: int, **more: Any) -> dict[str, Any]:
    """A log file with the event of that number; its row of a report."""
    body = gzip.compress(document([record(number)]), mtime=0)
    tag = server.client("s3").put_object(Bucket="logs", Key=name, Body=body, **more)["ETag"]
    return row(name, len(body), tag.strip('"'))


def run(lake: Path, *sources: str, **more: Any) -> IngestResult:
    return ingest(sources, str(lake), settings=settings(), **more)


def event_ids(lake: Path) -> list[int]:
    found = ask(lake, "select event_id from lake.events order by event_id")
    return [int(each["event_id"][-4:], 16) for each in found]


def states(lake: Path) -> dict[str, str]:
    found = ask(lake, "select key, state from lake.log_files")
    return {each["key"]: each["state"] for each in found}


def test_a_report_stands_in_place_of_a_listing_and_nothing_is_read_twice(
    server: Server, tmp_path: Path
) -> None:
    rows = [put(server, key(number), number) for number in range(4)]
    path = str(save(report([rows[:2], rows[2:]], "Parquet"), tmp_path))
    first = run(tmp_path / "lake", inventory=path)
    assert (first.objects_listed, first.objects_ingested, first.list_requests) == (4, 4, 0)
    assert event_ids(tmp_path / "lake") == [0, 1, 2, 3]
    assert any("the inventory is of 2026-11-27 01:00 UTC" in note for note in first.notes)
    again = run(tmp_path / "lake", "s3://logs", inventory=path)
    assert (again.objects_skipped, again.get_requests, again.records_written) == (4, 0, 0)
    # A listing finds the same objects: their ETags are those of the report.
    listed = run(tmp_path / "lake", "s3://logs")
    assert (listed.objects_skipped, listed.get_requests) == (4, 0)


def test_of_a_report_only_chosen_newest_log_files_are_read(server: Server, tmp_path: Path) -> None:
    folder = "AWSLogs/111122223333"
    day = START.strftime("%Y/%m/%d")
    names = {
        "chosen": key(0),
        "other day": key(1).replace(day, "2025/01/01"),
        "other account": key(2).replace("111122223333", "444455556666"),
        "digest": f"{folder}/CloudTrail-Digest/eu-west-1/{day}/x.json.gz",
        "balancer": f"{folder}/elasticloadbalancing/eu-west-1/{day}/x.log.gz",
        "stranger": "backup.tar",
        "copied": f"copies/{key(3).rpartition('/')[2]}",
    }
    rows = [put(server, name, number) for number, name in enumerate(names.values())]
    now = {"is_latest": True, "is_delete_marker": False}
    rows = [found | now for found in rows] + [
        row(key(7)) | {"is_latest": False, "is_delete_marker": False},
        row(key(8)) | {"is_latest": True, "is_delete_marker": True},
        row(key(8)) | {"is_latest": False, "is_delete_marker": False},
        row(key(9)) | now | {"bucket": "another"},
    ]
    path = str(save(report([rows]), tmp_path))
    narrow: dict[str, Any] = {"since": START, "until": START, "accounts": ["111122223333"]}
    result = run(tmp_path / "lake", inventory=path, **narrow)
    assert set(states(tmp_path / "lake")) == {names["chosen"], names["copied"]}
    assert [note for note in result.notes if note.startswith("the inventory has")] == [
        "the inventory has 2 older versions",
        "the inventory has 1 objects that are deleted (a delete marker is their newest version)",
        "the inventory has 1 objects that neither their folder nor their name shows as log files; "
        "--objects takes any",
    ]
    below = run(tmp_path / "lake", "s3://logs/copies/", inventory=path)
    assert (below.objects_listed, below.objects_skipped) == (1, 1)


def test_what_changed_since_the_report_is_recorded_and_never_blocks(
    server: Server, tmp_path: Path
) -> None:
    rows = [put(server, key(number), number) for number in range(4)]
    server.client("s3").delete_object(Bucket="logs", Key=key(1))
    put(server, key(2), 22)
    rows[3]["storage_class"] = "DEEP_ARCHIVE"
    path = str(save(report([rows], "ORC"), tmp_path))
    result = run(tmp_path / "lake", inventory=path)
    assert [states(tmp_path / "lake")[key(n)] for n in range(4)] == [
        "ingested",
        "gone",
        "changed",
        "archived",
    ]
    assert (result.objects_archived, result.complete) == (1, False)
    run(tmp_path / "lake", "s3://logs", since=START)
    assert event_ids(tmp_path / "lake") == [0, 3, 22]


def test_lines_cost_one_look_at_each_unknown_object_and_none_at_a_known_one(
    server: Server, tmp_path: Path
) -> None:
    names = [key(0), "any/name", key(2)]
    for number, name in enumerate(names):
        put(server, name, number)
    listing = tmp_path / "keys.txt"
    listing.write_text(f"s3://logs/{names[0]}\n{names[1]}\ns3://other/x\n")
    lake = tmp_path / "lake"
    first = run(lake, "s3://logs", objects=str(listing))
    assert (first.objects_listed, first.objects_ingested) == (2, 2)
    assert "1 objects of the list do not lie in s3://logs" in first.notes
    assert (server.count("HEAD", "/logs/"), event_ids(lake)) == (2, [0, 1])
    listing.write_text("\n".join([*names, "gone"]))
    second = run(lake, "s3://logs", objects=str(listing))
    assert (second.objects_listed, second.objects_skipped) == (4, 2)
    assert (server.count("HEAD", "/logs/"), event_ids(lake)) == (4, [0, 1, 2])
    assert states(lake)["gone"] == "gone"
    listed = run(lake, "s3://logs", since=START)
    assert listed.get_requests == 0
    again = run(lake, "s3://logs", objects=str(listing), reingest=True)
    assert (again.objects_ingested, event_ids(lake)) == (3, [0, 1, 2])


def test_a_table_with_sizes_and_etags_costs_no_look(server: Server, tmp_path: Path) -> None:
    rows = [put(server, key(number), number) for number in range(2)]
    lines = [json.dumps({"Key": r["key"], "Size": r["size"], "ETag": r["e_tag"]}) for r in rows]
    listing = tmp_path / "keys.jsonl"
    listing.write_text("\n".join(lines))
    told = command(
        "ingest", "s3://logs", "--objects", str(listing), "--lake", str(tmp_path / "lake"),
        "--workers", "1", "--json", cwd=tmp_path, env=environment(server.url),
    )  # fmt: skip
    assert json.loads(told.out)["objects_ingested"] == 2
    assert server.count("HEAD", "/logs/") == 0
    assert event_ids(tmp_path / "lake") == [0, 1]


def test_a_damaged_report_ingests_nothing(server: Server, tmp_path: Path) -> None:
    rows = [put(server, key(number), number) for number in range(2)]
    files = report([rows[:1], rows[1:]])
    last = sorted(name for name in files if "/data/" in name)[-1]
    files[last] += b"more"
    with pytest.raises(SourceError, match="not the one that the manifest names"):
        run(tmp_path / "lake", inventory=str(save(files, tmp_path)))
    assert (event_ids(tmp_path / "lake"), states(tmp_path / "lake")) == ([], {})


@pytest.mark.parametrize(
    ("sources", "more", "said"),
    [
        pytest.param(["s3://other"], {"inventory": "report"}, "of the bucket logs", id="other"),
        pytest.param([], {"objects": "keys"}, "no bucket is named", id="no-source"),
        pytest.param(["."], {"objects": "keys"}, "is of a bucket", id="folder"),
        pytest.param(["s3://logs"], {"inventory": "keys"}, "no manifest", id="no-report"),
    ],
)
def test_lists_that_do_not_fit_the_sources_are_refused(
    sources: list[str], more: dict[str, str], said: str, tmp_path: Path
) -> None:
    places = {"report": str(save(report([[row("a")]]), tmp_path)), "keys": str(tmp_path / "keys")}
    (tmp_path / "keys").write_text("a\n")
    given: dict[str, Any] = {name: places[which] for name, which in more.items()}
    with pytest.raises(UsageError, match=said):
        run(tmp_path / "lake", *sources, **given)

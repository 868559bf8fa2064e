from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runner import run


def record(**fields: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventTime": "2026-11-20T08:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances",
        "awsRegion": "eu-west-1",
        "eventID": "11111111-1111-4111-8111-111111111111",
        "recipientAccountId": "111122223333",
        "requestParameters": None,
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/dora"},
    } | fields


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"Records": list(records)}).encode()))
    return path


def ingest(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    ran = run(
        "ingest", "logs", "--lake", "lake", "--workers", "1", "--json", *arguments, cwd=tmp_path
    )
    return ran.code, json.loads(ran.out)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_a_folder_is_ingested_and_again_adds_nothing(tmp_path: Path, logs: Path) -> None:
    write(logs / "a.json.gz", record(), record(eventID="2"))
    assert ingest(tmp_path)[1]["records_written"] == 2
    code, again = ingest(tmp_path)
    assert (code, again["records_read"], again["objects_skipped"]) == (0, 0, 1)
    out = run("query", "select count(*) as n from events", "--lake", "lake", "--json", cwd=tmp_path)
    assert json.loads(out.out) == [{"n": 2}]


def test_what_is_set_aside_ends_in_exit_code_3_and_harms_no_neighbour(
    tmp_path: Path, logs: Path
) -> None:
    write(logs / "good.json.gz", record())
    (logs / "cut.json.gz").write_bytes(write(logs / "b", record(eventID="2")).read_bytes()[:-9])
    (logs / "b").unlink()
    code, found = ingest(tmp_path)
    assert code == 3
    assert found["records_written"] == 1
    assert [row["reason"] for row in found["set_aside"]] == ["truncated"]
    assert found["set_aside"][0]["key"].endswith("cut.json.gz")


def test_counts_add_up(tmp_path: Path, logs: Path) -> None:
    write(logs / "a.json.gz", record(), record(), record(eventVersion="2.0", eventID="3"))
    _, found = ingest(tmp_path)
    parts = ("written", "duplicate", "filtered", "quarantined")
    assert found["records_read"] == sum(found[f"records_{part}"] for part in parts) == 3
    assert [found[f"records_{part}"] for part in parts] == [1, 1, 0, 1]


def test_a_dry_run_writes_nothing(tmp_path: Path, logs: Path) -> None:
    write(logs / "a.json.gz", record())
    code, found = ingest(tmp_path, "--dry-run")
    assert (code, found["objects_listed"]) == (0, 1)
    assert not (tmp_path / "lake").exists()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    ran = run("ingest", "nowhere", "--lake", "lake", cwd=tmp_path)
    assert ran.code == 1
    assert "nowhere" in ran.err
    assert "mend" in ran.err


def test_no_source_is_a_usage_error(tmp_path: Path) -> None:
    assert run("ingest", "--lake", "lake", cwd=tmp_path).code == 2


def test_a_time_that_is_none_is_a_usage_error(tmp_path: Path, logs: Path) -> None:
    ran = run("ingest", "logs", "--lake", "lake", "--since", "yesterday", cwd=tmp_path)
    assert ran.code == 2
    assert "--since" in ran.err


def test_a_folder_with_other_files_does_not_become_a_lake(tmp_path: Path, logs: Path) -> None:
    write(logs / "a.json.gz", record())
    ran = run("ingest", "logs", "--lake", "logs", cwd=tmp_path)
    assert ran.code == 1
    assert "not a lake" in ran.err
    assert [path.name for path in logs.iterdir()] == ["a.json.gz"]


def test_missing_credentials_are_said(tmp_path: Path) -> None:
    ran = run(
        "ingest", "s3://some-bucket/x", "--lake", "lake", "--since", "2026-11-01", cwd=tmp_path
    )
    assert ran.code == 1
    assert "credentials" in ran.err.lower()


def test_escapes_in_a_file_name_do_not_reach_the_terminal(tmp_path: Path, logs: Path) -> None:
    (logs / "\x1b[31mred.json").write_text("no")
    ran = run("ingest", "logs", "--lake", "lake", cwd=tmp_path)
    assert "\x1b" not in ran.out + ran.err
    assert "red.json" in ran.out


def test_a_quoted_pattern_and_an_archive_are_sources(tmp_path: Path, logs: Path) -> None:
    for year in ("2025", "2026"):
        (logs / "a" / year).mkdir(parents=True)
        write(logs / "a" / year / "x.json.gz", record(eventID=year))
    with tarfile.open(tmp_path / "more.tgz", "w:gz") as archive:
        archive.add(logs / "a" / "2025", arcname="2025")
    ran = run("ingest", "logs/**/2026/*.json.gz", "more.tgz", "--lake", "lake", cwd=tmp_path)
    assert ran.code == 0
    assert "2 records read = 2 written" in ran.out


def test_a_pattern_that_matches_nothing_is_said(tmp_path: Path, logs: Path) -> None:
    ran = run("ingest", "logs/**/*.parquet", "--lake", "lake", cwd=tmp_path)
    assert ran.code == 1
    assert "no file matches this pattern" in ran.err


def test_event_history_without_credentials_says_what_is_missing(tmp_path: Path) -> None:
    ran = run("ingest", "lookup-events", "--region", "eu-west-1", "--lake", "lake", cwd=tmp_path)
    assert ran.code == 1
    assert "there are no AWS credentials" in ran.err

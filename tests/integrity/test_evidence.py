"""The lake knows of every record whether its log file was proved whole."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.query import query
from ctanalytics.app.validate import validate
from ctanalytics.integrity.verdict import VERDICTS
from ctanalytics.lake import layout
from ctanalytics.lake.lake import Lake
from tests.app.ingesting import run
from tests.cli.runner import run as cli
from tests.integrity.trail import HOUR, START, Trail


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Trail().write(tmp_path / "copy")


def rows(lake: Path, sql: str, **more: Any) -> list[dict[str, Any]]:
    return query(sql, str(lake), **more).to_pylist()


def count(lake: Path, **more: Any) -> int:
    return int(rows(lake, "select count(*) as n from events", **more)[0]["n"])


def test_every_event_joins_to_its_file_and_verdict(copy: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run(copy, lake)
    before = rows(lake, "select verdict from log_files where kind = 'log'")
    assert {row["verdict"] for row in before} == {None}
    validate(copy, lake=lake)
    found = rows(
        lake,
        "select events.event_id, log_files.verdict, log_files.digest_key from events "
        "join log_files on log_files.source_object = events.source_object",
    )
    assert len(found) == 12
    assert {row["verdict"] for row in found} == {"valid"} <= set(VERDICTS)
    assert all(Path(row["digest_key"]).is_file() for row in found)


def test_only_records_of_whole_files_are_verified(tmp_path: Path) -> None:
    trail = Trail()
    altered = trail.objects[trail.logs[1][0]]
    altered.data = gzip.compress(gzip.decompress(altered.data).replace(b"Buckets", b"Objects"))
    planted = trail.put_log(START + 3.4 * HOUR, "planted000000000")
    copy, lake = trail.write(tmp_path / "copy"), tmp_path / "lake"
    run(copy, lake)
    assert count(lake) == 13
    assert count(lake, verified_only=True) == 0
    validate(copy, lake=lake)
    assert count(lake, verified_only=True) == 11
    by_name = rows(lake, "select event_name from events group by all", verified_only=True)
    assert [row["event_name"] for row in by_name] == ["ListBuckets"]
    verdicts = rows(
        lake, "select verdict, count(*) as n from log_files where kind = 'log' group by 1"
    )
    assert {row["verdict"]: row["n"] for row in verdicts} == {
        "valid": 11,
        "modified": 1,
        "unlisted": 1,
    }
    assert planted


def test_what_was_ingested_must_be_what_was_validated(tmp_path: Path) -> None:
    trail = Trail()
    forged, key = Trail(), trail.logs[1][0]
    data = gzip.decompress(forged.objects[key].data).replace(b"ListBuckets", b"DeleteTrail")
    forged.objects[key].data = gzip.compress(data)
    lake = tmp_path / "lake"
    # The file is altered while it is ingested, and put back before anyone looks.
    copy = forged.write(tmp_path / "copy")
    run(copy, lake)
    trail.write(copy)
    assert validate(copy, lake=lake).whole
    assert count(lake, verified_only=True) == 11
    found = rows(lake, "select verdict, verdict_detail from log_files where verdict <> 'valid'")
    assert [row["verdict"] for row in found] == ["modified"]


def test_validating_again_adds_nothing_and_a_change_is_told(copy: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run(copy, lake)
    validate(copy, lake=lake)
    first = rows(lake, "select count(*) as n from lake.file_verdicts")
    validate(copy, lake=lake)
    assert rows(lake, "select count(*) as n from lake.file_verdicts") == first
    path = next(copy.rglob("*_CloudTrail_*0720Z*.gz"))
    path.write_bytes(path.read_bytes()[:-4])
    validate(copy, lake=lake)
    assert rows(lake, "select count(*) as n from lake.file_verdicts")[0]["n"] == first[0]["n"] + 1
    assert count(lake, verified_only=True) == 11


def test_a_lake_of_an_earlier_version_gets_the_table(copy: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run(copy, lake)
    shutil.rmtree(lake / "tables/file_verdicts")
    marker = lake / layout.MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"version": 1}))
    assert count(lake) == 12
    validate(copy, lake=lake)
    assert count(Lake.open(lake).uri, verified_only=True) == 12  # type: ignore[arg-type]


def test_the_command_takes_verified_only(copy: Path, tmp_path: Path) -> None:
    run(copy, tmp_path / "lake")
    sql = "select count(*) as n from events"
    ask = ("query", sql, "--lake", "lake", "--verified-only", "--format", "csv")
    assert cli(*ask, cwd=tmp_path).out.splitlines() == ["n", "0"]
    assert cli("validate", "copy", "--lake", "lake", cwd=tmp_path).code == 0
    assert cli(*ask, cwd=tmp_path).out.splitlines() == ["n", "12"]

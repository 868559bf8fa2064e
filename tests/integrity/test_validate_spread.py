"""Validation by parts: rows and their order are those of one process."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ctanalytics.app.validate import validate
from ctanalytics.errors import UsageError
from ctanalytics.integrity.cell_part import MOST_BYTES, packed, rows_of
from ctanalytics.integrity.verdict import Checked
from ctanalytics.lake.store import open_store
from ctanalytics.settings import LakeAws
from tests.app.spreading import FreshProcess
from tests.aws_server import aws_server
from tests.integrity.trail import BUCKET, REGION, START, Trail, list_public_keys

FIRST = Trail()
SECOND = Trail(account="444455556666")


def test_cells_that_workers_validate_are_told_as_those_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_server(monkeypatch) as server, FreshProcess() as fresh:
        server.disturb.append(list_public_keys({REGION: "aws"}))
        bucket = server.bucket(BUCKET)
        for trail in (FIRST, SECOND):
            trail.upload(bucket)
        bucket.delete_object(Bucket=BUCKET, Key=SECOND.logs[2][0])

        def check(name: str, **more: Any) -> tuple[list[Checked], dict[str, Any]]:
            rows: list[Checked] = []
            found = validate(
                f"s3://{BUCKET}",
                since=START,
                until=FIRST.end,
                now=FIRST.end,
                save_keys=tmp_path / name,
                report=rows.append,
                **more,
            )
            return rows, {"digests": found.digests, "logs": found.log_files, "keys": found.keys}

        here, there = check("here"), check("there", executor=fresh)
        assert here == there
        assert here[1]["logs"] == {"missing": 1, "valid": 23}
        assert fresh.ran == {"cell_part"} and fresh.longest < 1 << 20
        assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()
        with pytest.raises(UsageError, match="local executor alone"):
            check("kept", executor=fresh, resume=tmp_path / "journal")


def test_rows_that_are_too_many_for_a_result_go_through_the_lake(tmp_path: Path) -> None:
    random = Random(1)
    rows = [
        Checked(
            kind="log",
            verdict="valid",
            key=f"AWSLogs/{number}.json.gz",
            stamp=dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
            # Text of chance, which does not become shorter by packing than four bits a letter.
            detail=random.randbytes(5_000).hex(),
        )
        for number in range(MOST_BYTES // 5_000)
    ]
    with pytest.raises(UsageError, match="too many") as caught:
        packed(rows, {})
    assert "--lake" in caught.value.mend
    store = open_store(str(tmp_path), LakeAws())
    result = packed(rows, {"store": store.spec(), "folder": "staging/run-1/"})
    assert list(result) == ["path"] and result["path"].startswith("staging/run-1/")
    assert rows_of(result, store) == rows
    few = packed(rows[:3], {})
    assert list(few) == ["rows"] and rows_of(few, None) == rows[:3]

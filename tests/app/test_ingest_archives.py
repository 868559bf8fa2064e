"""Archives and patterns through a whole ingest: the rows that a folder would give."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.ingesting import FreshProcesses, ask, run
from tests.logs import corpus, document, key, record, write


def tarred(folder: Path, mode: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, arcname=".")
    data: bytes = made.getvalue()
    return data


def zipped(folder: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return made.getvalue()


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:xz", "zip"])
def test_an_archive_gives_the_rows_of_its_folder(kind: str, tmp_path: Path) -> None:
    logs, plain, lake = (tmp_path / name for name in ("logs", "plain", "lake"))
    events = corpus(logs, files=12, per_file=10)
    run(logs, plain)
    data = zipped(logs) if kind == "zip" else tarred(logs, kind)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "logs.data").write_bytes(data)
    limits = {"part_objects": 5, "plan_objects": 10}
    # Parts are read by processes that know nothing of each other.
    executor = FreshProcesses() if kind == "w:gz" else None
    first = run(tmp_path / "in", lake, executor=executor, **limits)
    assert (first.objects_ingested, first.records_written) == (12, events)
    names = "* exclude (source_object, source_row, plan_id)"
    sql = f"select {names} from events order by event_time, event_id"
    assert ask(lake, sql) == ask(plain, sql)
    again = run(tmp_path / "in" / "logs.data", lake)
    # The archive was read to its end, so that its members are not listed again.
    assert (again.objects_listed, again.objects_skipped, again.records_read) == (1, 1, 0)
    every = run(tmp_path / "in", lake, reingest=True)
    assert (every.objects_listed, every.objects_ingested) == (13, 12)
    sql = "select distinct account_id, aws_region from ingest_files where records > 0"
    assert ask(lake, sql) == [{"account_id": "111122223333", "aws_region": "eu-west-1"}]


def test_what_an_archive_can_not_give_is_set_aside_and_the_rest_is_rows(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.json").write_bytes(document([record(1)]))
    (inner / "b.zip").write_bytes(zipped(inner))
    (inner / "c.json.gz").write_bytes(gzip.compress(document([record(2)])))
    (inner / "d.json.gz").write_bytes(gzip.compress(document([record(3)]))[:-4])
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    logs.mkdir()
    (logs / "x.tar.gz").write_bytes(tarred(inner, "w:gz")[:-5])
    result = run(logs, lake)
    assert (result.objects_listed, result.records_written) == (5, 2)
    assert not result.complete
    reasons = {Path(row["key"]).name: row["reason"] for row in result.set_aside}
    assert reasons == {"b.zip": "nested_archive", "d.json.gz": "truncated", "x.tar.gz": "truncated"}
    assert run(logs, lake).objects_skipped == 5  # it was cut, so it is listed again
    assert run(logs, lake, retry=True).objects_quarantined == 3


def test_what_an_account_left_out_of_an_archive_comes_without_it(tmp_path: Path) -> None:
    inner, lake = tmp_path / "inner", tmp_path / "lake"
    for number, account in enumerate(("111122223333", "444455556666")):
        write(inner / key(number, account_id=account), [record(number)])
    (tmp_path / "x.tar").write_bytes(tarred(inner, "w"))
    assert run(tmp_path / "x.tar", lake, accounts=["444455556666"]).records_written == 1
    assert run(tmp_path / "x.tar", lake).records_written == 1
    narrow = run(tmp_path / "x.tar", lake, accounts=["444455556666"])
    assert (narrow.objects_listed, narrow.objects_skipped) == (1, 1)


def test_a_member_that_was_gone_is_tried_again(tmp_path: Path) -> None:
    inner, lake = tmp_path / "inner", tmp_path / "lake"
    corpus(inner, files=3, per_file=2)
    logs = tmp_path / "logs"
    logs.mkdir()
    path = logs / "x.zip"
    path.write_bytes(zipped(inner))

    class Late(FreshProcesses):
        def map(self, function: Any, parts: Any) -> Iterator[Any]:
            hidden = path.rename(tmp_path / "hidden")
            yield from map(function, parts)
            hidden.rename(path)

    assert run(logs, lake, executor=Late()).objects_deferred == 3
    assert run(logs, lake).objects_ingested == 3
    assert run(logs, lake).objects_listed == 1


def test_a_cut_archive_that_is_mended_leaves_the_quarantine(tmp_path: Path) -> None:
    inner, logs, lake = (tmp_path / name for name in ("inner", "logs", "lake"))
    events = corpus(inner, files=6, per_file=10)
    logs.mkdir()
    whole = tarred(inner, "w")
    (logs / "x.tar").write_bytes(whole[: whole.index(Path(key(4)).name.encode())])
    first = run(logs, lake)
    assert (first.complete, 0 < first.records_written < events) == (False, True)
    assert len(ask(lake, "select * from quarantined")) == 1
    (logs / "x.tar").write_bytes(whole)
    second = run(logs, lake)
    assert second.complete
    assert first.records_written + second.records_written == events
    assert ask(lake, "select * from quarantined") == []


def test_a_pattern_is_a_source(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    corpus(logs, files=6, per_file=2)
    chosen = [number for number in range(6) if Path(key(number)).name.endswith("3.json.gz")]
    assert run(f"{logs}/**/*3.json.gz", lake).objects_ingested == len(chosen) == 1
    assert run(f"{logs}/**/*.json.gz", lake).objects_ingested == 5

"""A lake in a bucket is cared for as one in a folder is."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctanalytics.app.ingest import ingest
from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.expire import expire
from ctanalytics.app.lake.export import export
from ctanalytics.app.lake.info import info
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.lake import maintenance, plans
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Ingest, Settings
from tests.app.lake.making import CLOSED, care, counts, everything
from tests.aws_server import Server, aws_server
from tests.logs import START, corpus

ALL = {
    "settings": Settings(ingest=Ingest(workers=1, plan_objects=1)),
    "since": START - dt.timedelta(days=1),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("logs")
        running.bucket("lake")
        yield running


@pytest.fixture
def lake(server: Server, tmp_path: Path) -> Lake:
    """Three files over two days."""
    corpus(tmp_path / "logs", files=3, per_file=6, apart=30_000)
    ingest([str(tmp_path / "logs")], "s3://lake/audit/trail", **ALL)
    return Lake.open("s3://lake/audit/trail")


def parquet(lake: Lake) -> set[str]:
    return {
        path
        for path in lake.store.list("tables/")
        if path.endswith(".parquet") and "_delta_log" not in path
    }


def test_dates_are_compacted_checked_and_vacuumed(lake: Lake) -> None:
    before = everything(lake)
    assert len(counts(lake)) == 2
    files = parquet(lake)
    with lake.engine() as engine:
        compact(lake, settings=care(), now=CLOSED)
        assert engine.sql("select * from events").num_rows == 18
    assert set(counts(lake).values()) == {1}
    assert everything(lake) == before
    assert vacuum(lake).files == 0
    assert parquet(lake) > files
    assert vacuum(lake, retention_hours=0, force=True).files > 0
    assert len(parquet(lake)) < len(files)
    assert everything(lake) == before
    assert check(lake, deep=True).flaws == []
    assert info(lake, now=CLOSED).to_sort == 0


def test_files_of_an_unfinished_plan_stay(lake: Lake) -> None:
    plan = {"plan_id": 4, "owner": {}, "source": {}, "objects": [], "settings_hash": ""}
    assert plans.claim(lake, plan)
    folder = "tables/events/event_date=2026-03-01"
    lake.store.write(f"{folder}/plan-000000000004-x.parquet", b"x")
    lake.store.write(f"{folder}/plan-000000000002-x.parquet", b"x")
    vacuum(lake, retention_hours=0, force=True)
    assert lake.store.exists(f"{folder}/plan-000000000004-x.parquet")
    assert {flaw.check for flaw in check(lake).flaws} == {"plan"}


def test_dates_are_expired_and_what_is_left_is_written_out(lake: Lake, tmp_path: Path) -> None:
    result = expire(lake, before=dt.date(2026, 3, 2))
    assert 0 < result.rows < 18
    written = export(lake, tmp_path / "out", format="cloudtrail")
    assert written.rows == 18 - result.rows
    records = [
        record
        for path in (tmp_path / "out").rglob("*.json.gz")
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]
    ]
    assert {record["eventTime"][:10] for record in records} == {"2026-03-02"}
    path = maintenance.snapshot(lake, "events").files[0].path
    lake.store.delete(f"tables/events/{path}")
    assert [(flaw.check, flaw.where) for flaw in check(lake).flaws] == [("file", path)]

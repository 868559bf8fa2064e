"""A lake: made once, opened safely, read at its newest commit, appended to whole."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ctanalytics.app.ingest import ingest
from ctanalytics.errors import LakeError, LakeMissing, LakeNewer, UsageError
from ctanalytics.findings import OUTBOX
from ctanalytics.lake import layout
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.merge import write
from ctanalytics.lake.tables import last_transaction, nullable
from ctanalytics.records import schema
from ctanalytics.settings import Ingest, Settings
from tests import builders
from tests.incidents.scene import T0
from tests.logs import corpus, record
from tests.logs import write as write_log

ONE = Settings(ingest=Ingest(workers=1))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def test_a_new_lake_has_all_tables_and_a_marker(lake: Lake) -> None:
    marker = json.loads(lake.store.read(layout.MARKER))
    assert (marker["format"], marker["version"]) == ("ctanalytics-lake", layout.FORMAT_VERSION)
    with lake.engine() as engine:
        for name, spec in layout.TABLES.items():
            rows = engine.sql(f"select * from lake.{name}")
            assert (rows.num_rows, rows.column_names) == (0, spec.schema.names)
            assert lake.ingest_version(name) == 0


@pytest.mark.parametrize("way", ["link", "link/../lake", "lake/../other/../lake"])
def test_files_lie_within_the_lake_whatever_way_leads_to_it(
    lake: Lake, tmp_path: Path, way: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    lake.append("outbox", _outbox(0))
    found = Lake.open(tmp_path / way)
    (file,) = found.files("outbox")
    assert file.startswith(f"{found.store.location('tables')}/outbox/")


def test_a_log_that_is_cut_while_a_table_is_open_is_an_error_of_the_lake(lake: Lake) -> None:
    table = lake.table("events")
    (commit,) = Path(lake.uri, "tables/events/_delta_log").glob("*.json")
    commit.write_bytes(commit.read_bytes()[:-40])
    with pytest.raises(LakeError, match="events can't be opened"):
        last_transaction(table, "events", "ingest", lake.uri)


def test_its_tables_are_those_that_delta_rs_makes(lake: Lake, tmp_path: Path) -> None:
    for name, spec in layout.TABLES.items():
        DeltaTable.create(
            tmp_path / name,
            nullable(spec.schema),
            partition_by=[layout.PARTITION] if spec.partitioned else None,
            configuration={"delta.checkpointInterval": "20"},
        )
        ours, theirs = lake.table(name), DeltaTable(tmp_path / name)
        assert ours.schema().to_json() == theirs.schema().to_json()
        assert ours.protocol() == theirs.protocol()
        for part in ("configuration", "partition_columns", "name", "description"):
            assert getattr(ours.metadata(), part) == getattr(theirs.metadata(), part)


def test_making_a_lake_where_one_is_opens_it(lake: Lake) -> None:
    again = Lake.create(lake.uri)
    assert again.created_at == lake.created_at


def test_many_makers_make_one_lake(tmp_path: Path) -> None:
    made: list[Lake] = []
    faults: list[BaseException] = []

    def make() -> None:
        try:
            made.append(Lake.create(tmp_path / "lake"))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len({lake.created_at for lake in made}) == 1
    for name in layout.TABLES:
        assert DeltaTable(str(tmp_path / "lake" / layout.table_path(name))).version() == 0


def test_a_creation_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    Lake.create(tmp_path / "lake")
    (tmp_path / "lake" / layout.MARKER).unlink()
    with pytest.raises(LakeMissing):
        Lake.open(tmp_path / "lake")
    Lake.create(tmp_path / "lake")
    Lake.open(tmp_path / "lake")


def test_no_lake_is_said_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing, match="no lake") as caught:
        Lake.open(tmp_path / "nowhere")
    assert "ctanalytics ingest" in caught.value.mend
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["notes.txt", "a/b.parquet", "tables.txt"])
def test_a_folder_with_other_files_does_not_become_a_lake(tmp_path: Path, name: str) -> None:
    other = tmp_path / "folder" / name
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(LakeError, match="not a lake"):
        Lake.create(tmp_path / "folder")
    assert [path for path in (tmp_path / "folder").rglob("*") if path.is_file()] == [other]


def test_an_empty_folder_becomes_a_lake(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    Lake.create(tmp_path / "lake")


def test_a_newer_lake_is_neither_read_nor_written(lake: Lake) -> None:
    marker = json.loads(lake.store.read(layout.MARKER)) | {"version": layout.FORMAT_VERSION + 1}
    lake.store.write(layout.MARKER, json.dumps(marker).encode())
    for make in (Lake.open, Lake.create):
        with pytest.raises(LakeNewer, match="format") as caught:
            make(lake.uri)
        assert "newer ctanalytics" in caught.value.mend


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"7", b"\xff\xfe", b'{"version":"x","created_at":""}', b'{"version":1}'],
)
def test_a_marker_that_can_not_be_understood_is_said(lake: Lake, content: bytes) -> None:
    lake.store.write(layout.MARKER, content)
    with pytest.raises(LakeError, match=layout.MARKER):
        Lake.open(lake.uri)


@pytest.mark.parametrize("uri", ["", "ftp://host/lake", "s3://", "gs://bucket/lake"])
def test_a_place_that_can_be_no_lake_is_a_usage_error(uri: str) -> None:
    with pytest.raises(UsageError):
        Lake.open(uri)


@pytest.mark.parametrize("name", ["50% of it's ü \"#?&+;", "[prod]*{a,b}", "year=2026"])
def test_a_lake_at_an_odd_path_is_read_back(tmp_path: Path, name: str) -> None:
    write_log(tmp_path / "logs" / "a b%20.json.gz", [record(1)])
    place = tmp_path / name / "lake"
    assert ingest([str(tmp_path / "logs")], str(place), settings=ONE).records_written == 1
    again = ingest([str(tmp_path / "logs")], str(place), settings=ONE)
    assert (again.records_read, again.objects_skipped) == (0, 1)
    with Lake.open(place).engine(locked=True) as engine:
        assert engine.query("select count(*) as n from events").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    "name", ["a%20b", "a%2fb", "a\\b", "a\nb", "a\x7fb", "event_date=2026-03-01"]
)
def test_a_path_that_a_reader_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    for place in (str(tmp_path / name), f"s3://bucket/{name}"):
        with pytest.raises(UsageError, match="hex digits"):
            Lake.create(place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["a#b", "a?b", "a*b", "a[b]", "a//b"])
def test_a_prefix_that_a_reader_would_misread_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="in S3"):
        Lake.create(f"s3://bucket/{prefix}/lake")


def test_a_file_in_the_place_of_a_lake_is_said(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    with pytest.raises(LakeError):
        Lake.create(tmp_path / "lake")
    assert (tmp_path / "lake").read_text() == "mine"


def test_a_table_that_is_not_whole_is_said(lake: Lake) -> None:
    log = Path(lake.uri, "tables/events/_delta_log/00000000000000000000.json")
    log.unlink()
    with pytest.raises(LakeError, match="events"):
        Lake.open(lake.uri).engine()


def test_a_lake_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        corpus(tmp_path / "logs", files=2, per_file=3)
        ingest([str(tmp_path / "logs")], str(tmp_path / "lake"), settings=ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "lake").stat().st_mode) == 0o700
    rows = [
        path for path in (tmp_path / "lake").rglob("*.parquet") if "_delta_log" not in path.parts
    ]
    assert rows
    for path in [*rows, tmp_path / "lake" / layout.MARKER]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def _outbox(number: int) -> pa.Table:
    columns = OUTBOX.names
    return pa.Table.from_pylist([dict.fromkeys(columns) | {columns[0]: str(number)}], OUTBOX)


def test_appended_rows_are_read_and_none_are_lost_to_another_writer(lake: Lake) -> None:
    threads = [
        threading.Thread(target=lambda n=n: Lake.open(lake.uri).append("outbox", _outbox(n)))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lake.append("outbox", _outbox(5))
    lake.append("outbox", _outbox(6).slice(0, 0))
    with lake.engine() as engine:
        found = engine.sql("select * from lake.outbox")
    assert sorted(found[OUTBOX.names[0]].to_pylist()) == [str(n) for n in range(6)]


def files(lake: Lake, plan_id: int, count: int = 1) -> list[dict[str, object]]:
    """Files of the table `quarantine`, written and not yet committed."""
    rows = pa.Table.from_pylist([{"reason": "not_json", "plan_id": plan_id}], schema.QUARANTINE)
    return [write(lake.store, "quarantine", rows, None, plan_id) for _ in range(count)]


def test_a_plan_is_committed_once(lake: Lake) -> None:
    assert lake.commit_plan("quarantine", 1, files(lake, 1))
    assert not lake.commit_plan("quarantine", 1, files(lake, 1))
    assert lake.commit_plan("quarantine", 2, [])
    assert not lake.commit_plan("quarantine", 1, files(lake, 1))
    assert lake.ingest_version("quarantine") == 2
    assert len(lake.files("quarantine")) == 1


def test_of_many_committers_of_a_plan_one_commits(lake: Lake) -> None:
    won: list[bool] = []
    adds = files(lake, 1)

    def commit() -> None:
        won.append(Lake.open(lake.uri).commit_plan("quarantine", 1, adds))

    threads = [threading.Thread(target=commit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
    assert len(lake.files("quarantine")) == 1


def test_a_handle_sees_the_commits_of_others(lake: Lake) -> None:
    other = Lake.open(lake.uri)
    assert other.files("quarantine") == []
    lake.commit_plan("quarantine", 1, files(lake, 1, count=2))
    assert len(other.files("quarantine")) == 2
    assert other.ingest_version("quarantine") == 1


def test_a_lease_is_released_when_its_block_fails(lake: Lake) -> None:
    with pytest.raises(ValueError, match="inside"), lake.lease("work"):
        raise ValueError("inside")
    with lake.lease("work", wait_seconds=1):
        pass


def test_many_commits_make_checkpoints_and_all_rows_are_read(lake: Lake) -> None:
    for plan_id in range(1, 43):
        lake.commit_plan("quarantine", plan_id, files(lake, plan_id))
    found = Lake.open(lake.uri)
    assert len(found.files("quarantine")) == 42
    assert found.ingest_version("quarantine") == 42


class Racing(Lake):
    """A lake in which a plan is committed while a reader looks which files there are."""

    def files(self, name: str) -> list[str]:
        found = super().files(name)
        if name in ("events", "log_files") and not self.ingest_version("events"):
            event = builders.event(T0)
            for table, row in (("log_files", {"bucket": "b"}), ("events", event)):
                rows = pa.Table.from_pylist([row], layout.TABLES[table].schema)
                date = "2026-03-04" if table == "events" else None
                rows = rows.select(layout.TABLES[table].file_schema().names)
                self.commit_plan(table, 1, [write(self.store, table, rows, date, 1)])
        return found


def test_a_reader_never_sees_events_of_a_plan_without_its_ledger_rows(lake: Lake) -> None:
    with Racing(lake.uri).engine() as engine:
        (row,) = engine.sql(
            "select (select count(*) from lake.events) as events, count(*) as objects "
            "from lake.log_files"
        ).to_pylist()
    assert (row["events"], row["objects"]) in ((0, 0), (0, 1), (1, 1))
    with lake.engine() as engine:
        assert engine.sql("select count(*) as n from lake.events").to_pylist() == [{"n": 1}]

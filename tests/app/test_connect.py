"""A client that knows nothing of ctanalytics reads the lake through what connect wrote."""

from __future__ import annotations

import datetime as dt
import resource
import stat
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ctanalytics import settings
from ctanalytics.app.connect import connect, ddl
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.records import schema
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.create(tmp_path_factory.mktemp("a 'lake'") / "my lake")
    rows = [builders.event(NOON, event_id=str(n), access_key_id="AKIA1") for n in range(3)]
    made.append("events", pa.Table.from_pylist(rows, schema.EVENTS))
    return made


def client(path: Path) -> duckdb.DuckDBPyConnection:
    if path.suffix == ".sql":
        connection = duckdb.connect()
        connection.execute(path.read_text("utf-8"))
        return connection
    return duckdb.connect(str(path), read_only=True)


@pytest.mark.parametrize("name", ["month.duckdb", "month.sql"])
def test_every_view_gives_the_same_rows_to_another_client(
    lake: Lake, tmp_path: Path, name: str
) -> None:
    found = connect(tmp_path / name, lake)
    with client(tmp_path / name) as other, lake.engine() as ours:
        other.execute("set timezone = 'UTC'")
        views = ours.sql(
            "select view_name as v from duckdb_views() where not internal and schema_name = 'main'"
        )["v"].to_pylist()
        for view in views:
            sql = f"from {view}"
            assert other.sql(sql).to_arrow_table().num_rows == ours.sql(sql).num_rows, view
        assert other.sql("select count(*) from users").fetchall() == [(1,)]
    assert found.views == len(views)
    assert found.files == 1
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_writing_again_takes_the_new_files_in(lake: Lake, tmp_path: Path) -> None:
    place = tmp_path / "again.duckdb"
    connect(place, lake)
    more = Lake.create(tmp_path / "other")
    rows = [builders.event(NOON, event_id=str(n)) for n in range(5)]
    more.append("events", pa.Table.from_pylist(rows, schema.EVENTS))
    connect(place, more)
    with client(place) as other:
        assert other.sql("select count(*) from events").fetchall() == [(5,)]
    assert [path.name for path in tmp_path.glob("*.duckdb*")] == ["again.duckdb"]


def test_a_script_takes_lookups_along(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "teams.csv").write_text("account_id,team\n000000000123,payments\n")
    chosen = settings.Settings(lookups={"teams": str(tmp_path / "teams.csv")})
    connect(tmp_path / "x.sql", lake, settings=chosen)
    with client(tmp_path / "x.sql") as other:
        assert other.sql("from teams").fetchall() == [("000000000123", "payments")]


def test_a_database_called_lake_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hide the schema"):
        connect(tmp_path / "lake.duckdb", lake)


@pytest.mark.parametrize("dialect", ["spark", "athena", "trino"])
def test_other_engines_are_told_of_every_table_where_it_lies(lake: Lake, dialect: str) -> None:
    text = ddl(lake, dialect)
    assert text.startswith("-- Tables and views of a ctanalytics lake for ")
    for name in TABLES:
        assert f"ctanalytics_lake.{name} " in text or f"table_name => '{name}'" in text
        place = lake.store.location(f"tables/{name}").replace("'", "''")
        assert f"'{place}'" in text
    assert "create or replace view ctanalytics.users as" in text


def test_a_disk_that_is_full_is_told_and_nothing_stays(lake: Lake, tmp_path: Path) -> None:
    """DuckDB fails while it writes its own file or the log beside it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(UsageError, match="can't be written"):
            connect(tmp_path / "month.duckdb", lake)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []

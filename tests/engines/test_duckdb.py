"""The engine: what users' SQL may and may not do, and how its faults are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine, with_dates
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.errors import QueryError
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folder `tables` of the engine lies."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tables(home: Path) -> Mapping[str, TableFiles]:
    """One table in a file, and empty ones in memory."""
    (home / "tables").mkdir()
    with builders.engine(home / "tables", events=[builders.event(NOON)]) as built:
        return built.tables


@pytest.fixture(scope="module")
def locked(home: Path, tables: Mapping[str, TableFiles]) -> Iterator[Engine]:
    """An engine as users' SQL gets it."""
    with Engine(tables, locked=True, directories=(f"{home}/tables/",)) as engine:
        yield engine


@pytest.fixture
def fresh(home: Path, tables: Mapping[str, TableFiles]) -> Iterator[Engine]:
    """The same, before anything was asked."""
    with Engine(tables, locked=True, directories=(f"{home}/tables/",)) as engine:
        yield engine


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from events",
        "with named as (select event_name from events) select * from named",
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 4) from n",
        "select 1 union all select 2 except select 3",
        "from events select event_name",
        "(select 1)",
        "values (1)",
        "describe events",
        "summarize select account_id from events",
        "show tables",
        "explain select * from events",
        "select 'copy (select 1) to ''x''' as text; -- a comment",
    ],
)
def test_reading_is_allowed(locked: Engine, sql: str) -> None:
    assert locked.query(sql).num_rows >= 1


@pytest.mark.parametrize(
    "sql",
    [
        "insert into lake.quarantine default values",
        "create table copied as from events",
        "drop view events",
        "update lake.quarantine set reason = ''",
        "attach ':memory:' as other",
        "set threads = 1",
        "reset memory_limit",
        "pragma database_list",
        "call pragma_version()",
        "install httpfs",
        "load json",
        "use lake",
        "begin",
        "prepare p as select 1",
        "checkpoint",
        "export database '{folder}'",
        "copy (select 1) to '{folder}/new.parquet'",
        # A SELECT to DuckDB's classification, and yet they write.
        "with x as (copy (select 1) to '{folder}/new.parquet') select * from x",
        "with a as (select 1), x as (copy (from a) to '{folder}/new.parquet') select 1 union select 2",
        "with x as (insert into lake.quarantine default values returning 1) select * from x",
        "with x as (delete from lake.quarantine returning 1) select * from x",
        "with x as (update lake.quarantine set reason = '' returning 1) select * from x",
        # EXPLAIN ANALYZE runs what it explains.
        "explain analyze select 1",
        "explain analyze copy (select 1) to '{folder}/new.parquet'",
        "explain analyse create table copied as select 1",
        "explain (analyze) copy (select 1) to '{folder}/new.parquet'",
        "/* */ explain -- \n analyze copy (select 1) to '{folder}/new.parquet'",
        "explain with x as (copy (select 1) to '{folder}/new.parquet') select * from x",
    ],
)
def test_more_than_reading_is_refused_and_writes_nothing(
    locked: Engine, home: Path, sql: str
) -> None:
    folder = home / "tables"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for run in (locked.query, locked.stream, locked.explain):
        with pytest.raises(QueryError, match=r"does more than read|Parser Error"):
            run(sql.format(folder=folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert locked.sql("select count(*) as n from lake.quarantine").to_pylist() == [{"n": 0}]
    assert "copied" not in locked.sql("show tables")["name"].to_pylist()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{secret}')",
        "select * from read_blob('{secret}')",
        "select * from read_csv('{secret}')",
        "select * from sniff_csv('{secret}')",
        "select * from read_json('{secret}')",
        "select * from parquet_metadata('{secret}')",
        "select * from '{secret}'",
        "select * from glob('{folder}/../*')",
        "select * from read_text('{folder}/../secret.csv')",
        "select * from read_text('/proc/self/environ')",
        "select * from read_parquet('s3://some-bucket/x.parquet')",
        "select * from read_parquet('https://192.0.2.1/x.parquet')",
    ],
)
def test_no_file_but_the_lakes_is_read(locked: Engine, home: Path, sql: str) -> None:
    secret = home / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(QueryError):
        locked.query(sql.format(secret=secret, folder=home / "tables"))


def test_the_lakes_files_are_read(locked: Engine, home: Path) -> None:
    found = locked.query(f"select file_name from parquet_metadata('{home}/tables/events.parquet')")
    assert found.num_rows > 0


def test_a_locked_session_keeps_its_settings_even_for_our_own_sql(locked: Engine) -> None:
    with pytest.raises(duckdb.Error, match="locked"):
        locked.sql("set enable_external_access = true")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select nope from events", "nope"),
        ("select * from nowhere", "nowhere"),
        ("selekt 1", "selekt"),
        ("select\n  event_name,\nfrom events where", "where"),
        ("select cast(event_name as integer) from events", "DescribeInstances"),
    ],
)
def test_a_fault_in_sql_is_shown_with_a_caret(locked: Engine, sql: str, message: str) -> None:
    for run in (locked.query, lambda text: locked.stream(text).read_all()):
        with pytest.raises(QueryError) as caught:
            run(sql)
        assert message in caught.value.what
        assert "^" in caught.value.what
        assert caught.value.mend


@pytest.mark.parametrize(("sql", "count"), [("select 1; select 2", 2), ("", 0), ("-- only", 0)])
def test_one_statement_is_run_at_a_time(locked: Engine, sql: str, count: int) -> None:
    with pytest.raises(QueryError, match=f"^{count} statements"):
        locked.query(sql)


def test_a_fault_after_the_first_rows_of_a_stream_is_ours_too(locked: Engine) -> None:
    last = 400_000
    stream = locked.stream(
        f"select cast(case when i = {last} then 'x' else '1' end as integer) as n "
        f"from range({last + 1}) as r(i)"
    )
    with pytest.raises(QueryError, match="Conversion Error"):
        stream.read_all()


def test_escapes_in_sql_reach_no_message(locked: Engine) -> None:
    with pytest.raises(QueryError) as caught:
        locked.query("select '\x1b[31m' from nowhere")
    assert "\x1b" not in str(caught.value)


def test_a_stream_hands_out_the_same_rows_as_a_query(locked: Engine) -> None:
    sql = "select i from range(200000) as r(i) order by i desc"
    assert locked.stream(sql, rows=10_000).read_all().equals(locked.query(sql))


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT count(*) AS n FROM Users", id="in-capitals"),
        pytest.param('select count(*) as n from "users"', id="in-quotes"),
        pytest.param("from query('select count(*) as n from us' || 'ers')", id="put-together"),
        pytest.param("select 1 as n from (describe sessions) limit 1", id="described"),
    ],
)
def test_a_view_is_found_however_it_is_named(fresh: Engine, sql: str) -> None:
    assert fresh.query(sql).to_pylist() == [{"n": 1}]
    assert fresh.explain(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select view_name as name from duckdb_views() where not internal",
        "select table_name as name from information_schema.tables",
        "select name from (show tables)",
        "select tablename as name from pg_catalog.pg_tables union all select viewname from pg_catalog.pg_views",
        "select name from sqlite_master",
    ],
)
def test_a_catalog_lists_all_views(fresh: Engine, sql: str) -> None:
    names = set(fresh.query(sql)["name"].to_pylist())
    assert {name.removeprefix("views/") for name in statements.names("views")} <= names


def test_a_misspelt_view_is_shown_its_neighbour(fresh: Engine) -> None:
    with pytest.raises(QueryError, match="sessions"):
        fresh.query("from sesions")


def test_a_plan_is_shown_without_reading(locked: Engine) -> None:
    assert "PARQUET" in locked.explain("select event_name from events").upper()


def test_dates_follow_from_times_half_open() -> None:
    day = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    east = dt.timezone(dt.timedelta(hours=9))
    found = with_dates({"since": NOON.astimezone(east), "until": day})
    assert (found["since_date"], found["until_date"]) == (NOON.date(), NOON.date())
    assert with_dates({"until": day + dt.timedelta(microseconds=1)})["until_date"] == day.date()
    assert with_dates({"since": day, "since_date": NOON.date()})["since_date"] == NOON.date()


def test_a_table_whose_path_holds_quotes_and_blanks_is_read(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "lake" 100%/event_date=2026-03-01'
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "x y.parquet")
    columns = pa.schema([("a", pa.int64()), ("event_date", pa.date32())])
    files = TableFiles(columns, [str(folder / "x y.parquet")], partition="event_date")
    with builders.engine(tmp_path) as built:
        tables = {**built.tables, "odd": files}
    with Engine(tables, locked=True, directories=(f"{tmp_path}/",)) as engine:
        rows = engine.query("select * from lake.odd").to_pylist()
    assert rows == [{"a": 1, "event_date": NOON.date()}]


def test_the_session_is_in_utc(locked: Engine) -> None:
    found = locked.query("select event_time, strftime(event_time, '%H') as hour from events")
    assert found.to_pylist() == [{"event_time": NOON, "hour": "12"}]


def test_every_view_runs_on_an_empty_lake(tmp_path: Path) -> None:
    with builders.engine(tmp_path) as engine:
        for name in engine.sql(
            "select view_name from duckdb_views() where not internal"
        ).to_pylist():
            if name["view_name"] not in engine.tables:
                engine.query(f"select * from {name['view_name']}")


def test_ids_are_read_for_corrections_only_where_a_lake_has_any(tmp_path: Path) -> None:
    columns = {}
    for name, conflicts in (("without", []), ("with", [builders.event(NOON, addendum_reason="x")])):
        (tmp_path / name).mkdir()
        rows = {"events": [builders.event(NOON)], "event_conflicts": conflicts}
        with builders.engine(tmp_path / name, **rows) as engine:
            scans = engine.scans("select event_name from events")
            columns[name] = {column for scan in scans for column in scan.columns}
    assert "event_id" not in columns["without"]
    assert "event_id" in columns["with"]


def test_a_statement_of_ours_makes_the_views_that_it_names_and_gives_its_rows(
    tmp_path: Path,
) -> None:
    with builders.engine(tmp_path, events=[builders.event(NOON)]) as engine:
        engine.execute("create table kept as select event_name from events")
        assert engine.execute("select * from kept where event_name <> $1", [""]) == [
            ("DescribeInstances",)
        ]


def test_tables_are_made_when_they_are_named_and_those_of_their_conditions_before(
    tmp_path: Path,
) -> None:
    rows = {
        "events": [builders.event(NOON, event_id="a"), builders.event(NOON, event_id="b")],
        "log_files": [{"key": "a"}],
    }
    with builders.engine(tmp_path, **rows) as engine:
        tables = engine.tables
    only = {"events": "event_id in (select key from lake.log_files)"}
    with Engine(tables, filters=only) as engine:
        assert engine.sql("select event_id from lake.events").to_pylist() == [{"event_id": "a"}]
        assert engine.sql("select * from lake.quarantine").num_rows == 0
        made = {
            row["table_name"]
            for row in engine.sql(
                "select table_name from information_schema.tables where table_schema = 'lake'"
            ).to_pylist()
        }
    assert made == {"bounds", *tables}

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from tests.cli.runner import Ran, run, run_afresh
from tests.cli.test_ingest import record, write


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    (folder / "logs").mkdir()
    write(
        folder / "logs" / "a.json.gz", record(), record(eventID="2", userAgent="=cmd|' /C calc'!A0")
    )
    assert run_afresh("ingest", "logs", "--lake", "lake", "--workers", "1", cwd=folder).code == 0
    return folder


def ask(home: Path, sql: str, *arguments: str) -> Ran:
    return run("query", sql, "--lake", "lake", *arguments, cwd=home)


SQL = "select event_id, user_agent from events order by event_id"


def test_json_and_ndjson_hold_the_same_rows(home: Path) -> None:
    asked = ("query", SQL, "--lake", "lake", "--format", "json")
    rows = json.loads(run_afresh(*asked, cwd=home).out)
    lines = ask(home, SQL, "--format", "ndjson").out.splitlines()
    assert rows == [json.loads(line) for line in lines]
    assert len(rows) == 2


def test_an_empty_result_is_an_empty_json_list(home: Path) -> None:
    assert json.loads(ask(home, "select 1 as a where false", "--json").out) == []


def test_rows_whose_columns_do_not_fit_stand_one_below_the_other(home: Path) -> None:
    out = ask(home, "select * from events order by event_id").out
    assert "row 2\n" in out
    assert sum(line.startswith("  event_id ") for line in out.splitlines()) == 2
    assert "row 1" not in ask(home, SQL).out


def test_csv_defuses_formulas(home: Path) -> None:
    out = ask(home, SQL, "--format", "csv").out
    assert "\r" not in out, "lines of a pipe end as tail and cut expect"
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["event_id", "user_agent"]
    assert "'=cmd|' /C calc'!A0" in [row[1] for row in rows]


def test_parquet_goes_to_a_file_only(home: Path) -> None:
    assert ask(home, SQL, "--format", "parquet").code == 2
    assert ask(home, SQL, "--format", "parquet", "--output", "o.parquet").code == 0
    assert pq.read_table(home / "o.parquet").num_rows == 2


EVIL = "a|b <img src=x onerror=alert(1)> ![t](https://evil.example/x.png) [c](//evil.example) `**"


def test_markdown_holds_no_link_image_or_markup_of_a_log(home: Path) -> None:
    sql = "select '{}' as \"count(*)|x\", 7 as n, [1.5] as l, null as e, '' as t"
    out = ask(home, sql.format(EVIL), "--format", "markdown").out
    assert "\\|" in out
    assert out.count("\n") == 3
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(out)
    kinds = [token.type for token in tokens]
    assert (kinds.count("th_open"), kinds.count("td_open")) == (5, 5)
    inner = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inner} <= {"text", "code_inline", "text_special"}
    assert EVIL in "".join(child.content for child in inner)
    ordinary = ask(home, SQL, "--format", "markdown").out
    assert "| `2` | " in ordinary
    assert ordinary.count("\n") == 4


def test_a_file_of_sql_is_run(home: Path) -> None:
    (home / "q.sql").write_text("-- all\nselect count(*) as n from events")
    ran = run("query", "--file", "q.sql", "--lake", "lake", "--json", cwd=home)
    assert json.loads(ran.out) == [{"n": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("select * from read_text('/etc/passwd')", id="file"),
        pytest.param("copy (select 1) to 'x.csv'", id="copy"),
        pytest.param("attach 'x.db'", id="attach"),
        pytest.param("set threads = 1", id="set"),
        pytest.param("drop view events", id="drop"),
        pytest.param("select 1; select 2", id="two"),
        pytest.param("select from where", id="syntax"),
        pytest.param("", id="empty"),
    ],
)
def test_sql_that_is_wrong_or_does_more_than_read_is_refused(home: Path, sql: str) -> None:
    ran = ask(home, sql)
    assert ran.code in (1, 2)
    assert ran.out == ""
    assert "mend" in ran.err


def test_an_error_points_at_the_place(home: Path) -> None:
    assert "^" in ask(home, "select nope from events").err


def test_terminal_escapes_are_shown_not_obeyed(home: Path) -> None:
    ran = ask(home, "select chr(27) || '[31mred' as a")
    assert "\x1b" not in ran.out
    assert "\\x1b[31mred" in ran.out


def test_views_lists_every_view_with_its_columns(home: Path) -> None:
    found = json.loads(run("views", "--lake", "lake", "--json", cwd=home).out)
    events = next(view for view in found if view["name"] == "events")
    assert "event_time" in events["columns"]
    assert all(view["about"] and view["columns"] for view in found)


def test_lake_info_counts_rows(home: Path) -> None:
    found = json.loads(run("lake", "info", "--lake", "lake", "--json", cwd=home).out)
    rows = {table["name"]: table["rows"] for table in found["tables"]}
    assert (rows["events"], rows["log_files"]) == (2, 1)
    assert found["last_event"] == "2026-11-20T08:00:00Z"


def test_a_saved_query_is_asked_by_name_with_its_parameters(home: Path) -> None:
    ran = run(
        *("query", "--name", "top_principals", "--param", "top=1", "--lake", "lake", "--json"),
        cwd=home,
    )
    (row,) = json.loads(ran.out)
    assert row["calls"] == 2


def test_a_parameter_that_is_not_a_pair_is_refused(home: Path) -> None:
    ran = run("query", "--name", "top_principals", "--param", "top", "--lake", "lake", cwd=home)
    assert (ran.code, ran.out) == (2, "")


def test_a_span_without_events_has_none_and_names_no_file(home: Path) -> None:
    sql = "select count(*) as n from events"
    assert json.loads(ask(home, sql, "--until", "2020-01-01", "--json").out) == [{"n": 0}]
    plan = json.loads(ask(home, "select event_name from events", "--explain", "--json").out)
    assert plan["scans"][0]["files"] == 1
    assert "event_name" in plan["scans"][0]["columns"]


def test_a_query_beyond_its_time_is_stopped_and_says_so(home: Path) -> None:
    endless = "select count(*) from range(100000000000) as a(i) where hash(i) = 1"
    ran = ask(home, endless, "--timeout", "0.5")
    assert ran.code == 1
    assert "took longer than 0.5 seconds" in ran.err


def test_a_lookup_file_is_a_table_whose_account_ids_keep_their_zeros(home: Path) -> None:
    (home / "known.csv").write_text("account_id,team\n000000000123,payments\n")
    (home / "ctanalytics.toml").write_text('[lookups]\nteams = "known.csv"\n')
    try:
        found = ask(home, "select * from teams", "--json")
    finally:
        (home / "ctanalytics.toml").unlink()
    assert json.loads(found.out) == [{"account_id": "000000000123", "team": "payments"}]


def test_queries_are_listed_and_shown(home: Path) -> None:
    names = [row["name"] for row in json.loads(run("queries", "list", "--json", cwd=home).out)]
    assert len(names) >= 40
    shown = run("queries", "show", "key_activity", cwd=home).out
    assert "--param key=...  text, has to be given" in shown
    assert run("queries", "show", "nothing", cwd=home).code == 2

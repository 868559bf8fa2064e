"""Exports: the chosen rows and no other, in files that other tools read."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import stat
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ctanalytics.app.lake.export import FORMATS, export
from ctanalytics.app.lake.export_files import CloudTrailSink
from ctanalytics.errors import QueryError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from tests.app.ingesting import ask, rows, run
from tests.app.lake.making import small_files
from tests.logs import DATA, START, event_id, record, write

ORIGIN = ("source_object", "source_row", "plan_id")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Fourteen files over two days, 84 events."""
    return small_files(tmp_path, apart=8_000)


def read(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        return (
            engine.sql(
                f"select * from read_parquet('{path}/**/*.parquet', hive_partitioning = true)"
            )
            .to_arrow_table()
            .to_pylist()
        )


def test_parquet_has_all_rows_and_columns_by_date(lake: Lake, tmp_path: Path) -> None:
    result = export(lake, tmp_path / "out")
    assert (result.rows, result.files) == (84, 2)
    found = read(tmp_path / "out")
    expected = ask(lake.uri, "select * from events order by event_id")
    assert sorted(found, key=lambda row: row["event_id"]) == expected
    assert (tmp_path / "out/event_date=2026-03-01/rows.parquet").is_file()


def test_ndjson_has_one_object_a_line_with_times_in_iso(lake: Lake, tmp_path: Path) -> None:
    export(lake, tmp_path / "out.ndjson", format="ndjson")
    found = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert {row["event_id"] for row in found} == {
        row["event_id"] for row in ask(lake.uri, "select event_id from events")
    }
    assert list(found[0]) == TABLES["events"].schema.names
    assert min(row["event_time"] for row in found) == "2026-03-01T08:00:00.000000Z"
    assert all(json.loads(row["request_parameters"])["bucketName"] for row in found)


def test_csv_is_read_back_and_runs_no_formula(tmp_path: Path) -> None:
    odd = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@x",
        "\tx",
        "＝1",
        'a "quoted", one\nwith a line',
        "ok",
    ]
    write(
        tmp_path / "logs/a.json.gz",
        [record(number, userAgent=text) for number, text in enumerate(odd)],
    )
    run(tmp_path / "logs", tmp_path / "lake")
    export(str(tmp_path / "lake"), tmp_path / "out.csv", format="csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        found = {row["event_id"]: row for row in csv.DictReader(file)}
    texts = [found[event_id(number)]["user_agent"] for number in range(len(odd))]
    assert texts == ["'" + text for text in odd[:6]] + odd[6:]
    assert found[event_id(0)]["event_time"].startswith("2026-03-01T08:00:00")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_name_that_ends_in_gz_is_gzipped(form: str, lake: Lake, tmp_path: Path) -> None:
    export(lake, tmp_path / "out.gz", format=form)
    export(lake, tmp_path / "out", format=form)
    packed = gzip.decompress((tmp_path / "out.gz").read_bytes())
    assert sorted(packed.split(b"\n")) == sorted((tmp_path / "out").read_bytes().split(b"\n"))


def test_log_files_made_again_give_the_same_rows(lake: Lake, tmp_path: Path) -> None:
    result = export(lake, tmp_path / "out", format="cloudtrail")
    assert result.rows == 84
    assert all("/CloudTrail/eu-west-1/2026/03/" in str(x) for x in (tmp_path / "out").rglob("*.gz"))
    again = run(tmp_path / "out", tmp_path / "again")
    assert (again.records_written, again.objects_quarantined) == (84, 0)
    assert rows(tmp_path / "again", but=ORIGIN) == rows(lake.uri, but=ORIGIN)


def test_real_records_come_back_with_every_value(tmp_path: Path) -> None:
    run(DATA, tmp_path / "lake")
    for table, folder in (("events", "out"), ("aws_insights", "insights")):
        export(
            str(tmp_path / "lake"),
            tmp_path / folder,
            format="cloudtrail",
            table=table,
            now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        )
    run(tmp_path / "out", tmp_path / "again")
    run(tmp_path / "insights", tmp_path / "again")
    # Of a record in which a secret is hidden, the sum of the original can't come back.
    left_out = (*ORIGIN, "record_sha256")
    for table in ("events", "aws_insights"):
        assert rows(tmp_path / "again", table, but=left_out) == rows(
            tmp_path / "lake", table, but=left_out
        )


def test_odd_records_come_back_and_no_file_leaves_the_folder(tmp_path: Path) -> None:
    odd = [
        record(1, recipientAccountId="../../../evil", awsRegion="/etc/passwd"),
        record(2, recipientAccountId="", awsRegion=""),
        record(3, newKey={"a": [1, "ä\u0000\ud83d\ude00"]}, userAgent='"quoted" \\ \u2028'),
        record(4, eventTime="never"),
        record(5, eventTime="2026-03-01T08:00:00.123456Z"),
        record(6, sessionCredentialFromConsole="true", tlsDetails={"keyExchange": "x"}),
        {key: value for key, value in record(7).items() if key not in ("eventTime", "tlsDetails")},
    ]
    write(tmp_path / "logs/a.json.gz", odd)
    run(tmp_path / "logs", tmp_path / "lake")
    home = tmp_path / "home"
    home.mkdir()
    export(str(tmp_path / "lake"), home / "out", format="cloudtrail")
    assert [path.name for path in home.iterdir()] == ["out"]
    assert not [
        path for path in tmp_path.rglob("*") if "evil" in path.name and home not in path.parents
    ]
    again = run(home / "out", tmp_path / "again")
    assert again.records_written == len(odd)
    assert rows(tmp_path / "again", but=ORIGIN) == rows(tmp_path / "lake", but=ORIGIN)


def test_records_are_cut_into_files_of_one_account_and_region(tmp_path: Path) -> None:
    sink = CloudTrailSink(tmp_path, "log", START, records_per_file=10)
    for first in range(0, 60, 15):
        places = [(f"{n % 2:012d}", "eu-west-1") for n in range(first, first + 15)]
        sink.take(
            START.date(),
            pa.record_batch(
                {
                    "account_id": [account for account, _ in places],
                    "aws_region": [region for _, region in places],
                    "record": [f'{{"n":{n}}}' for n in range(first, first + 15)],
                }
            ),
        )
    sink.close()
    found: dict[str, list[int]] = {"0" * 12: [], "0" * 11 + "1": []}
    for path in sorted(tmp_path.rglob("*.json.gz")):
        records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
        assert 0 < len(records) <= 10
        found[path.relative_to(tmp_path).parts[1]] += [record["n"] for record in records]
    assert [sorted(numbers) for numbers in found.values()] == [
        list(range(0, 60, 2)),
        list(range(1, 60, 2)),
    ]


@pytest.mark.parametrize(
    ("choice", "condition"),
    [
        ({"since": START + dt.timedelta(hours=3)}, "event_time >= '2026-03-01 11:00:00+00'"),
        ({"until": START + dt.timedelta(hours=3)}, "event_time < '2026-03-01 11:00:00+00'"),
        (
            {"since": START + dt.timedelta(hours=1), "until": START + dt.timedelta(hours=20)},
            "event_time >= '2026-03-01 09:00:00+00' and event_time < '2026-03-02 04:00:00+00'",
        ),
        ({"accounts": ["111122223333"]}, "true"),
        ({"accounts": ["' or true --"]}, "false"),
        ({"where": "event_time > '2026-03-02' -- a comment"}, "event_time > '2026-03-02'"),
        ({"where": "source_row = 1 or source_row = 2", "until": START}, "false"),
        (
            {"where": "event_id in (select max(event_id) from events)"},
            "event_id in (select max(event_id) from events)",
        ),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "ndjson"])
def test_what_is_chosen_is_written(
    choice: dict[str, Any], condition: str, form: str, lake: Lake, tmp_path: Path
) -> None:
    expected = ask(lake.uri, f"select count(*) as n from events where {condition}")[0]["n"]
    assert export(lake, tmp_path / "out", format=form, **choice).rows == expected


@pytest.mark.parametrize("name", TABLES)
def test_every_table_can_be_written(name: str, lake: Lake, tmp_path: Path) -> None:
    with lake.engine() as engine:
        ((expected,),) = engine.connection.execute(f"select count(*) from lake.{name}").fetchall()
    for form in ("parquet", "csv", "ndjson"):
        assert export(lake, tmp_path / form, format=form, table=name).rows == expected


@pytest.mark.parametrize(
    "where",
    [
        "true) or (true",
        "true; drop table lake.events",
        "select 1",
        "1 = 1 order by 1",
        "true, false",
        "'",
        "from events",
        "1) from events where (1 = 1",
    ],
)
def test_what_is_not_one_condition_is_refused(where: str, lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        export(lake, tmp_path / "out", where=where)
    assert not list(tmp_path.glob("*out*"))


def test_a_condition_reads_no_file(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError):
        export(
            lake,
            tmp_path / "out",
            where=f"exists (select * from read_csv('{tmp_path}/secret.csv'))",
        )
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"format": "xml"}, "there is no format 'xml'"),
        ({"table": "things"}, "there is no table 'things'"),
        ({"format": "cloudtrail", "table": "log_files"}, "has no records"),
        ({"table": "outbox", "accounts": ["1"]}, "has no account_id"),
    ],
)
def test_a_choice_that_can_not_be_is_said(
    choice: dict[str, Any], words: str, lake: Lake, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        export(lake, tmp_path / "out", **choice)


@pytest.mark.parametrize("form", FORMATS)
def test_an_output_is_replaced_only_when_asked(form: str, lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(lake, out, format=form)
    with pytest.raises(UsageError, match="there already"):
        export(lake, out, format=form, until=START)
    assert export(lake, out, format=form, until=START, force=True).rows == 0
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "out"}


def test_a_folder_that_no_export_made_is_never_replaced(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="nothing that an export made"):
        export(lake, tmp_path / "mine", force=True)
    with pytest.raises(UsageError, match="nothing that an export made"):
        export(lake, tmp_path / "mine/letter.txt", force=True)
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"
    with pytest.raises(UsageError, match="no such folder"):
        export(lake, tmp_path / "none/out")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_is_for_its_owner_alone(form: str, lake: Lake, tmp_path: Path) -> None:
    export(lake, tmp_path / "out", format=form)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    export(lake, tmp_path / "folder")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700

"""Retention: what is older than a day goes, and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.expire import expire
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.errors import UsageError
from ctanalytics.findings import OUTBOX
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.local_store import LocalStore
from ctanalytics.records import schema
from tests.app.ingesting import ask, run
from tests.app.lake.making import CLOSED, care, counts, everything, logs, small_files
from tests.logs import record, write

SECOND = dt.date(2026, 3, 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Fourteen files over two days."""
    return small_files(tmp_path, apart=8_000)


def dates(lake: Lake) -> dict[str, int]:
    rows = ask(lake.uri, "select event_date as d, count(*) as n from events group by 1 order by 1")
    return {str(row["d"]): row["n"] for row in rows}


@pytest.mark.parametrize("compacted", [False, True])
def test_rows_of_older_dates_go_and_all_others_stay(compacted: bool, lake: Lake) -> None:
    if compacted:
        compact(lake, settings=care(), now=CLOSED)
    before = dates(lake)
    result = expire(lake, before=SECOND)
    assert dates(lake) == {"2026-03-02": before["2026-03-02"]}
    assert result.rows == before["2026-03-01"]
    assert expire(lake, before=SECOND).rows == 0
    assert check(lake, deep=True).flaws == []


def test_objects_of_expired_rows_are_not_read_again(lake: Lake) -> None:
    expire(lake, before=SECOND)
    again = run(logs(apart=8_000), lake.uri)
    assert (again.objects_skipped, again.records_read) == (14, 0)
    assert set(dates(lake)) == {"2026-03-02"}


def test_with_the_ledger_expired_too_objects_in_the_source_are_read_again(lake: Lake) -> None:
    before = dates(lake)
    result = expire(lake, before=SECOND, ledger=True)
    gone = {one.table: one.rows for one in result.tables}
    assert gone["log_files"] == 14
    assert check(lake).flaws == []
    again = run(logs(apart=8_000), lake.uri)
    assert again.objects_ingested == gone["log_files"]
    assert dates(lake) == before


def test_undated_rows_stay_unless_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json.gz", [record(1), record(2, eventTime="never")])
    run(tmp_path / "logs", tmp_path / "lake")
    lake = Lake.open(tmp_path / "lake")
    result = expire(lake, before=SECOND)
    assert (result.rows, result.undated_rows) == (1, 1)
    assert dates(lake) == {"1970-01-01": 1}
    assert expire(lake, before=SECOND, undated=True).rows == 1
    assert dates(lake) == {}


def quarantined(lake: Lake) -> list[str]:
    with lake.engine() as engine:
        rows = engine.sql("select reason from lake.quarantine order by reason").to_pylist()
    return [row["reason"] for row in rows]


def test_of_a_table_without_dates_old_rows_go_and_files_are_written_again(lake: Lake) -> None:
    times = [dt.datetime(2026, 3, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    for group in (times, times[:1]):
        lake.append(
            "quarantine",
            pa.Table.from_pylist(
                [{"reason": f"day {at.day}", "quarantined_at": at} for at in group]
                + [{"reason": "no time"}] * (len(group) > 1),
                schema.QUARANTINE,
            ),
        )
    result = expire(lake, before=SECOND)
    (one,) = [one for one in result.tables if one.table == "quarantine"]
    assert (one.rows, one.files, one.files_rewritten) == (2, 2, 1)
    assert quarantined(lake) == ["day 2", "day 3", "no time"]


def test_what_detectors_found_stays_unless_asked_for(lake: Lake) -> None:
    row = dict.fromkeys(OUTBOX.names, "x") | {
        "revision": 1,
        "attempts": 1,
        "at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    }
    lake.append("outbox", pa.Table.from_pylist([row], OUTBOX))
    expire(lake, before=SECOND)
    assert counts(lake, "outbox") == {"None": 1}
    expire(lake, before=SECOND, findings=True)
    assert counts(lake, "outbox") == {}


def test_a_dry_run_takes_nothing_out(lake: Lake) -> None:
    before = everything(lake)
    would = expire(lake, before=SECOND, ledger=True, dry_run=True)
    assert everything(lake) == before
    done = expire(lake, before=SECOND, ledger=True)
    assert would.tables == done.tables


def test_a_day_to_come_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="lies ahead"):
        expire(lake, before=SECOND, today=dt.date(2026, 3, 1))


def test_a_late_file_of_an_expired_date_goes_with_the_next_expiry(
    lake: Lake, tmp_path: Path
) -> None:
    expire(lake, before=SECOND)
    write(tmp_path / "late/a.json.gz", [record(60)])
    run(tmp_path / "late", lake.uri)
    assert expire(lake, before=SECOND).rows == 1


def test_expired_rows_are_on_disk_until_the_vacuum(lake: Lake) -> None:
    files = lake.files("events")
    expire(lake, before=SECOND)
    assert all(Path(file).exists() for file in files)
    vacuum(lake, retention_hours=0, force=True)
    assert [Path(file) for file in files if Path(file).exists()] == [
        Path(file) for file in lake.files("events")
    ]


class Dying(LocalStore):
    """A store whose user is killed at the first note on an expiry after rows went."""

    def write(self, path: str, data: bytes) -> None:
        if path == "care/expire.json" and ask(self.uri, "select count(*) as n from events") == GONE:
            raise KeyboardInterrupt
        super().write(path, data)


GONE = [{"n": 0}]


def test_an_expiry_that_was_killed_leaves_a_lake_without_flaws(lake: Lake) -> None:
    lake.store = Dying(lake.uri)
    with pytest.raises(KeyboardInterrupt):
        expire(lake, before=CLOSED.date(), today=CLOSED.date())
    assert ask(lake.uri, "select count(*) as n from events") == GONE
    assert check(lake.uri).flaws == []


def test_the_furthest_expiry_is_remembered(lake: Lake) -> None:
    expire(lake, before=SECOND)
    expire(lake, before=dt.date(2026, 2, 1))
    found = maintenance.remembered(lake, "expire")
    assert found is not None
    assert found["before"] == "2026-03-02"

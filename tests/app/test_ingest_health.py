"""What the ledger tells of trails: which of two is the double, and how late files came."""

from __future__ import annotations

from pathlib import Path

from tests.app.ingesting import ask, run
from tests.logs import key, record, write


def test_of_two_trails_the_one_that_came_second_is_named_with_its_share(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    own, other = tmp_path / "own", tmp_path / "other"
    for number in range(3):
        start = number * 300
        records = [record(start + place) for place in range(10)]
        write(own / key(number + 1), records)
        # The organization's trail cuts its files elsewhere, and also has data events.
        data = [record(start + 100 + n, managementEvent=False) for n in range(10)]
        write(other / key(number + 2, organization="o-exampleorg"), records[5:] + data)
    run(own, lake)
    result = run(other, lake)
    assert result.records_duplicate == 15
    (row,) = ask(lake, "from ingest_health where records_duplicate > 0")
    assert row["trail"].endswith("/other/AWSLogs/o-exampleorg")
    assert row["doubles_trail"].endswith("/own/AWSLogs")
    assert (row["records"], row["records_duplicate"]) == (45, 15)
    assert row["duplicate_share"] == 0.333
    assert row["duplicate_usd"] == round(15 * 2.0 / 100_000, 4)
    assert (row["lag_minutes_median"], row["lag_minutes_most"]) == (9.9, 9.9)
    (trail,) = ask(lake, "from duplicate_trails")
    assert (trail["trail"], trail["records_duplicate"]) == (row["trail"], 15)


def test_pairs_are_counted_once_however_often_an_object_is_read_again(tmp_path: Path) -> None:
    lake, logs = tmp_path / "lake", tmp_path / "logs"
    write(logs / "a" / key(1), [record(0), record(1)])
    write(logs / "b" / key(1), [record(0), record(1), record(1)])
    for again in (False, True, True):
        run(logs, lake, reingest=again)
    found = ask(lake, "select trail, records_duplicate as n from ingest_health order by trail")
    assert [row["n"] for row in found] == [0, 3]

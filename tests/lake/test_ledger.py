"""The ledger: which objects have to be read, and which need not."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake.compacted import Writer
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.ledger import Known, Ledger
from ctanalytics.lake.merge import write
from ctanalytics.records import schema
from tests import lakes
from tests.logs import START, key

S1, S2 = "ab" * 32, "0c" * 32


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lakes.empty(tmp_path / "lake")


def found(name: str = "a", **fields: Any) -> dict[str, Any]:
    """An object as a listing gives it."""
    return {
        "bucket": "trail",
        "key": f"AWSLogs/{name}.json.gz",
        "etag": "e1",
        "size_bytes": 10,
        "last_modified": START.isoformat(),
        "storage_class": None,
        "version_id": None,
        "restored": False,
        "archived": False,
    } | fields


def commit(lake: Lake, plan_id: int, *rows: dict[str, Any]) -> None:
    table = pa.Table.from_pylist(list(rows), schema.LOG_FILES)
    lake.commit_plan("log_files", plan_id, [write(lake.store, "log_files", table, None, plan_id)])


def row(object_: dict[str, Any], state: str, plan_id: int = 1, **columns: Any) -> dict[str, Any]:
    return ledgers.row(object_, plan_id, START, state=state, **columns)


def of(day: int, number: int = 0) -> dict[str, Any]:
    """An object whose key tells on which day it was delivered."""
    return found() | {"key": key(288 * day + number)}


def dated(day: int, plan_id: int = 1, number: int = 0) -> dict[str, Any]:
    """Its row, once it was read."""
    date = (START + dt.timedelta(days=day)).date()
    return row(of(day, number), "ingested", plan_id, sha256=S1) | {"delivery_date": date}


def test_all_is_unknown_to_an_empty_ledger(lake: Lake) -> None:
    ledger = Ledger(lake)
    assert ledger.unknown([found("a"), found("b")]) == [
        found("a") | {"known_sha256": None},
        found("b") | {"known_sha256": None},
    ]
    assert ledger.unknown([]) == []


@pytest.mark.parametrize(
    ("state", "again", "on_retry"),
    [
        ("ingested", False, False),
        ("empty", False, False),
        ("skipped", False, False),
        ("partial", False, True),
        ("quarantined", False, True),
        ("denied", True, True),
        ("gone", True, True),
        ("changed", True, True),
        ("deferred", True, True),
        ("archived", True, True),
    ],
)
def test_a_state_says_whether_an_object_is_read_again(
    lake: Lake, state: str, again: bool, on_retry: bool
) -> None:
    commit(lake, 1, row(found(), state))
    ledger = Ledger(lake)
    assert bool(ledger.unknown([found()])) is again
    assert bool(ledger.unknown([found()], retry=True)) is on_retry
    assert len(ledger.unknown([found()], every=True)) == 1


def test_an_archived_object_waits_until_it_is_restored(lake: Lake) -> None:
    frozen = found(storage_class="GLACIER", archived=True)
    commit(lake, 1, row(frozen, "archived"))
    assert Ledger(lake).unknown([frozen]) == []
    assert len(Ledger(lake).unknown([frozen | {"archived": False, "restored": True}])) == 1


def test_another_etag_is_another_content(lake: Lake) -> None:
    commit(lake, 1, row(found(), "ingested", sha256=S1))
    assert Ledger(lake).unknown([found(etag="e2")]) == [found(etag="e2") | {"known_sha256": S1}]


def test_the_newest_row_of_an_object_counts(lake: Lake) -> None:
    ledger = Ledger(lake)
    commit(lake, 1, row(found(), "denied"))
    assert len(ledger.unknown([found()])) == 1
    commit(lake, 2, row(found(), "ingested", plan_id=2))
    assert ledger.unknown([found()]) == []
    commit(lake, 3, row(found(etag="e2"), "ingested", plan_id=3))
    assert ledger.unknown([found(etag="e2")]) == []
    assert len(ledger.unknown([found()])) == 1


def test_a_row_that_read_nothing_does_not_hide_what_was_read_before(lake: Lake) -> None:
    commit(lake, 1, row(found(), "ingested", sha256=S1), row(found("b"), "ingested", sha256=S2))
    commit(lake, 2, row(found(etag="e2"), "denied", plan_id=2))
    assert Ledger(lake).unknown([found(etag="e3")])[0]["known_sha256"] == S1


def test_the_newest_word_counts_whatever_the_order_of_the_files(lake: Lake) -> None:
    """As after the ledger's small files were joined: one file has rows of many plans."""
    table = pa.Table.from_pylist(
        [
            row(found("b", etag="e2"), "denied", plan_id=3),
            row(found("a"), "ingested", plan_id=1, sha256=S1),
            row(found("b"), "ingested", plan_id=1, sha256=S2),
            row(found("a"), "gone", plan_id=4),
        ],
        schema.LOG_FILES,
    )
    lake.commit_plan("log_files", 4, [write(lake.store, "log_files", table, None, 4)])
    commit(lake, 5, row(found("b", etag="e2"), "partial", plan_id=5, sha256=S1))
    asked = [found("b", etag="e2"), found("a"), found("c")]
    states = Ledger(lake).states(asked)
    assert states == [Known("partial", has_etag=True), Known("gone", has_etag=True), None]
    assert [one["known_sha256"] for one in Ledger(lake).unknown(asked)] == [S1, None]


def test_a_growing_ledger_says_what_a_new_one_says(lake: Lake) -> None:
    grown = Ledger(lake)
    picks = random.Random(7)
    names = [f"{number:02}" for number in range(40)]
    for plan_id in range(1, 30):
        some = picks.sample(names, picks.randint(1, 12))
        rows = [
            row(
                found(name, etag=picks.choice(("e1", "e2"))),
                picks.choice(("ingested", "denied", "partial")),
                plan_id=plan_id,
                sha256=picks.choice((S1, S2, None)),
            )
            for name in some
        ]
        commit(lake, plan_id, *rows)
        grown.states([found()])
    asked = [found(name) for name in names]
    assert grown.states(asked) == Ledger(lake).states(asked)
    assert grown.unknown(asked) == Ledger(lake).unknown(asked)
    assert grown.unknown(asked, every=True) == Ledger(lake).unknown(asked, every=True)


def test_only_rows_of_the_asked_days_and_later_are_held(lake: Lake) -> None:
    for plan_id, day in enumerate((0, 100, 200), 1):
        commit(lake, plan_id, *(dated(day, plan_id, number) for number in range(2)))
    commit(lake, 4, row(found("undated"), "ingested", plan_id=4))
    ledger = Ledger(lake)
    assert ledger.unknown([found("undated")]) == []
    assert ledger.held == 1
    assert ledger.unknown([of(200), of(201)]) == [of(201) | {"known_sha256": None}]
    assert ledger.held == 3
    assert ledger.states([of(100), of(200)]) == [Known("ingested", has_etag=True)] * 2
    assert ledger.held == 5
    commit(lake, 5, row(of(0), "gone", plan_id=5) | {"delivery_date": START.date()})
    assert ledger.states([of(200)]) == [Known("ingested", has_etag=True)]
    assert ledger.held == 5
    assert ledger.unknown([of(0)]) == [of(0) | {"known_sha256": S1}]
    assert ledger.held == 7


def test_of_one_file_earlier_days_are_read_when_they_are_asked_for_each_time_twice_as_far(
    lake: Lake,
) -> None:
    commit(lake, 1, *map(dated, range(20)))
    ledger = Ledger(lake)

    def held(day: int) -> int:
        assert ledger.unknown([of(day), of(day, 1)]) == [of(day, 1) | {"known_sha256": None}]
        return ledger.held

    assert [held(16), held(15)] == [5, 5]  # the day before is read too
    commit(lake, 2, dated(16, 2, number=2))
    assert [held(15), held(14), held(10)] == [6, 8, 14]
    assert [held(18), held(0)] == [14, 21]


def test_files_of_other_days_are_not_opened_unless_a_row_has_no_day(lake: Lake) -> None:
    commit(lake, 1, dated(0))
    (old,) = lake.files("log_files")
    commit(lake, 2, dated(1, 2), row(found("undated"), "ingested", 2))
    commit(lake, 3, dated(4, 3))
    commit(lake, 4, dated(5, 4))
    Path(old).unlink()
    ledger = Ledger(lake)
    assert ledger.unknown([of(5), found("undated")]) == []
    assert ledger.held == 3  # and of the day before the asked one


def test_a_file_of_the_ledger_tells_its_days(lake: Lake) -> None:
    day = START.date()
    rows = [
        row(found(str(n)), "empty") | {"delivery_date": day + dt.timedelta(n)} for n in range(3)
    ]
    table = pa.Table.from_pylist(rows, schema.LOG_FILES)
    with Writer(lake.store, "log_files", None, "joined-", 100, 100, 1) as joined:
        joined.write(table)
    for add in (write(lake.store, "log_files", table, None, 1), *joined.adds):
        stats = json.loads(add["stats"])
        assert stats["minValues"]["delivery_date"] == day.isoformat()
        assert stats["maxValues"]["delivery_date"] == (day + dt.timedelta(2)).isoformat()
        assert stats["nullCount"]["delivery_date"] == 0


def test_one_key_in_two_buckets_is_two_objects(lake: Lake) -> None:
    commit(lake, 1, row(found(), "ingested"))
    assert len(Ledger(lake).unknown([found(), found(bucket="other")])) == 1


def test_the_order_of_a_listing_is_kept(lake: Lake) -> None:
    commit(lake, 1, row(found("c"), "ingested"))
    names = [found(name) for name in "edcba"]
    assert [one["key"][-9] for one in Ledger(lake).unknown(names)] == list("edba")


def test_keys_are_those_of_a_bucket_whose_newest_word_is_that_they_were_read(lake: Lake) -> None:
    states = ("partial", "ingested", "empty", "skipped", "quarantined", "denied", "gone")
    commit(lake, 1, *(row(found(state), state) for state in states))
    commit(lake, 2, row(found(bucket="other"), "ingested", plan_id=2))
    read = [found(name)["key"] for name in ("empty", "ingested", "partial")]
    assert Ledger(lake).keys("trail") == read
    commit(lake, 3, row(found("ingested"), "gone", plan_id=3))
    assert Ledger(lake).keys("trail") == [read[0], read[2]]
    assert Ledger(lake).keys("other") == [found()["key"]]


def test_an_archive_is_complete_when_it_was_read_to_its_end_and_no_member_waits(
    lake: Lake,
) -> None:
    def of(name: str, state: str, plan_id: int = 1, **fields: Any) -> dict[str, Any]:
        return row(found() | {"bucket": "file", "key": name} | fields, state, plan_id)

    commit(
        lake,
        1,
        *(of("/logs/whole.zip", "skipped"), of("/logs/whole.zip!/a.json", "ingested")),
        *(of("/logs/whole.zip!/b.json", "quarantined"), of("/logs/half.zip", "partial")),
        *(of("/logs/waits.zip", "skipped"), of("/logs/waits.zip!/a.json", "denied")),
        of("/logs/whole.zip", "skipped", bucket="other", etag="e7"),
    )
    ledger = Ledger(lake)

    def complete(name: str, etag: str = "e1", bucket: str = "file", mark: str = "!/") -> bool:
        return ledger.is_complete(bucket, f"/logs/{name}.zip", etag, mark)

    assert [complete(name) for name in ("whole", "half", "waits", "unknown")] == [
        True,
        False,
        False,
        False,
    ]
    assert not complete("whole", "e2")
    assert complete("waits", mark="::")  # by another mark it has no member
    assert (complete("whole", "e1", "other"), complete("whole", "e7", "other")) == (False, True)
    # What a plan adds is seen by the same ledger.
    commit(lake, 2, of("/logs/waits.zip!/a.json", "ingested", 2))
    commit(lake, 3, of("/logs/whole.zip!/a.json", "deferred", 3))
    assert (complete("waits"), complete("whole")) == (True, False)


def test_a_row_has_all_columns_and_the_times_of_the_listing() -> None:
    made = row(found(), "ingested", records=3)
    assert list(made) == schema.LOG_FILES.names
    assert made["last_modified"] == START
    assert (made["records"], made["reason"]) == (3, None)
    assert isinstance(made["ingested_at"], dt.datetime)

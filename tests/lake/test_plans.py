"""Plans: claimed once, concluded once, carried into every table by whoever comes next."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.errors import LakeError, LakeNewer
from ctanalytics.lake import plans, staging
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import INGEST_TABLES, TABLES
from ctanalytics.lake.merge import write
from tests import builders, lakes
from tests.logs import START


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lakes.empty(tmp_path / "lake")


def plan(plan_id: int = 1, owner: str = "me") -> plans.Plan:
    return {
        "plan_id": plan_id,
        "owner": {"id": owner},
        "source": {"source": "/logs", "aws": {}},
        "settings_hash": "s",
        "objects": [],
    }


def result(lake: Lake, plan_id: int = 1, event_id: str = "a") -> plans.PlanResult:
    """A result that adds one row to `events` and one to `quarantine`."""
    rows = {
        "events": pa.Table.from_pylist(
            [builders.event(START, event_id=event_id)], TABLES["events"].file_schema()
        ),
        "quarantine": pa.Table.from_pylist([{"reason": "not_json"}], TABLES["quarantine"].schema),
    }
    dates = {"events": START.date().isoformat(), "quarantine": None}
    adds = {
        name: [write(lake.store, name, table, dates[name], plan_id)] for name, table in rows.items()
    }
    return {"plan_id": plan_id, "adds": adds, "rows": {"events": 1, "quarantine": 1}}


def put_result(lake: Lake, found: plans.PlanResult) -> None:
    path = plans.result_path(found["plan_id"])
    assert lake.store.put_once(path, json.dumps(found).encode())


def counted(lake: Lake) -> dict[str, int]:
    with lake.engine() as engine:
        return {
            name: engine.sql(f"select count(*) as n from lake.{name}").to_pylist()[0]["n"]
            for name in ("events", "quarantine")
        }


def left(lake: Lake) -> list[str]:
    return [
        path for path in lake.store.list() if path.startswith(("plans/", "staging/", "leases/"))
    ]


def test_the_first_claim_of_a_number_wins(lake: Lake) -> None:
    assert plans.claim(lake, plan())
    assert not plans.claim(lake, plan(owner="another"))
    found = plans.pending(lake, 1)
    assert found is not None
    assert found["owner"] == {"id": "me"}


def test_a_number_that_was_used_meanwhile_is_not_claimed(lake: Lake) -> None:
    assert plans.conclude(lake, 1, result(lake))
    assert not plans.claim(lake, plan())
    assert left(lake) == []


def test_a_concluded_plan_is_in_every_table_and_leaves_nothing(lake: Lake) -> None:
    plans.claim(lake, plan())
    staging.stage(lake.store, 1, "part", {"log_files": TABLES["log_files"].schema.empty_table()})
    lake.store.write(f"{staging.folder(1)}x.arrow", b"")
    assert plans.conclude(lake, 1, result(lake))
    assert {lake.ingest_version(name) for name in INGEST_TABLES} == {1}
    assert counted(lake) == {"events": 1, "quarantine": 1}
    assert left(lake) == []
    assert plans.roll_forward(lake) == 2


def test_of_two_results_of_one_plan_the_first_counts_for_both(lake: Lake) -> None:
    plans.claim(lake, plan())
    one, two = result(lake, event_id="one"), result(lake, event_id="two")
    put_result(lake, one)
    assert not plans.conclude(lake, 1, two)
    with lake.engine() as engine:
        assert engine.sql("select event_id from events")["event_id"].to_pylist() == ["one"]


@pytest.mark.parametrize("tables", range(len(INGEST_TABLES) + 1))
def test_a_result_that_was_folded_half_is_rolled_forward(lake: Lake, tables: int) -> None:
    plans.claim(lake, plan())
    found = result(lake)
    put_result(lake, found)
    for name in INGEST_TABLES[:tables]:
        lake.commit_plan(name, 1, found["adds"].get(name, []))
    other = Lake.open(lake.uri)
    assert plans.roll_forward(other) == 2
    assert {other.ingest_version(name) for name in INGEST_TABLES} == {1}
    assert counted(other) == {"events": 1, "quarantine": 1}
    assert left(other) == []


@pytest.mark.parametrize("steps", range(4))
def test_a_cleaning_that_was_cut_off_is_gone_on_with(lake: Lake, steps: int) -> None:
    """The state after each of the deletions at the end of a plan."""
    plans.claim(lake, plan())
    lake.store.write(f"{staging.folder(1)}x.arrow", b"")
    found = result(lake)
    put_result(lake, found)
    for name in INGEST_TABLES:
        lake.commit_plan(name, 1, found["adds"].get(name, []))
    paths = [plans.plan_path(1), f"{staging.folder(1)}x.arrow", plans.result_path(1)]
    for path in paths[:steps]:
        lake.store.delete(path)
    assert plans.roll_forward(lake) == 2
    assert left(lake) == []
    assert counted(lake) == {"events": 1, "quarantine": 1}


def test_plans_that_are_done_are_removed_and_later_ones_stay(lake: Lake) -> None:
    plans.conclude(lake, 1, result(lake))
    lake.store.write(plans.plan_path(1), json.dumps(plan()).encode())
    assert plans.claim(lake, plan(2))
    assert plans.roll_forward(lake) == 2
    assert left(lake) == [plans.plan_path(2)]


def test_rows_and_leases_of_done_plans_are_swept_and_later_ones_stay(lake: Lake) -> None:
    plans.conclude(lake, 1, result(lake))
    for plan_id in (1, 2):
        lake.store.write(f"{staging.folder(plan_id)}part.arrow", b"")
        lake.store.write(f"leases/{plans.lease_name(plan_id)}.json", b"{}")
    lake.store.write("leases/emit.json", b"{}")
    plans.sweep(lake)
    assert left(lake) == [
        "leases/emit.json",
        f"leases/{plans.lease_name(2)}.json",
        f"{staging.folder(2)}part.arrow",
    ]


def test_many_who_fold_one_result_add_it_once(lake: Lake) -> None:
    plans.claim(lake, plan())
    put_result(lake, result(lake))
    faults: list[BaseException] = []

    def fold() -> None:
        try:
            plans.roll_forward(Lake.open(lake.uri))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=fold) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert counted(lake) == {"events": 1, "quarantine": 1}
    assert left(lake) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"7",
        b"{}",
        b'{"format_version":1}',
        b'{"format_version":"x"}',
        json.dumps(plan(7) | {"format_version": 1}).encode(),
    ],
)
def test_a_plan_that_can_not_be_read_is_said_with_the_way_out(lake: Lake, content: bytes) -> None:
    lake.store.write(plans.plan_path(1), content)
    with pytest.raises(LakeError, match="can't be read") as caught:
        plans.pending(lake, 1)
    assert caught.value.where.endswith(plans.plan_path(1))
    assert "remove that file" in caught.value.mend


def test_a_plan_of_a_newer_version_is_not_touched(lake: Lake) -> None:
    newer: dict[str, Any] = plan() | {"format_version": plans.PLAN_FORMAT + 1}
    lake.store.write(plans.plan_path(1), json.dumps(newer).encode())
    with pytest.raises(LakeNewer):
        plans.pending(lake, 1)
    assert lake.store.exists(plans.plan_path(1))


def test_no_plan_is_pending_in_a_new_lake(lake: Lake) -> None:
    assert plans.roll_forward(lake) == 1
    assert plans.pending(lake, 1) is None
    assert plans.version(lake) == 0

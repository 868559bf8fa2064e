"""Erasure requests: what they name is nowhere in the lake, and no later ingest brings it back."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.forget import ForgetResult, forget
from ctanalytics.app.lake.check import check
from ctanalytics.errors import SettingsError, UsageError
from ctanalytics.lake import forgotten
from ctanalytics.lake.erasure import Subject
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.treatment import KEY_VARIABLE
from tests import builders
from tests.app.ingesting import ask, contents, leftovers, rows, run
from tests.lake.decoding import INSIGHT
from tests.lake.test_erasure import ALICE
from tests.logs import START, document, key, record, write

NAME = "Alice.Meyer"


def lake_with(tmp_path: Path) -> tuple[Path, Path]:
    """A lake in which a user acted, is mentioned, is evidence, and is in quarantine."""
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    by_alice = record(0, userIdentity=ALICE)
    of_alice = record(1, requestParameters={"userName": NAME})
    write(logs / key(0), [by_alice, of_alice, record(2), by_alice | {"userAgent": "another"}])
    insight = json.loads(json.dumps(INSIGHT))
    insight["insightDetails"]["attributions"] = [{"value": ALICE["arn"]}]
    write(logs / key(1), [insight, record(3, userIdentity=ALICE, eventVersion="2.0")])
    run(logs, lake)
    anomaly = builders.anomaly(
        START,
        anomaly_id="a",
        state="open",
        detector="behaviour",
        series_key=ALICE["arn"],
        title=f"{NAME} read 41 secrets",
        explanation=f"{NAME} never did",
        evidence=json.dumps({"sql": f"select '{ALICE['arn']}'"}),
        principal_arn=ALICE["arn"],
    )
    sent = {
        "anomaly_id": "a", "state": "open", "revision": 1, "target": "stdout", "outcome": "failed",
        "reason": f"can't send '{NAME} read 41 secrets'", "attempts": 1, "at": START,
    }  # fmt: skip
    builders.append(lake, "anomalies", anomaly)
    builders.append(lake, "outbox", sent)
    return logs, lake


def everything(lake: Path) -> str:
    found = contents(lake, TABLES)
    return json.dumps([sorted(each) for each in found.values()]).lower()


def by_table(result: ForgetResult) -> dict[str, tuple[int, int]]:
    return {each.table: (each.removed, each.covered) for each in result.tables}


EXPECTED = {
    "quarantine": (0, 1),
    "aws_insights": (0, 1),
    "event_conflicts": (1, 0),
    "events": (1, 1),
    "anomalies": (0, 1),
    "outbox": (0, 1),
}


def test_a_person_is_taken_out_of_every_table(tmp_path: Path) -> None:
    _, lake = lake_with(tmp_path)
    assert NAME.lower() in everything(lake)
    would = forget(str(lake), kind="user_name", value=NAME, dry_run=True)
    assert would.dry_run and would.request_id is None
    assert NAME.lower() in everything(lake)
    result = forget(str(lake), kind="user_name", value=NAME.upper())
    assert by_table(result) == by_table(would) == EXPECTED
    assert NAME.lower() not in everything(lake)
    assert (result.removed, result.covered) == (2, 5)
    assert [row["event_id"][-1] for row in ask(lake, "from events order by event_time")] == [
        "1",
        "2",
    ]
    assert leftovers(lake) == []


@pytest.mark.parametrize("action", ["remove", "mask"])
def test_a_lake_that_was_made_to_forget_is_whole(action: str, tmp_path: Path) -> None:
    logs, lake = lake_with(tmp_path)
    forget(str(lake), kind="user_name", value=NAME, action=action)
    assert check(str(lake), deep=True).flaws == []
    run(logs, lake, reingest=True)
    assert check(str(lake), deep=True).flaws == []


def test_masking_keeps_the_rows(tmp_path: Path) -> None:
    _, lake = lake_with(tmp_path)
    before = {name: found.total() for name, found in contents(lake, TABLES).items()}
    result = forget(str(lake), kind="user_name", value=NAME, action="mask")
    assert (result.removed, result.covered) == (0, 7)
    assert {name: found.total() for name, found in contents(lake, TABLES).items()} == before
    assert NAME.lower() not in everything(lake)
    (row,) = ask(
        lake, "select user_name, actor, masked_paths from lake.events where user_name like '%*%'"
    )
    assert row == {"user_name": "***", "actor": "arn:aws:iam::111122223333:user/team/***",
                   "masked_paths": "forgotten()"}  # fmt: skip


@pytest.mark.parametrize("action", ["remove", "mask"])
def test_neither_a_late_copy_nor_reading_again_brings_it_back(action: str, tmp_path: Path) -> None:
    logs, lake = lake_with(tmp_path)
    forget(str(lake), kind="user_name", value=NAME, action=action)
    before = rows(lake)
    write(logs / key(7), [record(0, userIdentity=ALICE), record(70, userIdentity=ALICE)])
    late = run(logs, lake)
    gone = action == "remove"
    assert late.records_filtered == (2 if gone else 0)
    assert late.filtered_by_rule == ({"forgotten": 2} if gone else {})
    assert (rows(lake) == before) == gone
    run(logs, lake, reingest=True)
    assert NAME.lower() not in everything(lake)


def test_a_copy_of_a_row_that_was_covered_is_a_duplicate_not_a_conflict(tmp_path: Path) -> None:
    logs, lake = lake_with(tmp_path)
    forget(str(lake), kind="user_name", value=NAME, action="mask")
    write(logs / key(7), [record(1, requestParameters={"userName": NAME})])
    assert run(logs, lake).records_duplicate == 1
    assert NAME.lower() not in everything(lake)


def test_hashing_needs_the_key_and_gives_the_same_hash_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, lake = lake_with(tmp_path)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(SettingsError):
        forget(str(lake), kind="ip", value="203.0.113.9", action="hash")
    monkeypatch.setenv(KEY_VARIABLE, "a key for the tests, long enough")
    forget(str(lake), kind="ip", value="203.0.113.9", action="hash")
    write(logs / key(7), [record(70)])
    run(logs, lake)
    found = ask(lake, "select distinct source_ip_address as a from lake.events")
    assert len(found) == 1 and found[0]["a"].startswith("hmac:")


def test_only_an_accounts_span_is_removed_with_its_quarantine(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    other = "444455556666"
    for account in (other, "111122223333"):
        own = {"recipientAccountId": account}
        write(logs / key(0, account_id=account), [record(n, **own) for n in (0, 90_000)])
        broken = logs / key(1, account_id=account)
        broken.write_bytes(gzip.compress(document([record(5, **own, eventVersion="2.0")])))
    run(logs, lake)
    result = forget(str(lake), kind="account", value=other, until=START + dt.timedelta(days=1))
    assert by_table(result) == {"quarantine": (1, 0), "events": (1, 0)}
    found = ask(lake, "select account_id, count(*) as n from events group by all order by all")
    assert [tuple(row.values()) for row in found] == [("111122223333", 2), (other, 1)]
    run(logs, lake, reingest=True)
    assert ask(lake, "select count(*) as n from events") == [{"n": 3}]


def test_the_log_tells_all_but_the_subject_and_a_request_made_twice_is_one(tmp_path: Path) -> None:
    _, lake = lake_with(tmp_path)
    store = Lake.open(str(lake)).store
    first = forget(str(lake), kind="user_name", value=NAME, reason="request 17")
    again = forget(str(lake), kind="user_name", value=NAME.lower())
    assert again.request_id == first.request_id and again.tables == []
    (entry,) = forgotten.entries(store)
    assert NAME.lower() not in json.dumps(entry).lower()
    assert entry["reason"] == "request 17" and "@" in entry["by"]
    assert entry["rows"]["events"] == {"removed": 1, "covered": 1}
    assert entry["finished_at"] and entry["requested_at"]
    assert forgotten.same(store, Subject("user_name", "somebody"), "remove") is None


def test_a_request_that_was_logged_and_then_killed_goes_on(tmp_path: Path) -> None:
    logs, lake = lake_with(tmp_path)
    store = Lake.open(str(lake)).store
    subject = Subject("user_name", NAME)
    forgotten.write(store, forgotten.new(subject, "remove", START, ""))
    write(logs / key(7), [record(70, userIdentity=ALICE)])
    assert run(logs, lake).records_filtered == 1  # from the first moment on
    result = forget(str(lake), kind="user_name", value=NAME)
    assert result.removed == 2
    assert len(forgotten.entries(store)) == 1


@pytest.mark.parametrize(
    "wrong", [{"kind": "colour"}, {"action": "burn"}, {"value": "x"}, {"kind": "account", "action": "mask"}],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    _, lake = lake_with(tmp_path)
    with pytest.raises(UsageError):
        forget(str(lake), **({"kind": "user_name", "value": NAME} | wrong))


SCRIPT = """
import sys
from ctanalytics.app.forget import forget
print("ready", flush=True)
sys.stdin.readline()
forget(sys.argv[1], kind="user_name", value=sys.argv[2])
"""


@pytest.mark.parametrize(
    "step",
    [
        "forgotten/*.json",
        "tables/*/**/merged-0-*.parquet",
        # The rows are gone, and the ledger doesn't know it yet.
        "tables/events/_delta_log/00000000000000000001.json",
    ],
)
def test_killed_on_its_way_and_asked_again_it_is_carried_out_once(
    step: str, tmp_path: Path
) -> None:
    _, lake = lake_with(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(lake), NAME],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    until = time.monotonic() + 60
    while not any(lake.glob(step)) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.0005)
    process.kill()
    process.communicate()
    forget(str(lake), kind="user_name", value=NAME)
    assert NAME.lower() not in everything(lake)
    assert [row["n"] for row in ask(lake, "select count(*) as n from lake.events")] == [2]
    (entry,) = forgotten.entries(Lake.open(str(lake)).store)
    assert entry["finished_at"]
    assert check(str(lake)).flaws == []

"""Objects read again: their rows are replaced exactly once, whatever comes between."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.app.lake.check import check
from ctanalytics.errors import UsageError
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Drop, Ingest, Redact, Settings
from tests.app.ingesting import ask, contents, leftovers, rows, run
from tests.lake.test_treatment import ASSUME, SECRET
from tests.logs import corpus, document, key, record, write

PLAIN = Redact(mask=[])
LIMITS: dict[str, Any] = {"plan_objects": 2, "part_objects": 1}
RECORDS = ("events", "event_conflicts", "aws_insights", "aggregated_events")


def take(
    source: Path, lake: Path, *, redact: Redact | None = None, drop: list[Drop] | None = None,
    **more: Any,
) -> IngestResult:  # fmt: skip
    limits = {name: more.pop(name) for name in list(more) if name in Ingest.__struct_fields__}
    settings = Settings(
        ingest=Ingest(workers=1, drop=drop or [], **limits), redact=redact or Redact()
    )
    return ingest([str(source)], str(lake), settings=settings, **more)


def everything(lake: Path) -> str:
    return json.dumps([sorted(found) for found in contents(lake).values()])


def test_what_came_unmasked_is_masked_after_and_nothing_else_changes(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(0, **ASSUME), record(1), record(2, **ASSUME, eventVersion="2.0")])
    write(logs / key(1), [record(3), record(0, **ASSUME)])
    take(logs, lake, redact=PLAIN)
    assert SECRET in everything(lake)
    before = rows(lake, but=["record_sha256", "masked_paths", "response_elements"])
    result = take(logs, lake, reingest=True)
    assert (result.records_read, result.records_written, result.records_duplicate) == (5, 3, 1)
    assert rows(lake, but=["record_sha256", "masked_paths", "response_elements"]) == before
    assert SECRET not in everything(lake)
    assert ask(lake, "select count(*) as n from lake.quarantine") == [{"n": 1}]
    assert leftovers(lake) == []


def test_reading_again_under_the_same_settings_changes_nothing(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    corpus(logs, files=6, per_file=20, apart=20_000)
    write(logs / "odd.json.gz", [record(3, eventName="Contradiction"), record(0)])
    run(logs, lake, **LIMITS)
    before = contents(lake, RECORDS)
    for _ in range(2):
        assert run(logs, lake, reingest=True, **LIMITS).objects_ingested == 7
        assert contents(lake, RECORDS) == before
        assert check(str(lake), deep=True).flaws == []
    assert run(logs, lake).objects_skipped == 7


def test_only_the_objects_of_the_chosen_span_are_read_again(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(0, **ASSUME)])
    write(logs / key(0, account_id="444455556666"), [record(1, **ASSUME)])
    take(logs, lake, redact=PLAIN)
    result = take(logs, lake, reingest=True, accounts=["444455556666"])
    assert (result.objects_listed, result.objects_ingested) == (1, 1)
    found = ask(lake, "select masked_paths is null as plain from lake.events order by event_id")
    assert [row["plain"] for row in found] == [True, False]


def test_objects_that_are_gone_or_can_not_be_read_keep_their_rows(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    gone = write(logs / key(0), [record(0)])
    damaged = write(logs / key(1), [record(1)])
    write(logs / key(2), [record(2)])
    run(logs, lake)
    before = rows(lake)
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-9])
    result = run(logs, lake, reingest=True)
    assert (result.objects_listed, result.objects_quarantined) == (2, 1)
    assert rows(lake) == before


def test_who_changes_an_object_does_not_change_what_the_lake_says(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    path = write(logs / key(0), [record(0), record(1)])
    run(logs, lake)
    before = rows(lake)
    write(path, [record(0, eventName="Nothing")])
    result = run(logs, lake, reingest=True)
    assert rows(lake) == before
    assert rows(lake, "event_conflicts").total() == 1
    assert any("other content" in note for note in result.notes)


@pytest.mark.parametrize("again", [0, 1], ids=["the-first", "the-copy"])
def test_an_event_of_two_objects_stays_when_either_is_read_again(
    again: int, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    for number in range(2):
        folder = tmp_path / str(number)
        write(folder / key(number), [record(0), record(10 + number)])
        run(folder, lake)
    before = rows(lake)
    result = run(tmp_path / str(again), lake, reingest=True)
    assert rows(lake) == before
    assert result.records_duplicate == again
    pairs = ask(lake, "select source_object, first_object, records from lake.duplicates")
    assert [row["records"] for row in pairs] == [1]


def test_a_new_rule_takes_rows_out_and_its_end_brings_them_back(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(0), record(1, eventName="PutObject"), record(90_000)])
    take(logs, lake)
    before = rows(lake)
    noise = [Drop(name="noise", event_name=["Get*"])]
    assert take(logs, lake, drop=noise, reingest=True).records_filtered == 2
    assert rows(lake).total() == 1
    take(logs, lake, reingest=True)
    assert rows(lake) == before


def test_files_that_were_compacted_between_are_rewritten(tmp_path: Path) -> None:
    from ctanalytics.app.lake.compact import compact

    logs, lake = tmp_path / "logs", tmp_path / "lake"
    corpus(logs, files=4, per_file=20, apart=100)
    write(logs / key(900), [record(5, **ASSUME, eventID="other")])
    take(logs, lake, redact=PLAIN, **LIMITS)
    before = rows(lake, but=["record_sha256", "masked_paths", "response_elements"])
    compact(str(lake))
    take(logs, lake, reingest=True, **LIMITS)
    assert rows(lake, but=["record_sha256", "masked_paths", "response_elements"]) == before
    assert SECRET not in everything(lake)


def test_a_commit_that_removes_files_between_look_and_commit_is_not_undone(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), map(record, range(5)))
    run(logs, lake)
    here = Lake.open(str(lake))
    stale = maintenance.snapshot(here, "events")
    run(logs, lake, reingest=True)
    before = rows(lake)
    (file,) = stale.files
    add = {"path": "event_date=2026-03-01/other.parquet", "size": file.size_bytes, "partition": file.date and str(file.date),
           "stats": "{}"}  # fmt: skip
    assert not maintenance.replace(here, stale, [file.path], [add], why="compact")
    assert rows(lake) == before


def test_a_queue_can_not_be_read_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        ingest(["s3://b"], str(tmp_path), queue="https://sqs/q", reingest=True)


SCRIPT = """
import json, sys
from ctanalytics.app.lake.check import check
from ctanalytics.app.ingest import ingest
from ctanalytics.settings import Ingest, Settings
print("ready", flush=True)
sys.stdin.readline()
settings = Settings(ingest=Ingest(**json.loads(sys.argv[3])))
ingest([sys.argv[1]], sys.argv[2], settings=settings, reingest=True)
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    corpus(folder, files=4, per_file=12, apart=20_000)
    write(folder / "odd.json.gz", [record(3, eventName="Odd"), record(0, eventVersion="2.0")])
    write(folder / "sts.json.gz", [record(n, **ASSUME) for n in range(700, 720)])
    (folder / "plain.json").write_bytes(document([record(900), record(0)]))
    return folder


@pytest.fixture(scope="module")
def undisturbed(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    lake = tmp_path_factory.mktemp("lakes") / "undisturbed"
    run(logs, lake, **LIMITS)
    return contents(lake, [*RECORDS, "quarantine"])


@pytest.fixture(scope="module")
def unmasked(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("lakes") / "unmasked"
    take(logs, lake, redact=PLAIN, **LIMITS)
    return lake


def begun(logs: Path, lake: Path) -> subprocess.Popen[str]:
    """A process that reads a lake's objects again, under the default settings."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(logs), str(lake), json.dumps({"workers": 1, **LIMITS})],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process


def newest(lake: Path) -> int:
    return max(Lake.open(str(lake)).ingest_version(name) for name in ("log_files", "events"))


def exists(pattern: str) -> Callable[[Path, int], bool]:
    return lambda lake, plan: any(True for _ in lake.glob(pattern.format(f"{plan:012d}")))


STEPS: dict[str, Callable[[Path, int], bool]] = {
    "rows-are-staged": exists("staging/{}/*.arrow"),
    "a-part-is-merged": exists("tables/*/**/plan-{}-*.parquet"),
    "the-result-is-put": exists("plans/{}.result.json"),
    "a-file-is-rewritten": exists("tables/events/**/merged-0-*.parquet"),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_rows_are_replaced_exactly_once(
    step: str, logs: Path, undisturbed: dict[str, Counter[str]], unmasked: Path, tmp_path: Path
) -> None:
    lake = shutil.copytree(unmasked, tmp_path / "lake")
    process = begun(logs, lake)
    first = newest(lake) + 1
    until = time.monotonic() + 60
    while not STEPS[step](lake, first) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.0005)
    process.kill()
    process.communicate()
    run(logs, lake, **LIMITS)  # an ordinary ingest finishes what was begun
    assert leftovers(lake) == []
    run(logs, lake, reingest=True, **LIMITS)
    assert contents(lake, [*RECORDS, "quarantine"]) == undisturbed
    assert SECRET not in everything(lake)


def test_killed_at_random_moments_no_row_is_lost_or_doubled(
    logs: Path, undisturbed: dict[str, Counter[str]], unmasked: Path, tmp_path: Path
) -> None:
    rng = random.Random(7)
    names = ["record_sha256", "masked_paths", "response_elements"]
    lake = shutil.copytree(unmasked, tmp_path / "lake")
    for _ in range(2):
        process = begun(logs, lake)
        time.sleep(rng.uniform(0.05, 0.8))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, rng.choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate()
        run(logs, lake, **LIMITS)
        assert rows(lake, but=names).total() == undisturbed["events"].total()
        assert leftovers(lake) == []
    run(logs, lake, reingest=True, **LIMITS)
    assert contents(lake, [*RECORDS, "quarantine"]) == undisturbed

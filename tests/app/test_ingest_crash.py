"""Ingests that are killed at any moment, or run two at a time: the rows are those of one run."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.ingesting import Forker, ask, contents, leftovers, run, start
from tests.logs import corpus, document, record, write

FILES = 8
LIMITS = {"plan_objects": 2, "part_objects": 1}
KILLS = 16
Contents = dict[str, Counter[str]]
DEADLINE = 60.0


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files over two days with duplicates, a contradiction and a thing of every kind of fault."""
    folder = tmp_path_factory.mktemp("logs")
    corpus(folder, files=FILES - 3, per_file=12, apart=20_000)
    write(
        folder / "odd.json.gz",
        [record(3, eventName="Contradiction"), record(0, eventVersion="2.0")],
    )
    (folder / "cut.json.gz").write_bytes(b"\x1f\x8b\x08cut")
    (folder / "plain.json").write_bytes(document([record(900), record(0)]))
    return folder


@pytest.fixture(scope="module")
def undisturbed(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What a lake holds that one quiet run has made."""
    lake = tmp_path_factory.mktemp("lakes") / "undisturbed"
    assert run(logs, lake, **LIMITS).objects_listed == FILES
    return contents(lake)


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    made = Forker()
    yield made
    made.close()


def is_like(lake: Path, undisturbed: Contents) -> None:
    assert contents(lake) == undisturbed
    assert leftovers(lake) == []
    assert undisturbed["log_files"].total() == FILES


def test_killed_at_random_moments_and_run_again_is_one_run(
    logs: Path, undisturbed: Contents, forker: Forker, tmp_path: Path
) -> None:
    rng = random.Random(20130)
    signals = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    kills = lakes = 0
    while kills < KILLS:
        lake = tmp_path / f"lake{lakes}"
        lakes += 1
        for _ in range(6):
            pid = forker.start(logs, lake, **LIMITS)
            time.sleep(rng.uniform(0, 0.6))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, rng.choice(signals))
            if forker.ended_well():
                break
            kills += 1
        run(logs, lake, **LIMITS)
        is_like(lake, undisturbed)


def test_killed_with_its_workers_and_run_again_is_one_run(
    logs: Path, undisturbed: Contents, tmp_path: Path
) -> None:
    rng = random.Random(3)
    for _ in range(3):
        process = start(logs, tmp_path / "lake", workers=2, **LIMITS)
        time.sleep(rng.uniform(0.7, 1.5))
        process.kill()
        process.communicate()
    run(logs, tmp_path / "lake", **LIMITS)
    is_like(tmp_path / "lake", undisturbed)


def exists(pattern: str) -> Callable[[Path], bool]:
    return lambda lake: any(True for _ in lake.glob(pattern))


STEPS: dict[str, Callable[[Path], bool]] = {
    "a-table-is-made": exists("tables/log_files/_delta_log/*.json"),
    "the-marker-is-written": exists("lake.json"),
    "the-lease-is-held": exists("leases/plan-*.json"),
    "the-plan-is-claimed": exists("plans/000000000001.json"),
    "rows-are-staged": exists("staging/000000000001/*.arrow"),
    "a-part-is-merged": exists("tables/*/**/plan-000000000001-*.parquet"),
    "the-result-is-put": exists("plans/000000000001.result.json"),
    "one-table-has-the-plan": exists("tables/log_files/_delta_log/00000000000000000001.json"),
    "all-tables-have-the-plan": exists("tables/events/_delta_log/00000000000000000001.json"),
    "the-second-plan-is-claimed": exists("plans/000000000002.json"),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_run_again_is_one_run(
    step: str, logs: Path, undisturbed: Contents, forker: Forker, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    pid = forker.start(logs, lake, **LIMITS)
    wait_for(step, lake)
    os.kill(pid, signal.SIGKILL)
    assert not forker.ended_well(), "the run was over before it could be killed"
    run(logs, lake, **LIMITS)
    is_like(lake, undisturbed)


def wait_for(step: str, lake: Path) -> None:
    until = time.monotonic() + DEADLINE
    while not STEPS[step](lake) and time.monotonic() < until:
        time.sleep(0.0005)


@pytest.mark.parametrize("workers", [1, 2])
def test_two_ingests_of_one_source_at_once_lose_nothing_and_double_nothing(
    workers: int, logs: Path, undisturbed: Contents, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    processes = [start(logs, lake, wait=True, workers=workers, **LIMITS) for _ in range(2)]
    for process in processes:  # all are ready: now both go
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    read = written = 0
    for process in processes:
        out, error = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, error
        counts = json.loads(out)
        read, written = read + counts[0], written + counts[1]
    found = contents(lake)
    assert written == found["events"].total() + found["event_conflicts"].total()
    assert read == sum(row["records"] for row in ask(lake, "select records from ingest_files"))
    # Who comes first with which plan is open, so of equal copies either may be the one that stays.
    assert without_origin(found["events"]) == without_origin(undisturbed["events"])
    assert found["log_files"] == undisturbed["log_files"]
    assert leftovers(lake) == []


def without_origin(rows: Counter[str]) -> Counter[str]:
    made: Counter[str] = Counter()
    for text, count in rows.items():
        row = json.loads(text)
        del row["source_object"], row["source_row"]
        made[json.dumps(row)] += count
    return made


def test_an_ingest_waits_for_one_at_work_and_takes_over_when_that_dies(
    logs: Path, undisturbed: Contents, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    first = start(logs, lake, **LIMITS)
    wait_for("the-plan-is-claimed", lake)
    first.send_signal(signal.SIGSTOP)
    second = start(logs, lake, **LIMITS)
    time.sleep(1.0)
    assert second.poll() is None  # the first is alive, though it does nothing
    started = time.monotonic()
    first.kill()
    first.communicate()
    out, error = second.communicate(timeout=DEADLINE)
    assert second.returncode == 0, error
    assert out
    assert time.monotonic() - started < 30
    is_like(lake, undisturbed)

"""Leases: one holder at a time, the dead replaced at once, the living waited for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.errors import LakeError
from ctanalytics.lake import lease as leases
from ctanalytics.lake.lease import Lease
from ctanalytics.lake.store import Store, open_store
from ctanalytics.settings import LakeAws

HOLDER = """
import sys
from ctanalytics.lake.lease import Lease
from ctanalytics.lake.store import open_store
from ctanalytics.settings import LakeAws
lease = Lease.acquire(open_store(sys.argv[1], LakeAws()), "work")
print("held", flush=True)
sys.stdin.readline()
lease.release()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path), LakeAws())


def holder(store: Store) -> subprocess.Popen[str]:
    """Another process that holds the lease until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def written(store: Store, **changes: Any) -> None:
    """A lease as some other holder would have left it."""
    holder = leases.owner() | {"id": "other"} | changes.pop("holder", {})
    content = {"holder": holder, "expires_at": time.time() + 600} | changes
    store.write("leases/work.json", json.dumps(content).encode())


def test_a_lease_is_there_while_held_and_gone_after(store: Store) -> None:
    lease = Lease.acquire(store, "work")
    found = json.loads(store.read("leases/work.json"))
    assert (found["holder"]["pid"], found["holder"]["id"]) == (os.getpid(), lease.holder["id"])
    assert 0 < found["expires_at"] - time.time() <= leases.TTL_SECONDS
    lease.release()
    assert not store.exists("leases/work.json")


def test_the_lease_of_a_killed_process_is_taken_over_at_once(store: Store) -> None:
    process = holder(store)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.exists("leases/work.json")
    started = time.monotonic()
    Lease.acquire(store, "work", wait_seconds=30).release()
    assert time.monotonic() - started < 5


def test_the_lease_of_a_living_process_is_waited_for(store: Store) -> None:
    process = holder(store)
    taken: list[float] = []

    def take() -> None:
        lease = Lease.acquire(store, "work", wait_seconds=30)
        taken.append(time.monotonic())
        lease.release()

    waiter = threading.Thread(target=take)
    waiter.start()
    time.sleep(0.6)
    assert not taken
    released = time.monotonic()
    process.communicate("\n")
    waiter.join()
    assert taken[0] >= released


def test_waiting_ends_with_a_message_that_names_the_lease(store: Store) -> None:
    process = holder(store)
    try:
        with pytest.raises(LakeError, match="work for 0 s") as caught:
            Lease.acquire(store, "work", wait_seconds=0.3)
        assert caught.value.where.endswith("leases/work.json")
    finally:
        end(process)


def test_an_expired_lease_of_another_machine_is_taken_over(store: Store) -> None:
    written(store, holder={"host": "elsewhere", "pid": 1}, expires_at=time.time() - 1)
    Lease.acquire(store, "work", wait_seconds=5).release()


def test_a_lease_of_another_machine_holds_until_it_expires(store: Store) -> None:
    written(store, holder={"host": "elsewhere", "pid": 999_999_999})
    with pytest.raises(LakeError):
        Lease.acquire(store, "work", wait_seconds=0.3)


def test_another_process_with_the_number_of_the_dead_one_is_not_its_holder(store: Store) -> None:
    written(store, holder={"started": "before the last boot"})
    Lease.acquire(store, "work", wait_seconds=5).release()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not json", b'{"holder":5}', b"\xff"])
def test_a_file_that_is_no_lease_stops_nobody(store: Store, content: bytes) -> None:
    store.write("leases/work.json", content)
    Lease.acquire(store, "work", wait_seconds=5).release()


def test_of_many_takers_one_holds_at_a_time(store: Store) -> None:
    inside = 0
    most = 0
    guard = threading.Lock()

    def take() -> None:
        nonlocal inside, most
        lease = Lease.acquire(store, "work", wait_seconds=60)
        with guard:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        with guard:
            inside -= 1
        lease.release()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_living_process_keeps_its_lease_whatever_the_clock_says(store: Store) -> None:
    written(
        store, expires_at=time.time() - 7_200
    )  # held by this process; the clock was put forward
    with pytest.raises(LakeError):
        Lease.acquire(store, "work", wait_seconds=0.3)


def test_the_time_tells_of_a_process_in_another_container_of_that_name(store: Store) -> None:
    written(store, holder={"processes": "another container", "pid": 999_999_999})
    with pytest.raises(LakeError):
        Lease.acquire(store, "work", wait_seconds=0.3)


def test_a_lease_that_is_not_renewed_is_nobody_s_whatever_its_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a clock elsewhere went wrong by years."""
    monkeypatch.setattr(leases, "TTL_SECONDS", 0.2)
    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0.1)
    written(store, holder={"host": "elsewhere"}, expires_at=time.time() + 1e9)
    Lease.acquire(store, "work", wait_seconds=30).release()


def test_who_lost_a_lease_neither_renews_nor_removes_that_of_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0.05)
    slept = Lease.acquire(store, "work")
    written(store)
    taken = store.read("leases/work.json")
    time.sleep(0.3)
    slept.release()
    assert store.read("leases/work.json") == taken

"""Worker processes: every part once, bounded, and none outlives its driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctanalytics.engines.executor import Part, Result
from ctanalytics.engines.local import LocalExecutor, cores


def square(part: Part) -> Result:
    return {"square": part["n"] ** 2, "pid": os.getpid()}


def fail_on_three(part: Part) -> Result:
    if part["n"] == 3:
        raise ValueError("three")
    return part


def stay(part: Part) -> Result:
    Path(part["folder"], str(os.getpid())).touch()
    time.sleep(60)
    return {}


def parts(count: int) -> Iterator[Part]:
    return ({"n": number} for number in range(count))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_part_gives_one_result(workers: int) -> None:
    with LocalExecutor(workers) as executor:
        for count in (0, 1, 25):
            found = sorted(result["square"] for result in executor.map(square, parts(count)))
            assert found == [number**2 for number in range(count)]


def test_one_worker_needs_no_other_process() -> None:
    assert {found["pid"] for found in LocalExecutor(1).map(square, parts(3))} == {os.getpid()}


def test_two_workers_are_this_process_and_one_that_is_kept() -> None:
    with LocalExecutor(2) as executor:
        pids = {found["pid"] for _ in range(3) for found in executor.map(square, parts(8))}
    assert os.getpid() in pids
    assert len(pids) == 2


def test_an_endless_stream_of_parts_is_taken_as_results_are() -> None:
    taken = 0

    def endless() -> Iterator[Part]:
        nonlocal taken
        while True:
            taken += 1
            yield {"n": taken}

    with LocalExecutor(2) as executor:
        results = executor.map(square, endless())
        for _ in range(20):
            next(results)
        assert taken <= 20 + 2 * 2 + 2
        results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_part_reaches_the_driver(workers: int) -> None:
    with LocalExecutor(workers) as executor:
        with pytest.raises(ValueError, match="three"):
            list(executor.map(fail_on_three, parts(8)))
        assert len(list(executor.map(square, parts(4)))) == 4


def test_the_workers_of_a_killed_driver_end_too(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from ctanalytics.engines.local import LocalExecutor\n"
            "from tests.engines.test_local import stay\n"
            "if __name__ == '__main__':\n"
            "    parts = [{'folder': sys.argv[1]}] * 3\n"
            "    list(LocalExecutor(2).map(stay, parts))\n",
            str(tmp_path),
        ]
    )
    try:
        assert _within(30, lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert _within(10, lambda: not any(_runs(pid) for pid in workers))


def test_a_script_without_a_guard_is_not_run_again_by_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from ctanalytics.engines.local import LocalExecutor\n"
        "from tests.engines.test_local import parts, square\n"
        "print('runs')\n"
        "with LocalExecutor(2) as executor:\n"
        "    print(sorted(found['square'] for found in executor.map(square, parts(4))))\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert (ran.stdout, ran.stderr) == ("runs\n[0, 1, 4, 9]\n", "")


def _within(seconds: float, true: object) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_two_parts_start_no_process() -> None:
    with LocalExecutor(2) as executor:
        assert {found["pid"] for found in executor.map(square, parts(2))} == {os.getpid()}

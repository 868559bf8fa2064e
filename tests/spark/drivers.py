"""Commands that drive a cluster, each a process that a test may kill."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.spark.cluster import ROOT, Cluster, cluster

__all__ = ["command", "finish", "launch", "no_driver_outlives_its_test", "spark", "wait_for_files"]

_DRIVERS: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for the tests of a module, which import this."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_driver_outlives_its_test() -> Iterator[None]:
    """For modules that import it."""
    yield
    while _DRIVERS:
        driver = _DRIVERS.pop()
        driver.kill()
        driver.communicate()


def command(*words: str) -> list[str]:
    """Our command in a new interpreter."""
    return [sys.executable, "-c", "from ctanalytics.cli.main import run; run()", *words]


def launch(spark: Cluster, *words: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Begin a command on the cluster."""
    driver = subprocess.Popen(
        command(*words, "--json", "--executor", "spark", "--master", spark.master),
        env={**spark.environment, **environment},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _DRIVERS.append(driver)
    return driver


def finish(process: subprocess.Popen[str], codes: Sequence[int] = (0,)) -> Any:
    """Wait for a command, and return what it tells."""
    out, err = process.communicate(timeout=400)
    assert process.returncode in codes, err[-3000:]
    return json.loads(out)


def wait_for_files(lake: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    """Wait until workers have written something, and the command still runs."""
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if any(lake.glob(pattern)):
            return
        time.sleep(0.005)
    raise AssertionError("the command was over before anything could be killed")

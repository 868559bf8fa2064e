"""Detect, backtest and validate on a real cluster that loses workers: what they tell is what one
machine tells.

Run by `make test-spark`, which installs Spark; it needs Java 17.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ctanalytics.app.backtest import backtest
from ctanalytics.app.detect import detect
from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.detectors import DEFAULT
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import DERIVED
from ctanalytics.settings import Execution, Settings
from tests.app.ingesting import contents, leftovers
from tests.app.spreading import DAY, END, filled, places, rules, state, uncommitted
from tests.integrity.trail import Trail
from tests.spark.cluster import Cluster
from tests.spark.drivers import (
    finish,
    launch,
    no_driver_outlives_its_test,
    spark,
    wait_for_files,
)

__all__ = ["no_driver_outlives_its_test", "spark"]

SINCE = f"{END - DAY:%Y-%m-%d}"
RATES = ("--detector", "call_rate")
EVERYTHING = (*DEFAULT, "sigma")
COUNTED = "tables/series_minute/event_date=*/*.parquet"
"""State that workers have written, and that is in no table yet."""
PART_BYTES = "CTANALYTICS_EXECUTION_PART_BYTES"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return filled(tmp_path_factory.mktemp("made") / "lake")


def copied(made: Lake, place: Path) -> Path:
    shutil.copytree(made.uri, place / "lake")
    return place / "lake"


def told(lake: Path) -> Counter[str]:
    """The anomalies of a lake, but for when they were told."""
    return contents(lake, ["anomalies"], but=("detected_at",))["anomalies"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("own")
    return Settings(rules=rules(folder), geoip=places(folder))


@pytest.fixture(scope="module")
def wanted(
    made: Lake, own: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Counter[str], Any]:
    """What one process finds, and the state that it leaves."""
    lake = copied(made, tmp_path_factory.mktemp("local"))
    detect(
        str(lake), settings=own, since=END - DAY, detectors=EVERYTHING, executor=LocalExecutor(1)
    )
    return told(lake), state(Lake.open(lake))


def part_bytes(made: Lake, parts: int) -> int:
    """The setting by which the dates of a lake make at least so many parts."""
    entries = made.store.entries("tables/events/event_date=")
    return sum(entry.size_bytes for entry in entries) // parts + 1


def start(
    spark: Cluster, parts: int, made: Lake, *words: str, **settings: str
) -> subprocess.Popen[str]:
    """Begin a command on the cluster, whose dates make about so many parts."""
    environment = {PART_BYTES: str(part_bytes(made, parts))}
    return launch(spark, *words, environment=environment | settings)


def detecting(spark: Cluster, made: Lake, lake: Path) -> subprocess.Popen[str]:
    """Begin a detect of many small parts."""
    return start(spark, 12, made, "detect", "--lake", str(lake), "--since", SINCE, *RATES)


def test_two_processes_find_what_one_finds(
    made: Lake, own: Settings, wanted: tuple[Counter[str], Any], tmp_path: Path
) -> None:
    lake = copied(made, tmp_path)
    settings = structs.replace(own, execution=Execution(part_bytes=part_bytes(made, 2)))
    with LocalExecutor(2) as processes:
        detect(
            str(lake),
            settings=settings,
            since=END - DAY,
            detectors=EVERYTHING,
            executor=processes,
        )
    assert told(lake) == wanted[0]
    assert state(Lake.open(lake)) == wanted[1]
    assert leftovers(lake) == []


def test_a_cluster_finds_what_one_machine_finds(
    spark: Cluster, made: Lake, own: Settings, wanted: tuple[Counter[str], Any], tmp_path: Path
) -> None:
    lake = copied(made, tmp_path)
    settings = {
        "CTANALYTICS_DETECT_DETECTORS": ",".join(EVERYTHING),
        "CTANALYTICS_RULES_PACKAGED": "false",
        "CTANALYTICS_RULES_DIRECTORIES": own.rules.directories[0],
        "CTANALYTICS_GEOIP_CITY": own.geoip.city,
    }
    words = ("detect", "--lake", str(lake), "--since", SINCE)
    finish(start(spark, 2, made, *words, **settings))
    assert {json.loads(row)["detector"] for row in told(lake)} >= {"novelty", "sigma"}
    assert told(lake) == wanted[0]
    assert state(Lake.open(lake)) == wanted[1]
    assert leftovers(lake) == []


def test_a_cluster_lives_through_the_past_that_one_machine_does(
    spark: Cluster, made: Lake, tmp_path: Path
) -> None:
    lake = copied(made, tmp_path)
    words = ("backtest", "--lake", str(lake), "--since", SINCE, *RATES)
    found = finish(start(spark, 2, made, *words))
    here = backtest(made.uri, since=END - DAY, detectors=["call_rate"])
    assert [row["anomaly_id"] for row in found["alarms"]] == [
        row["anomaly_id"] for row in here.alarms
    ]
    assert [row["score"] for row in found["alarms"]] == [row["score"] for row in here.alarms]
    assert found["alarms"]
    assert leftovers(lake) == [] and uncommitted(Lake.open(lake)) == []


def test_a_cluster_validates_as_one_machine_does(
    spark: Cluster, made: Lake, tmp_path: Path
) -> None:
    trail = Trail()
    Trail(account="444455556666").write(tmp_path / "trail")
    folder = trail.write(tmp_path / "trail")
    Path(folder, trail.logs[1][0]).unlink()
    found = finish(start(spark, 1, made, "validate", str(folder)), codes=(3,))
    assert found["log_files"] == {"missing": 1, "valid": 23}
    assert found["chains"] == 2


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_what_the_cluster_loses_of_a_detect_is_done_again(
    victim: str, spark: Cluster, made: Lake, rates: tuple[Counter[str], Any], tmp_path: Path
) -> None:
    lake = copied(made, tmp_path)
    process = detecting(spark, made, lake)
    wait_for_files(lake, COUNTED, process)
    if victim == "worker":
        spark.kill_worker("worker-2")
    else:
        spark.kill_executor()
    try:
        finish(process)
    finally:
        if victim == "worker":
            spark.start_worker("worker-2")
    assert told(lake) == rates[0]
    assert state(Lake.open(lake)) == rates[1]
    assert leftovers(lake) == []


def test_a_driver_that_is_killed_in_mid_detect_commits_no_half_of_it(
    spark: Cluster, made: Lake, rates: tuple[Counter[str], Any], tmp_path: Path
) -> None:
    lake = copied(made, tmp_path)
    process = detecting(spark, made, lake)
    wait_for_files(lake, COUNTED, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert told(lake) == Counter() and state(Lake.open(lake)) == {}
    assert uncommitted(Lake.open(lake))
    finish(detecting(spark, made, lake))
    assert told(lake) == rates[0]
    assert state(Lake.open(lake)) == rates[1]
    vacuum(str(lake), retention_hours=0, force=True)  # nobody is at work
    assert uncommitted(Lake.open(lake)) == [] and leftovers(lake) == []
    # Nobody ingested these events, so that the ledger knows none of their objects.
    flaws = check(str(lake), deep=True).flaws
    assert [flaw for flaw in flaws if flaw.table in (*DERIVED, "anomalies")] == []


@pytest.fixture(scope="module")
def rates(made: Lake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Counter[str], Any]:
    """As `wanted`, of rates of calls alone."""
    lake = copied(made, tmp_path_factory.mktemp("rates"))
    detect(str(lake), since=END - DAY, detectors=["call_rate"], executor=LocalExecutor(1))
    return told(lake), state(Lake.open(lake))

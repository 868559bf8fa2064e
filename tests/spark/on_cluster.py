"""Ingest and compaction on a real cluster that loses workers: the rows are those of one machine.

Run by `make test-spark`, which installs Spark; it needs Java 17.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.vacuum import vacuum
from tests.app.ingesting import contents, leftovers, run
from tests.aws_server import aws_server
from tests.logs import key, record, write
from tests.spark.cluster import ROOT, Cluster, cluster
from tests.spark.drivers import (
    command,
    finish,
    launch,
    no_driver_outlives_its_test,
    spark,
    wait_for_files,
)

__all__ = ["no_driver_outlives_its_test", "spark"]

FILES = 60
PER_FILE = 40
ORIGIN = ("source_object",)
STAGED = "staging/*/*"
"""Rows that workers have written, and that are in no table yet."""
SMALL_PARTS = {"CTANALYTICS_INGEST_PART_OBJECTS": "2", "CTANALYTICS_INGEST_PLAN_OBJECTS": "30"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for number in range(FILES):
        rows = [record(number * PER_FILE + place) for place in range(PER_FILE)]
        # Every third file repeats a record of the one before: duplicates over parts and plans.
        if number % 3 == 0 and number:
            rows.append(record(number * PER_FILE - 1))
        write(folder / key(number), rows)
    return folder


@pytest.fixture(scope="module")
def wanted(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    lake = tmp_path_factory.mktemp("local") / "lake"
    run(logs, lake)
    return contents(lake)


def start(
    spark: Cluster, source: Path | str, lake: Path | str, *more: str
) -> subprocess.Popen[str]:
    """Begin an ingest of many small parts on the cluster."""
    words = ("ingest", str(source), "--lake", str(lake), *more)
    return launch(spark, *words, environment=SMALL_PARTS)


def test_a_cluster_gives_the_rows_of_one_machine(
    spark: Cluster, logs: Path, wanted: dict[str, Counter[str]], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    result = finish(start(spark, logs, lake))
    assert result["records_written"] == FILES * PER_FILE
    assert contents(lake) == wanted
    assert leftovers(lake) == []
    again = finish(start(spark, logs, lake))
    assert again["records_written"] == 0
    done = subprocess.run(
        command("lake", "compact", "--lake", str(lake), "--json",
                "--executor", "spark", "--master", spark.master),
        env=spark.environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["rows"] == FILES * PER_FILE
    assert contents(lake) == wanted


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_what_the_cluster_loses_is_done_again(
    victim: str, spark: Cluster, logs: Path, wanted: dict[str, Counter[str]], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    process = start(spark, logs, lake)
    wait_for_files(lake, STAGED, process)
    if victim == "worker":
        spark.kill_worker("worker-2")
    else:
        spark.kill_executor()
    try:
        finish(process)
    finally:
        if victim == "worker":
            spark.start_worker("worker-2")
    assert contents(lake) == wanted
    assert leftovers(lake) == []
    assert check(str(lake)).flaws == []


def test_a_driver_that_is_killed_leaves_nothing_half_done(
    spark: Cluster, logs: Path, wanted: dict[str, Counter[str]], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    process = start(spark, logs, lake)
    wait_for_files(lake, STAGED, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    finish(start(spark, logs, lake))
    assert contents(lake) == wanted
    vacuum(str(lake), retention_hours=0, force=True)  # nobody is at work
    assert leftovers(lake) == []
    assert check(str(lake), deep=True).flaws == []


def test_source_and_lake_in_a_bucket(
    logs: Path, wanted: dict[str, Counter[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_server(monkeypatch) as server:
        s3 = server.bucket("logs-bucket")
        server.bucket("lake-bucket")
        for path in sorted(logs.rglob("*.gz")):
            s3.upload_file(str(path), "logs-bucket", str(path.relative_to(logs)))
        with cluster(
            tmp_path, {name: os.environ[name] for name in os.environ if "AWS" in name}
        ) as at:
            result = finish(
                start(at, "s3://logs-bucket", "s3://lake-bucket/lake", "--since", "2013-11-13")
            )
        assert result["records_written"] == FILES * PER_FILE
        found = contents("s3://lake-bucket/lake", ["events"], but=ORIGIN)
    assert found["events"] == without(wanted["events"], ORIGIN)


def without(rows: Counter[str], columns: Iterable[str]) -> Counter[str]:
    """The same rows without some columns."""
    found: Counter[str] = Counter()
    for text, count in rows.items():
        kept = {name: value for name, value in json.loads(text).items() if name not in columns}
        found[json.dumps(kept)] += count
    return found

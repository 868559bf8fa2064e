"""Which executor the settings mean, and what a cluster's workers are told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ctanalytics
from ctanalytics.engines.executor import Part, Result, chosen
from ctanalytics.engines.local import LocalExecutor, cores
from ctanalytics.engines.spark import SparkExecutor, call
from ctanalytics.errors import ExecutorError, SourceDenied, UsageError
from ctanalytics.settings import Execution


def double(part: Part) -> Result:
    return {"n": part["n"] * 2}


def denied(part: Part) -> Result:
    raise SourceDenied("no", where="s3://logs", mend="ask")


def broken(part: Part) -> Result:
    raise OSError("the disk is full")


def test_the_settings_name_the_executor() -> None:
    local = chosen(Execution())
    assert isinstance(local, LocalExecutor) and local.workers == cores()
    assert chosen(Execution(), workers=3).workers == 3  # type: ignore[attr-defined]
    spark = chosen(Execution(executor="spark", master="local[2]", options={"a": "b"}))
    assert isinstance(spark, SparkExecutor)
    assert (spark.master, spark.options) == ("local[2]", {"a": "b"})
    with pytest.raises(UsageError, match="no executor 'ray'") as caught:
        chosen(Execution(executor="ray"))
    assert "local, spark" in caught.value.mend


def test_a_session_is_not_started_for_nothing() -> None:
    assert list(SparkExecutor(master="spark://192.0.2.1:7077").map(double, [])) == []


def test_one_folder_knows_the_cluster_and_the_settings_name_it() -> None:
    package = Path(ctanalytics.__file__).parent
    told = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*")
        if path.suffix != ".pyc" and path.is_file() and b"spark" in path.read_bytes().lower()
    }
    assert told == {"engines", "settings"}


def test_without_spark_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ExecutorError) as caught:
        list(SparkExecutor().map(double, [{"n": 1}]))
    assert "pip install 'ctanalytics[spark]'" in caught.value.mend


def test_what_a_person_can_mend_is_an_answer_and_what_may_pass_is_tried_again() -> None:
    assert call(f"{__name__}:double", '{"n": 2}') == ('{"n": 4}', None)
    result, fault = call(f"{__name__}:denied", "{}")
    assert result is None and isinstance(fault, SourceDenied) and fault.where == "s3://logs"
    with pytest.raises(OSError, match="full"):
        call(f"{__name__}:broken", "{}")

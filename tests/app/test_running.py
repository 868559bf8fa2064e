"""A query can be stopped: by the clock, by Ctrl-C, by whoever stops reading."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctanalytics.app.running import running
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import QueryError
from tests import builders

ENDLESS = "select count(*) from range(1000000000000) as a(i) where hash(i) = 1"
LONG = "select i from range(1000000000000) as a(i)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with builders.engine(tmp_path) as engine:
        yield engine


def test_all_rows_come_in_order(engine: Engine) -> None:
    sql = "select i from range(300000) as a(i) order by i"
    with running(engine, lambda: engine.stream(sql, rows=1_000), 60) as batches:
        assert batches.read_all()["i"].to_pylist() == list(range(300_000))


def test_columns_of_one_name_are_named_apart(engine: Engine) -> None:
    sql = "select 1 as a, 2 as a, 3 as a_1, 4 as a"
    with running(engine, lambda: engine.stream(sql), 60) as batches:
        assert batches.read_all().to_pylist() == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": 4}]


def test_the_time_limit_stops_a_query_that_gives_no_row(engine: Engine) -> None:
    began = time.monotonic()
    with (
        pytest.raises(QueryError, match=r"longer than 0\.3 seconds"),
        running(engine, lambda: engine.stream(ENDLESS), 0.3) as batches,
    ):
        batches.read_all()
    assert time.monotonic() - began < 30
    assert engine.sql("select 1 as one").to_pylist() == [{"one": 1}]


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A program that is started in the background may be told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_stops_the_query_and_leaves_the_session_usable(engine: Engine) -> None:
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with (
        pytest.raises(KeyboardInterrupt),
        running(engine, lambda: engine.stream(ENDLESS)) as batches,
    ):
        batches.read_all()
    timer.join()
    assert engine.sql("select 1 as one").to_pylist() == [{"one": 1}]


def test_who_stops_reading_stops_the_query(engine: Engine) -> None:
    with running(engine, lambda: engine.stream(LONG)) as batches:
        assert batches.read_next_batch().num_rows
    assert engine.sql("select 1 as one").to_pylist() == [{"one": 1}]


def test_an_error_in_the_sql_is_the_callers(engine: Engine) -> None:
    with (
        pytest.raises(QueryError, match="nowhere"),
        running(engine, lambda: engine.stream("from nowhere")),
    ):
        pass

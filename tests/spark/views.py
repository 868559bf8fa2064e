"""Every published view on Spark: the rows are DuckDB's, floats to 1e-9.

Run by `make test-spark`. The tables are read from copies of the lake's files: reading them as Delta
tables needs a jar that only the managed services bring along.
"""

from __future__ import annotations

import decimal
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ctanalytics.app.ingest import ingest
from ctanalytics.engines import dialects, statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from tests import builders
from tests.spark.cluster import ROOT
from tests.sql.test_views import CASES, row_of

COLUMNS = {name: list(spec.schema.names) for name, spec in TABLES.items()}
VIEWS = dict(dialects.views(dialects.SPARK, COLUMNS))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The sample logs, and with them the rows of every golden case of a view."""
    folder = tmp_path_factory.mktemp("views")
    ingest([str(ROOT / "sample_logs")], str(folder / "lake"))
    tables: dict[str, list[dict[str, Any]]] = {}
    for case in sorted(CASES.glob("*/*/input.json")):
        for name, given in json.loads(case.read_text("utf-8")).items():
            tables.setdefault(name, []).extend(row_of(name, row) for row in given)
    whole: dict[str, pa.Table] = {}
    with Lake.open(str(folder / "lake")).engine() as sample:
        for name, columns in builders.SCHEMAS.items():
            own = sample.sql(f"select * from lake.{name}").cast(columns)
            more = pa.Table.from_pylist(tables.get(name, []), columns)
            whole[name] = pa.concat_tables([own, more])
    with builders.engine(folder, **whole) as engine:
        yield engine


@pytest.fixture(scope="module")
def spark(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    place = tmp_path_factory.mktemp("warehouse")
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(place / "tables"))
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.memory", "3g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    for schema in (dialects.TABLES, dialects.SCHEMA):
        session.sql(f"create schema {schema}")
    for name in TABLES:
        copy(engine, name, place)
        frame = session.read.parquet(str(place / f"{name}.parquet"))
        frame.write.saveAsTable(f"{dialects.TABLES}.{name}")
    session.sql(dialects.bounds())
    for name, text in VIEWS.items():
        session.sql(f"create view {dialects.SCHEMA}.{name} as {text}")
    yield session
    session.stop()


def copy(engine: Engine, name: str, place: Path) -> None:
    rows = engine.sql(f"select * from lake.{name}")
    pq.write_table(rows, place / f"{name}.parquet", coerce_timestamps="us")


def test_all_views_but_the_named_ones_are_published() -> None:
    names = {path.removeprefix("views/") for path in statements.views()}
    assert names - set(VIEWS) == set(dialects.DIALECTS[dialects.SPARK].left_out)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_rows_of_duckdb(name: str, engine: Engine, spark: SparkSession) -> None:
    ours = engine.sql(f"select * from {name}")
    theirs = spark.sql(f"select * from {dialects.SCHEMA}.{name}").toArrow()
    assert theirs.column_names == ours.column_names or name == "events"
    spark_rows, duckdb_rows = rows(theirs.to_pylist()), rows(ours.to_pylist())
    only = [
        sorted((spark_rows - duckdb_rows).elements()),
        sorted((duckdb_rows - spark_rows).elements()),
    ]
    assert only == [[], []], differing(*only)


def differing(spark_rows: list[str], duckdb_rows: list[str]) -> list[dict[str, Any]]:
    """The columns in which the first rows that are not the same differ."""
    pairs = list(zip(spark_rows, duckdb_rows, strict=False))[:3]
    found = []
    for one, other in pairs:
        first, second = json.loads(one), json.loads(other)
        found.append({k: (v, second.get(k)) for k, v in first.items() if v != second.get(k)})
    return found


def rows(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(plain(row), default=str, sort_keys=True) for row in found)


def plain(value: Any) -> Any:
    """A value without what two engines may tell apart though it is the same."""
    if isinstance(value, float | decimal.Decimal):
        return round(float(value), 9)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value

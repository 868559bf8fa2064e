"""What ingest is measured against: the same files into date-partitioned Parquet, and nothing else.

Each peer is a function (logs, out, threads) -> rows, run in a process of its own. All make the
columns of `shapes`, Parquet with zstd level 1 where the peer lets one choose, one folder or file
for each date. None sorts, deduplicates, hashes, keeps a ledger or refuses trailing gzip data.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ingest_suite.shapes import FLAGS, IDENTITY, OBJECTS, RECORD, TEXTS, TLS, leaves

SAMPLE = 8
"""Plain Python reads one file in so many, and is scaled."""

MOST_OBJECT_BYTES = 128 * 1024 * 1024


def duckdb(logs: Path, out: Path, threads: int, formulation: str = "small row groups") -> int:
    """Expert DuckDB: a file as one JSON text, one from_json into typed structs, unnest, COPY.

    Of FORMULATIONS it is the fastest that keeps userIdentity's text.
    """
    import duckdb as engine

    connection = engine.connect()
    connection.execute(f"set threads = {threads}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"""
        copy ({_duckdb_select(logs, formulation)})
        to '{out}' (
            format parquet, compression zstd, compression_level 1,
            {"row_group_size 40960," if formulation == "small row groups" else ""}
            partition_by (event_date)
        )
    """)
    (found,) = connection.sql(f"select count(*) from read_parquet('{out}/**/*.parquet')").fetchall()
    return int(found[0])


FORMULATIONS = (
    "whole file",
    "small row groups",
    "typed identity",
    "json_transform",
    "unstructured",
    "unnest in from",
    "record by record",
    "read_json columns",
)
"""Ways to say it in DuckDB; `--parts formulations` lets them take turns."""


def _duckdb_select(logs: Path, formulation: str) -> str:
    identity = f"""from_json(r."userIdentity", '{json.dumps(IDENTITY)}')"""
    record = RECORD
    if formulation == "typed identity":
        record, identity = RECORD | {"userIdentity": IDENTITY}, 'r."userIdentity"'
    taken = [(_quoted("r", path), ".".join(path)) for path in leaves(RECORD)]
    if formulation == "typed identity":
        taken = [x for x in taken if x[1] != "userIdentity"] + [("to_json(i)", "userIdentity")]
    taken += [(_quoted("i", path), "i." + ".".join(path)) for path in leaves(IDENTITY)]
    columns = ", ".join(f'{expression} as "{name}"' for expression, name in taken)
    return f"""
        select {columns}, cast(r."eventTime" as date) as event_date
        from (select r, {identity} as i from ({_duckdb_records(logs, formulation, record)}))
    """


def _duckdb_records(logs: Path, formulation: str, record: dict[str, Any]) -> str:
    kind = "unstructured" if formulation == "unstructured" else "newline_delimited"
    files = f"'{logs}/**/*.json.gz', format = '{kind}', maximum_object_size = {MOST_OBJECT_BYTES}"
    shape = json.dumps({"Records": [record]})
    if formulation == "read_json columns":
        columns = f"columns = {{'Records': '{_duckdb_type(record)}[]'}}"
        return f"""select unnest("Records") as r from read_json({files}, {columns})"""
    if formulation == "record by record":
        return f"""
            select from_json(j, '{json.dumps(record)}') as r
            from (
                select unnest(from_json(json, '{{"Records": ["JSON"]}}')."Records") as j
                from read_json_objects({files})
            )
        """
    if formulation == "unnest in from":
        return f"""
            select u.r
            from read_json_objects({files}) as s,
            unnest(from_json(s.json, '{shape}')."Records") as u(r)
        """
    function = "json_transform" if formulation == "json_transform" else "from_json"
    return f"""
        select unnest({function}(json, '{shape}')."Records") as r from read_json_objects({files})
    """


def _duckdb_type(kind: Any) -> str:
    if not isinstance(kind, dict):
        return str(kind)
    return "STRUCT(" + ", ".join(f'"{k}" {_duckdb_type(v)}' for k, v in kind.items()) + ")"


def _quoted(root: str, path: tuple[str, ...]) -> str:
    return ".".join([root, *(f'"{name}"' for name in path)])


def polars(logs: Path, out: Path, threads: int) -> int:
    """Polars: scan_ndjson with the schema, explode, decode the identity, sink by date."""
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    kinds = {
        "TIMESTAMP": pl.String(),
        "VARCHAR": pl.String(),
        "JSON": pl.String(),
        "BOOLEAN": pl.Boolean(),
    }

    def typed(members: dict[str, Any]) -> pl.Struct:
        return pl.Struct(
            {k: typed(v) if isinstance(v, dict) else kinds[v] for k, v in members.items()}
        )

    def column(root: str, path: tuple[str, ...]) -> pl.Expr:
        found = pl.col(root)
        for name in path:
            found = found.struct.field(name)
        if path[-1] in ("eventTime", "creationDate"):
            found = found.str.to_datetime(
                "%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False
            )
        return found.alias(f"{root}." + ".".join(path))

    identity = pl.col("r").struct.field("userIdentity").str.json_decode(typed(IDENTITY))
    (
        pl.scan_ndjson(sorted(logs.rglob("*.json.gz")), schema={"Records": pl.List(typed(RECORD))})
        .select(pl.col("Records").explode().alias("r"))
        .with_columns(i=identity)
        .select(
            *(column("r", path) for path in leaves(RECORD)),
            *(column("i", path) for path in leaves(IDENTITY)),
        )
        .with_columns(event_date=pl.col("r.eventTime").dt.date())
        .sink_parquet(
            pl.PartitionBy(out, key=["event_date"], include_key=False),
            compression="zstd",
            compression_level=1,
            mkdir=True,
            engine="streaming",
        )
    )
    return int(pl.scan_parquet(f"{out}/**/*.parquet").select(pl.len()).collect().item())


def chdb(logs: Path, out: Path, threads: int) -> int:
    """ClickHouse in process: typed JSONEachRow, arrayJoin, INSERT INTO file() PARTITION BY."""
    import chdb as engine

    out.mkdir(parents=True)
    columns = [f"{_chdb_value('r', path)} as `{'.'.join(path)}`" for path in leaves(RECORD)] + [
        f"{_chdb_value('i', path)} as `i.{'.'.join(path)}`" for path in leaves(IDENTITY)
    ]
    engine.query(f"""
        insert into function file('{out}/{{_partition_id}}.parquet', 'Parquet')
        partition by toDate(eventTime)
        select {", ".join(columns)}
        from (
            select
                r,
                JSONExtract(assumeNotNull(r.`userIdentity`), '{_chdb_type(IDENTITY)}') as i
            from (
                select arrayJoin(Records) as r
                from file(
                    '{logs}/**/*.json.gz', 'JSONEachRow', 'Records Array({_chdb_type(RECORD)})'
                )
            )
        )
        settings
            max_threads = {threads},
            max_insert_threads = {threads},
            input_format_json_read_objects_as_strings = 1,
            output_format_parquet_compression_method = 'zstd',
            output_format_compression_level = 1,
            output_format_parquet_write_bloom_filter = 0,
            output_format_parquet_write_page_index = 0
    """)
    found = engine.query(f"select count() from file('{out}/*.parquet')")
    return int(found.bytes().decode())


def _chdb_type(kind: Any) -> str:
    if isinstance(kind, dict):
        return "Tuple(" + ", ".join(f"`{k}` {_chdb_type(v)}" for k, v in kind.items()) + ")"
    return f"Nullable({'Bool' if kind == 'BOOLEAN' else 'String'})"


def _chdb_value(root: str, path: tuple[str, ...]) -> str:
    value = ".".join([root, *(f"`{name}`" for name in path)])
    if path[-1] == "eventTime":
        return f"toDateTime(assumeNotNull(replaceOne({value}, 'Z', '')), 'UTC')"
    if path[-1] == "creationDate":
        return f"parseDateTime64BestEffortOrNull({value}, 0, 'UTC')"
    return value


def spark(logs: Path, out: Path, threads: int) -> int:
    """Spark on this machine: read.json with the schema, explode, from_json, partitionBy."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f
    from pyspark.sql import types as t

    def typed(members: dict[str, Any]) -> t.StructType:
        plain_kinds = {"TIMESTAMP": t.TimestampType(), "BOOLEAN": t.BooleanType()}
        return t.StructType(
            [
                t.StructField(
                    k, typed(v) if isinstance(v, dict) else plain_kinds.get(v, t.StringType())
                )
                for k, v in members.items()
            ]
        )

    session = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.hadoop.parquet.compression.codec.zstd.level", "1")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    whole = t.StructType([t.StructField("Records", t.ArrayType(typed(RECORD)))])
    rows = (
        session.read.schema(whole)
        .option("recursiveFileLookup", "true")
        .json(str(logs))
        .select(f.explode("Records").alias("r"))
        .withColumn("i", f.from_json("r.userIdentity", typed(IDENTITY)))
        .select(
            *(f.col("r." + ".".join(p)).alias("r_" + "_".join(p)) for p in leaves(RECORD)),
            *(f.col("i." + ".".join(p)).alias("i_" + "_".join(p)) for p in leaves(IDENTITY)),
        )
        .withColumn("event_date", f.to_date("r_eventTime"))
    )
    rows.write.partitionBy("event_date").parquet(str(out))
    count = int(session.read.parquet(str(out)).count())
    session.stop()
    return count


def plain(logs: Path, out: Path, threads: int) -> int:  # noqa: ARG001
    """json.loads, dicts, Table.from_pylist, write_dataset, on a part of the files."""
    import datetime as dt

    import pyarrow as pa
    import pyarrow.dataset as ds

    rows = []
    for path in sorted(logs.rglob("*.json.gz"))[::SAMPLE]:
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            moment = dt.datetime.fromisoformat(record["eventTime"])
            row: dict[str, Any] = {"event_time": moment, "event_date": moment.date()}
            row |= {name: record.get(name) for name in (*TEXTS, *FLAGS)}
            row |= {
                name: json.dumps(record[name]) if record.get(name) is not None else None
                for name in OBJECTS
            }
            row |= {name: (record.get("tlsDetails") or {}).get(name) for name in TLS}
            for place in leaves(IDENTITY):
                found: Any = record.get("userIdentity")
                for name in place:
                    found = found.get(name) if found else None
                row["i." + ".".join(place)] = found
            rows.append(row)
    table = pa.Table.from_pylist(rows)
    options = ds.ParquetFileFormat().make_write_options(compression="zstd", compression_level=1)
    ds.write_dataset(
        table, out, format="parquet", file_options=options, partitioning=["event_date"]
    )
    return len(rows)


PEERS = {"duckdb": duckdb, "polars": polars, "chdb": chdb, "spark": spark, "plain python": plain}


OF_THEIR_OWN = ("chdb", "spark")
"""Peers in an environment apart: they bring pandas along, and libraries of the others load it where
they find it, which costs 0.25 s at each start that our users don't have."""


def missing(peer: str, python: str) -> str | None:
    """Tell why a peer can't run here; None when it can.

    Args:
        python: of the peers that have an environment of their own.
    """
    if peer not in OF_THEIR_OWN:
        return None
    package = {"chdb": "chdb", "spark": "pyspark"}[peer]
    if not Path(python).exists():
        return f"there is no {python} (--peers-python; `make bench-ingest` makes it)"
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{package}') is None)"
    if subprocess.run([python, "-c", look], check=False).returncode:
        return f"{package} is not installed for {python}"
    if peer == "spark" and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        return "there is no java"
    return None


def be(request: str) -> None:
    """Be one peer: do the work, and print what it came to."""
    asked = json.loads(request)
    source, out = Path(asked.pop("source")), Path(asked.pop("out"))
    rows = PEERS[asked.pop("side")](source, out, asked.pop("workers"), **asked)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    be(sys.argv[1])

"""Connect: a small DuckDB file, or a script, with which any DuckDB client reads the lake."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ctanalytics import untrusted, whole
from ctanalytics.app.query import Scope
from ctanalytics.engines import dialects
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.settings import Settings

_HEAD = """\
-- Views over a ctanalytics lake, as of when this was written: run it again after an ingest.
-- duckdb -init THIS_FILE
"""
_REMOTE = """\
install httpfs;
load httpfs;
create or replace secret ctanalytics (type s3, provider credential_chain);
"""


_COUNT = "select count(*) as n from duckdb_views() where not internal and schema_name = 'main'"


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """What was written."""

    path: str
    kind: str
    """database or script."""
    views: int
    files: int
    """Files of the lake that the views name."""


def connect(
    output: Path,
    lake: str | Lake,
    *,
    scope: Scope = Scope(),
    settings: Settings | None = None,
) -> ConnectResult:
    """Write views over the lake's files of now; a file that is there is replaced at once, whole.

    Args:
        output: NAME.sql becomes a script, any other name a DuckDB database.

    Raises:
        UsageError: the file can't be written, or its name would hide the schema `lake`.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    as_script = output.suffix == ".sql"
    if not as_script and output.stem.lower() == "lake":
        raise UsageError(
            "a database called lake would hide the schema lake, which its views read",
            where=str(output),
            mend="name it otherwise, such as ctanalytics.duckdb",
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole.making(output) as draft:
            with here.engine(
                since=scope.since,
                until=scope.until,
                org_wide=scope.org_wide,
                verified_only=scope.verified_only,
                lookups=settings.lookups,
                database=":memory:" if as_script else str(draft),
            ) as engine:
                if as_script:
                    draft.write_text(_script(engine, here.uri), "utf-8")
                count = engine.sql(_COUNT).to_pylist()[0]["n"]
                files = sum(len(table.files) for table in engine.tables.values())
            draft.chmod(0o600)  # it names accounts, buckets and paths
            draft.replace(output)
    except (OSError, duckdb.Error) as error:
        why = getattr(error, "strerror", None) or untrusted.one_line(str(error))
        raise UsageError(
            f"the file can't be written: {why}",
            where=str(output),
            mend="name a place that can be written to",
        ) from error
    return ConnectResult(str(output), "script" if as_script else "database", count, files)


def ddl(lake: str | Lake, dialect: str, *, settings: Settings | None = None) -> str:
    """Return the statements by which another engine has the lake's tables and views.

    Unlike `connect`'s, they hold for what is ingested later too: that engine reads Delta tables.

    Args:
        dialect: one of engines.dialects.DIALECTS.

    Raises:
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    places = {name: here.store.location(table_path(name)) for name in TABLES}
    schemas = {name: TABLES[name].schema for name in places}
    how = dialects.DIALECTS[dialect]
    head = f"-- Tables and views of a ctanalytics lake for {how.title}.\n"
    if how.left_out:
        head += f"-- Left out, since they need DuckDB: {', '.join(sorted(how.left_out))}.\n"
    return head + "".join(f"\n{text};\n" for text in dialects.ddl(dialect, places, schemas))


def _script(engine: Engine, uri: str) -> str:
    """The statements that make the same tables and views in any session."""
    parts = [_HEAD, _REMOTE if uri.startswith("s3://") else "", "set timezone = 'UTC';\n"]
    parts.append("create schema if not exists lake;\n")
    tables = engine.sql(
        "select schema_name, table_name, sql from duckdb_tables() where not internal "
        "order by table_oid"
    ).to_pylist()
    for table in tables:
        if table["schema_name"] == "main":
            continue
        parts.append(_replacing(table["sql"]))
    bounds = engine.sql(
        "select cast(since as varchar) as since, cast(until as varchar) as until from lake.bounds"
    ).to_pylist()[0]
    values = ", ".join(
        "null" if bounds[name] is None else f"timestamptz {untrusted.sql_text(bounds[name])}"
        for name in ("since", "until")
    )
    parts.append(f"insert into lake.bounds values ({values});\n")
    for name, file in engine.lookups.items():
        place = untrusted.sql_text(str(Path(file).absolute()))
        read = (
            f"read_parquet({place})"
            if file.endswith(".parquet")
            else f"read_csv({place}, header = true, all_varchar = true)"
        )
        parts.append(f"create or replace table {untrusted.sql_identifier(name)} as from {read};\n")
    views = engine.sql("select sql from duckdb_views() where not internal order by view_oid")
    parts += [_replacing(view["sql"]) for view in views.to_pylist()]
    return "\n".join(part for part in parts if part)


def _replacing(sql: str) -> str:
    text = re.sub(r"^CREATE (TABLE|VIEW)", r"CREATE OR REPLACE \1", sql.strip())
    return text.rstrip(";") + ";\n"

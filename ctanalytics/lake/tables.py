"""Makes the tables of a lake."""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError

from ctanalytics import untrusted
from ctanalytics.errors import LakeError
from ctanalytics.lake import layout
from ctanalytics.lake.store import Store

_CONFIGURATION: Final = {"delta.checkpointInterval": "20"}
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_DENIED: Final = re.compile(r"AccessDenied|403 Forbidden")


def create_table(store: Store, name: str) -> None:
    """Make an empty table, unless it is there.

    Its first commit is put as it is: delta-rs asks S3 fifteen times for each table that it makes.
    """
    log = f"{layout.table_path(name)}/_delta_log"
    if next(iter(store.list(f"{log}/")), None) is None:
        store.put_once(f"{log}/{0:020}.json", _first_commit(layout.TABLES[name]))


def _first_commit(spec: layout.TableSpec) -> bytes:
    """A commit that makes a table; the format is that of the Delta protocol, version 1."""
    now = int(time.time() * 1_000)
    # An explicit schema: a first append of nulls would fix their columns as untyped for ever.
    schema = Schema.from_arrow(nullable(spec.schema)).to_json()
    actions = [
        {"commitInfo": {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {}}},
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": str(uuid.uuid4()),
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema,
                "partitionColumns": [layout.PARTITION] if spec.partitioned else [],
                "createdTime": now,
                "configuration": _CONFIGURATION,
            }
        },
    ]
    return "".join(f"{json.dumps(action)}\n" for action in actions).encode()


@contextlib.contextmanager
def commit_errors(store: Store, name: str) -> Iterator[None]:
    """Turn the errors of a commit into ours; that another came first is for the caller to judge."""
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"the table {name} can't be written: {untrusted.one_line(_COLOURS.sub('', str(error)))}",
            where=store.uri,
            mend="check the disk's space and your rights, and run it again: a commit is whole or absent",
        ) from error


def last_transaction(table: DeltaTable, name: str, application: str, uri: str) -> int:
    """Return the number of an application's last commit to a table; 0 when it made none.

    Raises:
        LakeError: the table's log, which may be read again for it, came in part or not at all.
    """
    try:
        return table.transaction_version(application) or 0
    except (DeltaError, OSError) as error:
        raise not_opened(name, error, uri) from error


def nullable(columns: pa.Schema) -> pa.Schema:
    """Return the same columns, all nullable, as Delta has them."""
    return pa.schema([pa.field(column.name, column.type) for column in columns])


def not_opened(name: str, error: Exception, uri: str) -> LakeError:
    """Return our error for a table that Delta can't open: delta-rs answers S3's XML, in colours."""
    said = untrusted.one_line(" ".join(_COLOURS.sub("", str(error)).split()), limit=300)
    if _DENIED.search(str(error)):
        rights = "s3:ListBucket or s3:GetObject"
        return LakeError(
            f"the table {name} can't be opened: access denied, {rights} is missing",
            where=uri,
            mend="allow both on the lake's prefix to this principal, and kms:Decrypt on its key",
        )
    return LakeError(
        f"the table {name} can't be opened: {said}",
        where=uri,
        mend="check that the lake is whole and may be read",
    )

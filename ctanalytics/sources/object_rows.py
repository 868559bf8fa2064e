"""Lists of objects as tables: the columns that they have in common, whatever wrote them.

Inventory reports, `aws s3api list-objects-v2` and people call the same things by other names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

OBJECT_ROWS: Final = pa.schema(
    [
        ("bucket", pa.string()),  # null: the list names keys alone
        ("key", pa.string()),
        ("etag", pa.string()),  # null: the list doesn't tell
        ("size_bytes", pa.int64()),
        ("last_modified", pa.timestamp("us", tz="UTC")),
        ("storage_class", pa.string()),
        ("is_latest", pa.bool_()),  # null: the list has no versions
        ("is_delete_marker", pa.bool_()),
    ]
)


def texts(names: list[str]) -> csv.ConvertOptions:
    """Return how a CSV list is read: each column as text, an empty cell as null."""
    return csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )


_NAMES: Final = {
    "bucket": "bucket",
    "key": "key",
    "uri": "uri",
    "s3uri": "uri",
    "etag": "etag",
    "size": "size_bytes",
    "sizebytes": "size_bytes",
    "lastmodified": "last_modified",
    "lastmodifieddate": "last_modified",
    "storageclass": "storage_class",
    "islatest": "is_latest",
    "isdeletemarker": "is_delete_marker",
}
_URI: Final = r"(?i)^s3://(?P<bucket>[^/]+)/(?P<key>.+)$"


def column_of(name: str) -> str | None:
    """Return our name of a column, or None when nothing is known of it: `e_tag` is `etag`."""
    return _NAMES.get(name.strip().replace("_", "").replace("-", "").lower())


def names_keys(columns: list[str]) -> bool:
    """Tell whether columns of these names say which objects are meant."""
    return bool({"key", "uri"} & {column_of(name) for name in columns})


def object_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a part of a list with the columns of OBJECT_ROWS.

    Raises:
        pa.ArrowInvalid: a value is no number, time or truth where one is meant.
    """
    given = {
        column: batch.column(place)
        for place, name in enumerate(batch.schema.names)
        if (column := column_of(name))
    }
    if "uri" in given:
        found = pc.extract_regex(given["uri"].cast(pa.string()), _URI)
        given["bucket"], given["key"] = (pc.struct_field(found, name) for name in ("bucket", "key"))
        # What is no URI is a key.
        given["key"] = pc.coalesce(given["key"], given["uri"].cast(pa.string()))
    columns = [
        _cast(given[field.name], field) if field.name in given else pa.nulls(len(batch), field.type)
        for field in OBJECT_ROWS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=OBJECT_ROWS)


def _cast(values: pa.Array, field: pa.Field) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if field.name == "last_modified" and pa.types.is_string(values.type):
        zoned = pc.match_substring_regex(values, r"(Z|[+-]\d{2}:?\d{2})$")
        values = pc.if_else(zoned, values, pc.binary_join_element_wise(values, "Z", ""))
    if field.name == "last_modified" and pa.types.is_timestamp(values.type):
        # A file without a zone means UTC.
        values = values.cast(pa.timestamp(values.type.unit, tz="UTC"))
    if field.name == "etag":
        values = pc.utf8_trim(values.cast(pa.string()), characters='"')
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    return values.cast(field.type, safe=field.name != "last_modified")


def batches_of(texts: Iterator[str], size: int) -> Iterator[pa.RecordBatch]:
    """Yield a list of keys and URIs, one a text, in batches."""
    waiting: list[str] = []
    for text in texts:
        waiting.append(text)
        if len(waiting) == size:
            yield object_rows(pa.RecordBatch.from_pydict({"uri": pa.array(waiting, pa.string())}))
            waiting = []
    if waiting:
        yield object_rows(pa.RecordBatch.from_pydict({"uri": pa.array(waiting, pa.string())}))

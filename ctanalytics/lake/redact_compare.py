"""Copies of one event of which one has hidden values: compared as if both had hidden the same."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

import polars as pl
import pyarrow as pa

from ctanalytics.lake.redact import MASK, Redactor, UnscannableError, rules
from ctanalytics.lake.redact_records import PATHS_SEPARATOR
from ctanalytics.records import schema

FORGOTTEN: Final = "forgotten()"
"""Stands among the masked paths of a row that an erasure request has changed: no copy of its event
can be compared with it any more."""

_TEXTS: Final = {column: key for key, column in schema.STRING_FIELDS.items()}
_JSON: Final = {
    **{column: key for key, column in schema.JSON_FIELDS.items()},
    "user_identity": "userIdentity",
}
_RECORDED: Final = (
    "event_time",
    *schema.STRING_FIELDS.values(),
    *schema.BOOL_FIELDS.values(),
    *schema.JSON_FIELDS.values(),
    "user_identity",
    "unknown_fields",
)
"""Columns that hold what a record holds; all others are made of these, but for the TLS columns."""


def paths_of(*tables: pa.Table) -> frozenset[str]:
    """Return the paths whose values are hidden in some row."""
    found: set[str] = set()
    for table in tables:
        if "masked_paths" in table.column_names:
            texts = table["masked_paths"].unique().drop_null().to_pylist()
            found.update(path for text in texts for path in text.split(PATHS_SEPARATOR))
    return frozenset(found - {FORGOTTEN})


def is_forgotten(rows: pa.Table) -> pl.Series:
    """Tell of each row whether an erasure request has changed it."""
    if "masked_paths" not in rows.column_names:
        return pl.Series([False] * len(rows), dtype=pl.Boolean)
    texts = pl.Series(pl.from_arrow(rows["masked_paths"].cast(schema.TEXT)))
    return texts.str.contains(FORGOTTEN, literal=True).fill_null(False)


def as_hidden(rows: pa.Table, paths: Iterable[str]) -> pa.Table:
    """Return what the rows' records hold, with the values at some paths masked.

    Hashed values become masks too: without the key no hash can be made of the other copy's value.
    """
    redactor = _redactor(frozenset(paths))
    names = [name for name in _RECORDED if name in rows.column_names]
    if "tlsDetails" not in {rule.segments[0] for rule in redactor.rules}:
        names += [name for name in schema.TLS_COLUMNS if name in rows.column_names]
    columns = {name: _hidden(name, rows[name], redactor) for name in names}
    return pa.table(columns)


@functools.lru_cache(maxsize=64)
def _redactor(paths: frozenset[str]) -> Redactor:
    return Redactor(rules(sorted(paths), ()))


def _hidden(name: str, column: pa.ChunkedArray, redactor: Redactor) -> Any:
    if name == "unknown_fields":
        node = redactor.root
    else:
        key = _TEXTS.get(name) or _JSON.get(name)
        found = redactor.root.keys.get(key.encode()) if key else None
        if found is None:
            return column
        node = found
    values = column.cast(schema.TEXT).to_pylist()
    if name in _TEXTS:
        if node.rule is None:
            return column
        return pa.array([None if value is None else MASK for value in values], schema.TEXT)

    def hide(text: str) -> str:
        try:
            return redactor.value(text.encode(), node)[0].decode()
        except UnscannableError:
            return text

    return pa.array([None if value is None else hide(value) for value in values], schema.TEXT)

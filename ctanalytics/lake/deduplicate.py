"""Which rows of a batch are new, which the lake has already, and which contradict it.

A row's key is its account and event id (without an id: the record, or its SHA-256). Two copies of
one event differ in where they came from and in nothing else; when they do, the later one is not a
duplicate but a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import polars as pl
import pyarrow as pa

from ctanalytics.records.schema import JSON_FIELDS

KEY_COLUMNS: Final = ("account_id", "event_id", "record_sha256", "record")
_ORIGIN: Final = frozenset(
    ("source_object", "source_row", "plan_id", "event_date", "event_time_status", "account_id")
)
_JSON: Final = (*JSON_FIELDS.values(), "user_identity", "unknown_fields")


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch taken apart; the three row counts add up to the batch's."""

    fresh: pa.Table
    conflicts: pa.Table
    duplicates: int


def keys(rows: pa.Table) -> pl.DataFrame:
    """Return (account, key, row): the identity of each row and its place."""
    names = rows.column_names
    frame = pl.DataFrame(
        pl.from_arrow(rows.select([name for name in KEY_COLUMNS if name in names]))
    )
    if "record_sha256" in names:
        parts = [pl.col("record_sha256"), pl.col("event_id")]
    else:
        parts = [pl.col("event_id").replace("", None), pl.col("record")]
    return frame.select(
        account=pl.col("account_id").fill_null(""), key=pl.coalesce(parts).fill_null("")
    ).with_row_index("row")


def split(rows: pa.Table, existing: Iterable[pa.Table], *, compare: bool) -> Sorted:
    """Take a batch apart.

    Args:
        rows: the new rows, in the order in which their objects came.
        existing: tables of rows that the lake has; read one at a time.
        compare: whether copies are compared, so that contradictions become conflicts.
    """
    own = keys(rows)
    first = own.unique(["account", "key"], keep="first", maintain_order=True)
    # (row, the row it repeats) within the batch, then against the lake.
    repeats = own.join(
        first.rename({"row": "original"}), on=["account", "key"], how="left", maintain_order="left"
    ).filter(pl.col("row") != pl.col("original"))
    conflicts: list[int] = []
    if compare and len(repeats):
        same = _same(_take(rows, repeats["row"]), _take(rows, repeats["original"]))
        conflicts += repeats["row"].filter(~same).to_list()
    known: list[pl.Series] = []
    for table in existing:
        shared = keys(table).rename({"row": "original"}).join(first, on=["account", "key"])
        shared = shared.unique("row", keep="first").sort("row")
        if not len(shared):
            continue
        known.append(shared["row"])
        if compare:
            same = _same(_take(rows, shared["row"]), _take(table, shared["original"]))
            conflicts += shared["row"].filter(~same).to_list()
    fresh = first["row"]
    if known:
        fresh = fresh.filter(~fresh.is_in(pl.concat(known).implode()))
    odd = pl.Series("row", sorted(set(conflicts)), pl.UInt32)
    return Sorted(
        fresh=rows if len(fresh) == len(rows) else _take(rows, fresh),
        conflicts=_take(rows, odd),
        duplicates=len(rows) - len(fresh) - len(odd),
    )


def _take(rows: pa.Table, places: pl.Series) -> pa.Table:
    return rows.take(pa.array(places.to_numpy()))


def _same(left: pa.Table, right: pa.Table) -> pl.Series:
    """Compare rows pairwise, their origin left aside; a boolean for each pair."""
    names = [
        name for name in left.column_names if name not in _ORIGIN and name in right.column_names
    ]
    one, other = (pl.DataFrame(pl.from_arrow(table.select(names))) for table in (left, right))
    same = pl.Series("same", [True] * len(one), pl.Boolean)
    for name in names:
        equal = one[name].eq_missing(other[name])
        if name in _JSON and not equal.all():
            equal = _same_json(one[name], other[name], equal)
        same = same & equal
    return same


def _same_json(one: pl.Series, other: pl.Series, equal: pl.Series) -> pl.Series:
    """Let texts pass as equal that differ in white space alone: other channels reformat it."""
    return pl.Series(
        [
            known or (a is not None and b is not None and _compact(a) == _compact(b))
            for known, a, b in zip(equal, one, other, strict=True)
        ],
        dtype=pl.Boolean,
    )


def _compact(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=-1)
    except msgspec.DecodeError:
        return text

"""Which rows of a batch are new, which the lake has already, and which contradict it.

A row's key is its account and event id (without an id: the record, or its SHA-256); of AWS Config's
items it is the hash of all that they say. Two copies of
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

from ctanalytics.lake.columns import plain
from ctanalytics.lake.redact_compare import as_hidden, is_forgotten, paths_of
from ctanalytics.records.schema import JSON_FIELDS

KEY_COLUMNS: Final = ("account_id", "event_id", "item_id", "record_sha256", "record")
_ORIGIN: Final = frozenset(
    (
        "source_object",
        "source_row",
        "plan_id",
        "event_date",
        "event_time_status",
        "account_id",
        # Of the record as it came, which differs between channels, and under which settings.
        "record_sha256",
        "masked_paths",
    )
)
REPEATS: Final = {
    "source_object": pl.String,
    "first_object": pl.String,
    "records": pl.Int64,
    "management_records": pl.Int64,
}
_NOT_EVERYWHERE: Final = frozenset(("event_context",))
"""Fields that event history lacks: its copy of an event is a copy all the same."""
_JSON: Final = (*JSON_FIELDS.values(), "user_identity", "unknown_fields")


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch taken apart; the three row counts add up to the batch's."""

    rows: pa.Table
    places: pa.Array
    """Which of the rows are new. Sorting takes them: a copy of its own costs 0.5 us a row."""
    conflicts: pa.Table
    duplicates: int
    repeats: pl.DataFrame
    """Where duplicates and the rows that they repeat came from: columns of REPEATS."""

    @property
    def fresh(self) -> pa.Table:
        """The new rows, in the order of the batch."""
        return self.rows.take(self.places)


def keys(rows: pa.Table) -> pl.DataFrame:
    """Return (account, key, row): the identity of each row and its place."""
    names = rows.column_names
    frame = _frame(rows.select([name for name in KEY_COLUMNS if name in names]))
    if "item_id" in names:
        parts = [pl.col("item_id")]
    else:
        other = "record_sha256" if "record_sha256" in names else "record"
        parts = [pl.col("event_id").replace("", None), pl.col(other)]
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
    unmatched = own
    conflicts: list[pl.Series] = []
    repeated: list[pl.DataFrame] = []
    # (row, the row it repeats): in the lake if it is there, else the first of its key in the batch.
    for table in existing:
        pairs = _pairs(unmatched, keys(table))
        if not len(pairs):
            continue
        unmatched = unmatched.join(pairs, on="row", how="anti", maintain_order="left")
        if compare:
            conflicts.append(_different(rows, table, pairs))
            pairs = pairs.filter(~pairs["row"].is_in(conflicts[-1].implode()))
        repeated.append(_repeats(rows, table, pairs))
    first = unmatched
    if unmatched["key"].n_unique() < len(unmatched):  # rarely, and told at a fifth of the cost
        first = unmatched.unique(["account", "key"], keep="first", maintain_order=True)
    fresh = first["row"]
    if len(fresh) < len(unmatched):
        repeats = unmatched.join(first, on="row", how="anti", maintain_order="left")
        pairs = _pairs(repeats, first)
        if compare:
            conflicts.append(_different(rows, rows, pairs))
            pairs = pairs.filter(~pairs["row"].is_in(conflicts[-1].implode()))
        repeated.append(_repeats(rows, rows, pairs))
    odd = pl.concat(conflicts).sort() if conflicts else pl.Series("row", [], pl.UInt32)
    return Sorted(
        rows=rows,
        places=_places(fresh),
        conflicts=_take(rows, odd),
        duplicates=len(rows) - len(fresh) - len(odd),
        repeats=summed(repeated),
    )


def summed(repeated: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up counts of repeats."""
    return (
        pl.concat([pl.DataFrame(schema=REPEATS), *repeated])
        .group_by("source_object", "first_object")
        .agg(pl.col("records", "management_records").sum())
        .sort("source_object", "first_object")
    )


def _repeats(rows: pa.Table, others: pa.Table, pairs: pl.DataFrame) -> pl.DataFrame:
    """Count the pairs of rows by the objects they came from."""
    named = "source_object" in rows.column_names and "source_object" in others.column_names
    if not named or not len(pairs):
        return pl.DataFrame(schema=REPEATS)
    names = [name for name in ("source_object", "management_event") if name in rows.column_names]
    frame = _frame(_take(rows.select(names), pairs["row"]))
    first = _frame(_take(others.select(["source_object"]), pairs["original"]))["source_object"]
    management = frame["management_event"] if "management_event" in names else pl.lit(False)
    counted = frame.select("source_object", first_object=first, management=management).group_by(
        "source_object", "first_object"
    )
    return counted.agg(
        pl.len().cast(pl.Int64).alias("records"),
        pl.col("management").sum().cast(pl.Int64).alias("management_records"),
    )


def distinct(conflicts: pa.Table, known: Iterable[pa.Table]) -> tuple[pa.Table, pl.DataFrame]:
    """Leave out conflicts whose content occurs before, in the batch or among the lake's own.

    One key may have several contents here; it is the content that must not come twice.

    Returns:
        The conflicts that are left, and where the others and what they repeat came from, with the
        columns of REPEATS.
    """
    known = list(known)
    paths = paths_of(conflicts, *known)
    own = _content(conflicts, paths)
    names = own.columns
    own = own.with_row_index("row")
    left = own.unique(names, keep="first", maintain_order=True)
    firsts = left.rename({"row": "original"})
    pairs = own.join(firsts, on=names, nulls_equal=True, maintain_order="left")
    repeated = [_repeats(conflicts, conflicts, pairs.filter(pl.col("row") != pl.col("original")))]
    for table in known:
        pairs = _known(left, names, table, conflicts, paths)
        left = left.join(pairs, on="row", how="anti", maintain_order="left")
        repeated.append(_repeats(conflicts, table, pairs))
    return _take(conflicts, left["row"]), summed(repeated)


def _known(
    left: pl.DataFrame,
    names: list[str],
    table: pa.Table,
    conflicts: pa.Table,
    paths: frozenset[str],
) -> pl.DataFrame:
    """Return (row, original): each row whose content a table has, or may have had."""
    theirs = _content(table, paths).with_row_index("original")
    theirs = theirs.unique(names, keep="first", maintain_order=True)
    pairs = left.join(theirs, on=names, nulls_equal=True, maintain_order="left")
    pairs = pairs.select("row", "original")
    forgotten = keys(table).filter(is_forgotten(table))
    if not len(forgotten):
        return pairs
    # Their content can't be compared any more: whatever has their key is taken for a copy.
    others = _pairs(keys(conflicts), forgotten).select("row", "original")
    others = others.join(left, on="row", how="semi").join(pairs, on="row", how="anti")
    return pl.concat([pairs, others])


def _content(rows: pa.Table, paths: frozenset[str]) -> pl.DataFrame:
    """All of a row but its origin, as values that can be compared.

    Args:
        paths: what is hidden in any of the rows that are compared.
    """
    if paths:
        rows = as_hidden(rows, paths).append_column("account_id", rows["account_id"])
    names = [
        column.name
        for column in rows.schema
        # A list can't be a key, and the one there is comes from a column of JSON.
        if column.name not in _ORIGIN - {"account_id"} and not pa.types.is_list(column.type)
    ]
    frame = _frame(rows.select(names))
    return frame.with_columns(
        pl.Series(name, [text and _compact(text) for text in frame[name]], pl.String)
        for name in names
        if name in _JSON
    )


def _pairs(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return (row, original): each row with the first of the others that has its key."""
    firsts = others.unique(["account", "key"], keep="first", maintain_order=True)
    return rows.join(
        firsts.rename({"row": "original"}), on=["account", "key"], maintain_order="left"
    )


def _different(rows: pa.Table, others: pa.Table, pairs: pl.DataFrame) -> pl.Series:
    """The rows of the pairs that differ in more than their origin."""
    ones, their = _take(rows, pairs["row"]), _take(others, pairs["original"])
    same = _same(ones, their)
    paths = frozenset() if same.all() else paths_of(ones, their)
    if paths:
        same = same | _same(as_hidden(ones, paths), as_hidden(their, paths))
    if not same.all():
        same = same | is_forgotten(ones) | is_forgotten(their)
    return pairs["row"].filter(~same)


def _take(rows: pa.Table, places: pl.Series) -> pa.Table:
    return rows.take(_places(places))


def _places(rows: pl.Series) -> pa.Array:
    return pa.array(rows.to_numpy())


def _frame(rows: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(plain(rows)))


def _same(left: pa.Table, right: pa.Table) -> pl.Series:
    """Compare rows pairwise, their origin left aside; a boolean for each pair."""
    names = [
        name for name in left.column_names if name not in _ORIGIN and name in right.column_names
    ]
    one, other = (plain(table.select(names)) for table in (left, right))
    same = pl.Series("same", [True] * len(one), pl.Boolean)
    for name in names:
        if one[name].equals(other[name]):
            continue  # copies are equal nearly always
        a, b = (pl.Series(pl.from_arrow(table[name])) for table in (one, other))
        equal = a.eq_missing(b)
        if name in _NOT_EVERYWHERE:
            equal |= a.is_null() | b.is_null()
        if name in _JSON and not equal.all():
            equal = _same_json(a, b, equal)
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

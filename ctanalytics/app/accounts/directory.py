"""Rows of the directory, from a file of the user's own."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ctanalytics.errors import UsageError, reason
from ctanalytics.lake.lake import Lake
from ctanalytics.records.directory import ACCOUNT_DIRECTORY, USER_DIRECTORY

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_OWN: Final = ("origin", "updated_at")


@dataclass(frozen=True, slots=True)
class DirectoryResult:
    """What was taken into the lake."""

    table: str
    rows: int
    origin: str


def import_accounts(file: Path, lake: Lake, *, now: dt.datetime) -> DirectoryResult:
    """Take names, units, environments and owners of accounts from a CSV file.

    Args:
        file: a header with account_id and any of name, email, status, ou, ou_path, environment,
            owner, tags; an empty cell says nothing and hides nothing that is known.

    Raises:
        UsageError: naming every wrong line or column at once.
    """
    rows, faults = _rows(file, "account_id", ACCOUNT_DIRECTORY)
    faults += [
        f"line {line}: {row['account_id']!r} is no account id"
        for line, row in rows.items()
        if not _ACCOUNT.fullmatch(row["account_id"] or "")
    ]
    return _take(file, lake, now, "account_directory", ACCOUNT_DIRECTORY, rows, faults)


def import_users(file: Path, lake: Lake, *, now: dt.datetime) -> DirectoryResult:
    """Take the names behind Identity Center's user ids from a CSV file.

    Args:
        file: a header with user_id and any of user_name, display_name, email.

    Raises:
        UsageError: naming every wrong line or column at once.
    """
    rows, faults = _rows(file, "user_id", USER_DIRECTORY)
    return _take(file, lake, now, "user_directory", USER_DIRECTORY, rows, faults)


def _rows(file: Path, key: str, schema: pa.Schema) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """The rows by their lines, and what is wrong with the file."""
    try:
        lines = list(csv.reader(file.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"the file can't be read: {reason(error)}",
            where=str(file),
            mend="name a UTF-8 CSV file",
        ) from error
    header = [cell.strip().lower() for cell in lines[0]] if lines else []
    known = [name for name in schema.names if name not in _OWN]
    faults = [f"there is no column {name!r}" for name in header if name not in known]
    if key not in header:
        faults.append(f"the column {key} is missing")
    rows: dict[int, dict[str, Any]] = {}
    for number, cells in enumerate(lines[1:], 2):
        if not any(cells):
            continue
        if len(cells) > len(header):
            faults.append(f"line {number}: more cells than columns")
        row = {name: cell.strip() or None for name, cell in zip(header, cells, strict=False)}
        if key in header and not row.get(key):
            faults.append(f"line {number}: {key} is empty")
        rows[number] = {key: None} | row
    return rows, faults


def _take(
    file: Path,
    lake: Lake,
    now: dt.datetime,
    table: str,
    schema: pa.Schema,
    rows: Mapping[int, Mapping[str, Any]],
    faults: list[str],
) -> DirectoryResult:
    if faults:
        told = "; ".join(faults[:8]) + (f"; and {len(faults) - 8} more" if faults[8:] else "")
        raise UsageError(told, where=str(file), mend="correct these; nothing was taken")
    stamped = [{**row, "origin": file.name, "updated_at": now} for row in rows.values()]
    lake.append(table, pa.Table.from_pylist(stamped, schema))
    return DirectoryResult(table, len(stamped), file.name)

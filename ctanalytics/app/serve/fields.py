"""The fields of a request's query, read with care: known names, short values, real times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from ctanalytics.errors import UsageError

_CHARACTERS: Final = 2_000
_FIELDS: Final = 40


class Fields:
    """Names to values; a name that is not there, or has an empty value, is none.

    Args:
        query: what stands after the question mark.
        zone: of times without an offset.

    Raises:
        UsageError: there are too many fields, or a value is too long or not UTF-8.
    """

    def __init__(self, query: str, zone: dt.tzinfo = dt.UTC) -> None:
        try:
            pairs = parse_qsl(query, max_num_fields=_FIELDS, errors="strict")
        except ValueError as error:
            raise UsageError(f"the query can't be read: {error}") from error
        self.zone = zone
        self.values: Mapping[str, str] = {name: value.strip() for name, value in pairs}
        for name, value in self.values.items():
            if len(value) > _CHARACTERS:
                raise UsageError("the value is too long", where=name[:40])

    def text(self, name: str) -> str | None:
        """Return a text."""
        return self.values.get(name) or None

    def needed(self, name: str) -> str:
        """Return a text; UsageError where there is none."""
        value = self.text(name)
        if value is None:
            raise UsageError("a value is missing", where=name)
        return value

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        """Return a value of a list; UsageError for another."""
        value = self.text(name)
        if value is not None and value not in known:
            raise UsageError("there is no such choice", where=name, mend=", ".join(known))
        return value

    def number(self, name: str, *, most: int) -> int:
        """Return a whole number from 0 to `most`; 0 where there is none."""
        value = self.text(name) or "0"
        if not (value.isascii() and value.isdigit() and len(value) < 12 and int(value) <= most):
            raise UsageError(f"it must be a number up to {most:,}", where=name)
        return int(value)

    def moment(self, name: str) -> dt.datetime | None:
        """Return a time, in UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = dt.datetime.fromisoformat(value)
            return found.replace(tzinfo=found.tzinfo or self.zone).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            raise UsageError(
                "it is not a time", where=name, mend="write 2026-11-24 or 2026-11-24T08:00"
            ) from None

    def day(self, name: str) -> dt.date:
        """Return a date; UsageError where there is none."""
        try:
            return dt.date.fromisoformat(self.needed(name))
        except ValueError:
            raise UsageError("it is not a date", where=name, mend="write 2026-11-24") from None

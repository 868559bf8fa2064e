"""Whom or what an erasure request is about, and rows without it.

Two things happen to a row. It goes, or is covered, when its subject acted in it: a column that
tells who or from where holds the value. In any other row that mentions the value, in whatever
text, the mention alone is covered.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.errors import UsageError
from ctanalytics.lake.redact import MASK
from ctanalytics.lake.redact_compare import FORGOTTEN
from ctanalytics.lake.redact_records import PATHS_SEPARATOR

KINDS: Final = {
    "user_name": ("user_name",),
    "session_name": ("session_name", "source_identity"),
    "principal": ("principal_arn", "session_issuer_arn"),
    "arn": ("identity_arn",),
    "ip": ("source_ip_address",),
    "account": ("account_id",),
}
"""What a subject may be told by, and the columns that hold it."""

ACTIONS: Final = ("remove", "mask", "hash")

_TIMES: Final = ("event_time", "capture_time", "window_start", "started_at")
_SHORTEST: Final = 3
_ACCOUNT_OF_KEY: Final = r"(?:^|/)(?P<account>\d{12})[/_]"
_DAY_OF_KEY: Final = r"/(?P<day>\d{4}/\d{2}/\d{2})/"
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.S)
_BEFORE: Final = r"(?:(?<!\w)|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
_JSON_COLUMNS: Final = frozenset(
    (
        "request_parameters",
        "response_elements",
        "additional_event_data",
        "resources",
        "service_event_details",
        "addendum",
        "event_context",
        "edge_device_details",
        "user_identity",
        "unknown_fields",
        "insight_details",
        "record",
        "summary",
        "evidence",
        "insight",
        "tags",
        "relationships",
        "configuration",
        "supplementary_configuration",
        "lanes",
        "counts",
        "identities",
    )
)
_NEVER: Final = frozenset(
    ("account_id", "event_id", "shared_event_id", "item_id", "anomaly_id", "anomaly_ids",
     "incident_id", "run_id", "superseded_by", "source_object", "record_sha256", "masked_paths",
     "bucket", "key", "event_name", "event_source", "aws_region")
)  # fmt: skip
"""Columns by which rows are found and told apart."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an erasure request is about.

    Args:
        kind: one of KINDS.
        account: only in this account; empty: in all.
        since: only events of this time on; rows without a time are always meant.
        until: only events before this time.
    """

    kind: str
    value: str
    account: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def check(self, action: str) -> None:
        """Make sure that this can be carried out.

        Raises:
            UsageError: the value would match too much, or the action makes no sense for it.
        """
        if len(self.value) < _SHORTEST or not re.search(r"\w", self.value):
            raise UsageError(
                f"{self.value!r} is too short to be looked for in texts",
                where=f"--{self.kind.replace('_', '-')}",
                mend=f"name a value of at least {_SHORTEST} characters",
            )
        if self.kind == "account" and action != "remove":
            raise UsageError(
                "rows of an account can only be removed",
                where="--action",
                mend="take --action remove, or name a user, principal, ARN or address too",
            )


@dataclass(frozen=True)
class Eraser:
    """Finds rows of a subject, and takes them out or covers them.

    Args:
        action: one of ACTIONS.
        cover: what stands in place of the value.
    """

    subject: Subject
    action: str
    cover: str = MASK

    @property
    def mentions(self) -> bool:
        """Whether other rows than the subject's own are looked at."""
        return self.subject.kind != "account"

    def columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns that tell whether a file has rows of the subject."""
        if not self.mentions:
            return [
                name
                for name in ("account_id", "account_ids", "bucket", "key", *_TIMES)
                if name in schema.names
            ]
        wanted = {"account_id", *_TIMES}
        return [each.name for each in schema if each.name in wanted or _is_text(each)]

    def touches(self, rows: pa.Table) -> bool:
        """Tell whether something would become of these rows."""
        count, _ = self.count(rows)
        return count > 0

    def count(self, rows: pa.Table) -> tuple[int, int]:
        """Return how many rows the subject is in, and in how many of them it acted."""
        scope = self._scope(rows)
        acted = pc.and_(scope, self._acted(rows))
        found = pc.and_(scope, pc.or_(acted, self._mentioned(rows))) if self.mentions else acted
        return pc.sum(found).as_py() or 0, pc.sum(acted).as_py() or 0

    def erase(self, rows: pa.Table) -> pa.Table:
        """Return the rows without the subject."""
        scope = self._scope(rows)
        if self.action == "remove":
            stay = pc.invert(pc.and_(scope, self._acted(rows)))
            rows, scope = rows.filter(stay), scope.filter(stay)
        if not self.mentions or not len(rows):
            return rows
        return self.covered(rows, scope)

    def covered(self, rows: pa.Table, where: Any) -> pa.Table:
        """Cover what mentions the value, in some of the rows.

        Args:
            where: a boolean for each row.
        """
        changed: Any = pa.array([False] * len(rows), pa.bool_())
        for column in rows.schema:
            if not _is_text(column):
                continue
            mask = pc.and_(where, self._found(rows, column))
            if not pc.any(mask).as_py():
                continue
            changed = pc.or_(changed, mask)
            values = _plain(rows[column.name])
            made = [self._cover(column, value) for value in values.filter(mask).to_pylist()]
            new = _replaced(values, mask, made)
            if pa.types.is_dictionary(column.type):
                new = new.dictionary_encode()
            rows = rows.set_column(rows.schema.get_field_index(column.name), column.name, new)
        return _marked(rows, changed)

    def _scope(self, rows: pa.Table) -> Any:
        scope = pa.chunked_array([pa.array([True] * len(rows), pa.bool_())])
        subject = self.subject
        names = rows.column_names
        if subject.account and "account_id" in names:
            same = pc.equal(_plain(rows["account_id"]), subject.account)
            scope = pc.and_(scope, pc.fill_null(same, True))
        for name in [name for name in _TIMES if name in names][:1]:
            for moment, compare in ((subject.since, pc.greater_equal), (subject.until, pc.less)):
                if moment is not None:
                    inside = compare(rows[name], pa.scalar(moment, rows.schema.field(name).type))
                    scope = pc.and_(scope, pc.fill_null(inside, True))
        if "key" in names and not self.mentions:
            scope = pc.and_(scope, self._delivered(rows))
        return scope

    def _delivered(self, rows: pa.Table) -> Any:
        """Where the object's key doesn't tell that it was delivered outside the span."""
        days = pc.struct_field(pc.extract_regex(_plain(rows["key"]), _DAY_OF_KEY), "day")
        inside: Any = pa.chunked_array([pa.array([True] * len(rows), pa.bool_())])
        if self.subject.since:
            inside = pc.greater_equal(days, f"{self.subject.since:%Y/%m/%d}")
        if self.subject.until:
            last = self.subject.until + dt.timedelta(days=1)
            inside = pc.and_kleene(inside, pc.less_equal(days, f"{last:%Y/%m/%d}"))
        return pc.fill_null(inside, True)

    def _acted(self, rows: pa.Table) -> Any:
        found: Any = pa.chunked_array([pa.array([False] * len(rows), pa.bool_())])
        wanted = self.subject.value.lower()
        if self.subject.kind == "account" and "key" in rows.column_names:
            accounts = pc.extract_regex(_plain(rows["key"]), _ACCOUNT_OF_KEY)
            same = pc.equal(pc.struct_field(accounts, "account"), wanted)
            return pc.fill_null(same, False)
        if self.subject.kind == "account" and "account_ids" in rows.column_names:
            lists = rows["account_ids"].to_pylist()
            return pa.chunked_array(
                [[wanted in (accounts or ()) for accounts in lists]], pa.bool_()
            )
        for name in KINDS[self.subject.kind]:
            if name in rows.column_names:
                same = pc.equal(pc.utf8_lower(_plain(rows[name])), wanted)
                found = pc.or_(found, pc.fill_null(same, False))
        return found

    def _mentioned(self, rows: pa.Table) -> Any:
        found: Any = pa.chunked_array([pa.array([False] * len(rows), pa.bool_())])
        for column in rows.schema:
            if _is_text(column):
                found = pc.or_(found, self._found(rows, column))
        return found

    def _found(self, rows: pa.Table, column: pa.Field) -> Any:
        """Where a column mentions the value, words taken whole."""
        values = rows[column.name]
        return pa.chunked_array([self._among(chunk) for chunk in values.chunks], pa.bool_())

    def _among(self, values: Any) -> pa.Array:
        if pa.types.is_list(values.type):
            return pa.array([self._in_list(value) for value in values.to_pylist()], pa.bool_())
        if pa.types.is_dictionary(values.type):
            known = self._among(values.dictionary)
            answers = pa.concat_arrays([known, pa.array([False])])
            return answers.take(values.indices.fill_null(len(known)))
        # A quick search, without a look at what stands around, comes first.
        near = _near(values, self.subject.value)
        if not pc.any(near).as_py():
            return near
        texts = iter(values.filter(near).to_pylist())
        return pa.array([flag and self._in_text(next(texts)) for flag in near.to_pylist()])

    def _in_list(self, value: list[Any] | None) -> bool:
        return any(self._in_text(text) for text in value or ())

    def _in_text(self, value: str | bytes | None) -> bool:
        text = _text(value)
        return text is not None and _pattern(self.subject.value).search(text) is not None

    def _cover(self, column: pa.Field, value: Any) -> Any:
        replace = _replacement(self.cover)
        pattern = _pattern(self.subject.value)
        if isinstance(value, list):
            return [None if text is None else pattern.sub(replace, text) for text in value]
        if isinstance(value, bytes):
            text = value.decode("utf-8", "surrogateescape")
            return pattern.sub(replace, text).encode("utf-8", "surrogateescape")
        if column.name not in _JSON_COLUMNS:
            return pattern.sub(replace, value)
        # Within texts only: digits of a number that were covered would leave no JSON.
        return _STRING.sub(lambda found: pattern.sub(replace, found[0]), value)


@functools.lru_cache(maxsize=64)
def _pattern(value: str) -> re.Pattern[str]:
    """A value as it may stand in a text or in JSON, where any letter may be an escape."""
    letters = "".join(_letter(letter, re.escape(letter)) for letter in value)
    return re.compile(f"{_BEFORE}{letters}(?!\\w)", re.I)


def _letter(letter: str, plain: str) -> str:
    units = letter.encode("utf-16-be")
    pairs = [units[place : place + 2].hex() for place in range(0, len(units), 2)]
    escape = "".join(rf"\\u{pair}" for pair in pairs)
    short = rf"|\\{plain}" if letter in '/"\\' else ""
    return f"(?:{plain}|{escape}{short})"


def _replacement(cover: str) -> Callable[[re.Match[str]], str]:
    return lambda _: cover


def _near(values: pa.Array, value: str) -> pa.Array:
    """Which values hold the letters of a text, whatever stands around them."""
    if pa.types.is_binary(values.type):
        return values.is_valid()
    # RE2 writes some characters in another way than Python.
    letters = "".join(_letter(letter, rf"\x{{{ord(letter):x}}}") for letter in value)
    return pc.fill_null(pc.match_substring_regex(values, f"(?i){letters}"), False)


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _is_text(column: pa.Field) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_list(kind):
        kind = kind.value_type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
    return texts and column.name not in _NEVER


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _replaced(values: pa.ChunkedArray, mask: Any, made: list[Any]) -> pa.ChunkedArray:
    """Put other values where the mask says; also for lists, which Arrow's own way refuses."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    flags = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    places = pc.cumulative_sum(flags.cast(pa.int64()))
    index = pc.if_else(flags, pc.add(places, len(whole) - 1), pa.array(range(len(whole))))
    both = pa.concat_arrays([whole, pa.array(made, whole.type)])
    return pa.chunked_array([both.take(index)])


def _marked(rows: pa.Table, changed: Any) -> pa.Table:
    """Say in masked_paths of what was hidden that it was forgotten."""
    if "masked_paths" not in rows.column_names or not pc.any(changed).as_py():
        return rows
    column = rows.schema.field("masked_paths")
    values = _plain(rows["masked_paths"])
    before = values.filter(changed).to_pylist()
    made = [
        PATHS_SEPARATOR.join(dict.fromkeys([*(text or "").split(PATHS_SEPARATOR), FORGOTTEN]))
        .removeprefix(PATHS_SEPARATOR)
        for text in before
    ]  # fmt: skip
    new = _replaced(values, changed, made)
    if pa.types.is_dictionary(column.type):
        new = new.dictionary_encode()
    return rows.set_column(rows.schema.get_field_index("masked_paths"), "masked_paths", new)

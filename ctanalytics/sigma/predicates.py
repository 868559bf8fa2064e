"""One value against tests, and the values of a field, in SQL.

A value is compared as text: what the record holds, an object or a number as its compact JSON.
Without regard to case unless a test says otherwise. All SQL here keeps to functions that need no
extension and no macro, so that a rule's statement also runs in `ctanalytics query`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ctanalytics import untrusted
from ctanalytics.sigma.addresses import in_network
from ctanalytics.sigma.condition import (
    Flag,
    Network,
    Number,
    Piece,
    Regex,
    Test,
    Text,
)
from ctanalytics.sigma.fields import Field, Path

_NUMBER: Final = "-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?"
_PARTS: Final = {
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "year",
}


def is_folded(test: Test) -> bool:
    """Whether a test may look at the value in lower case; others need it as it was written."""
    return not (isinstance(test, Regex) or (isinstance(test, Text) and test.cased))


def passes(value: str, tests: Sequence[Test]) -> str:
    """Return SQL that is true where a text passes one of the tests; null or false elsewhere.

    Args:
        value: SQL of the text, in lower case if all tests are folded.
    """
    equal: dict[bool, list[str]] = {}
    others = []
    for test in tests:
        if isinstance(test, Text) and all(isinstance(piece, str) for piece in test.pieces):
            equal.setdefault(test.cased, []).append("".join(map(str, test.pieces)))
        else:
            others.append(_passes(value, test))
    conditions = [
        f"{value} in ({', '.join(_literal(text, cased) for text in texts)})"
        for cased, texts in equal.items()
    ]
    conditions += others
    return any_of(conditions)


def any_of(conditions: Iterable[str]) -> str:
    """Join conditions with OR; false when there is none."""
    return _joined(conditions, "or", "true", "false")


def all_of(conditions: Iterable[str]) -> str:
    """Join conditions with AND; true when there is none."""
    return _joined(conditions, "and", "false", "true")


def _joined(conditions: Iterable[str], word: str, absorbing: str, neutral: str) -> str:
    kept = [one for one in dict.fromkeys(conditions) if one != neutral]
    if absorbing in kept:
        return absorbing
    if len(kept) < 2:
        return kept[0] if kept else neutral
    return "(" + f" {word} ".join(kept) + ")"


def _passes(value: str, test: Test) -> str:
    if isinstance(test, Text):
        return _like(value, test)
    if isinstance(test, Regex):
        return f"regexp_matches({value}, {untrusted.sql_text(test.pattern)})"
    if isinstance(test, Network):
        return in_network(value, test.cidr)
    if isinstance(test, Number):
        number = f"cast({value} as double) {test.operator} {float(test.value)!r}"
        return f"case when regexp_full_match({value}, '{_NUMBER}') then {number} end"
    if isinstance(test, Flag):
        return f"{value} = '{'true' if test.value else 'false'}'"
    moment = f"(try_cast({value} as timestamptz) at time zone 'UTC')"
    return f"extract({_PARTS[test.part]} from {moment}) = {test.value}"


def _like(value: str, test: Text) -> str:
    """A text with wildcards; the common shapes without LIKE, which is slower."""
    pieces = test.pieces
    if pieces in ((True,), (True, True)):
        return f"{value} is not null"
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) == 1 and False not in pieces:
        literal = _literal(texts[0], test.cased)
        if pieces == (True, texts[0], True):
            return f"contains({value}, {literal})"
        if pieces == (texts[0], True):
            return f"starts_with({value}, {literal})"
        if pieces == (True, texts[0]):
            return f"suffix({value}, {literal})"
    pattern = "".join(_like_piece(piece) for piece in pieces)
    return f"{value} like {_literal(pattern, test.cased)} escape '^'"


def _like_piece(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece.replace("^", "^^").replace("%", "^%").replace("_", "^_")
    return "%" if piece else "_"


def _literal(text: str, cased: bool) -> str:
    """A text of the rule; the engine folds it as it folds the log's."""
    quoted = untrusted.sql_text(text)
    return quoted if cased or (text.isascii() and text == text.lower()) else f"lower({quoted})"


def column_text(field: Field) -> str | None:
    """Return SQL of the text in a field's own column; None when it has none."""
    column = field.column
    if column is None:
        return None
    if field.kind == "time":
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')"
    return column if field.kind == "text" else f"cast({column} as varchar)"


def json_values(column: str, path: Path, *, folded: bool) -> str:
    """Return SQL of the list of texts at a path of a JSON column; it may hold nulls.

    Args:
        folded: all in lower case, which also makes keys easy to look up; else as written.
    """
    text = f"lower({column})" if folded else column
    whole = _walked(text, path, folded)
    if not folded or any(isinstance(step, int) for step in path):
        return whole
    # Without a list on the way one look-up does; lists need every element looked at.
    at = untrusted.sql_text("$" + "".join(f'."{step.lower()}"' for step in map(str, path)))
    one = f"[lower(json_extract_string({text}, {at}))]"
    return f"case when contains({column}, '[') then {whole} else {one} end"


def _walked(text: str, path: Path, folded: bool) -> str:
    found = f"[cast({text} as json)]"
    for step in path:
        if isinstance(step, int):
            found = f"list_transform({found}, lambda x: json_extract(x, '$[{step}]'))"
        else:
            found = f"flatten(list_transform({found}, lambda x: {_step(step.lower(), folded)}))"
    elements = "case when json_type(x) = 'ARRAY' then json_extract(x, '$[*]') else [x] end"
    found = f"flatten(list_transform({found}, lambda x: {elements}))"
    value = "json_extract_string(x, '$')"
    return f"list_transform({found}, lambda x: {f'lower({value})' if folded else value})"


def _step(key: str, folded: bool) -> str:
    """The values under a key of an object, or of the objects in a list."""
    if folded:
        one, each = (untrusted.sql_text(f'{start}."{key}"') for start in ("$", "$[*]"))
        return (
            f"case json_type(x) when 'OBJECT' then [json_extract(x, {one})] "
            f"when 'ARRAY' then json_extract(x, {each}) end"
        )
    wanted = untrusted.sql_text(key)
    real = f"list_filter(json_keys(e), lambda k: lower(k) = {wanted})[1]"
    return (
        "list_transform(case json_type(x) when 'OBJECT' then [x] "
        "when 'ARRAY' then list_filter(json_extract(x, '$[*]'), lambda o: json_type(o) = 'OBJECT') "
        f"""end, lambda e: json_extract(e, '$."' || {real} || '"'))"""
    )


def values(field: Field, *, folded: bool) -> str:
    """Return SQL of the list of all texts of a field; it may hold nulls."""
    text = column_text(field)
    listed = None
    if field.json_column is not None:
        listed = (
            f"case when {field.json_column} is not null "
            f"then {json_values(field.json_column, field.path, folded=folded)} end"
        )
    if text is None:
        return listed or "[null]"
    own = f"[lower({text})]" if folded else f"[{text}]"
    return f"case when {field.column} is not null then {own} else {listed or '[null]'} end"


def scalars(column: str, *, folded: bool) -> str:
    """Return SQL of the list of all values in a JSON column that are no objects or lists."""
    text = f"lower({column})" if folded else column
    every = f"list_concat([cast({text} as json)], json_extract({text}, '$..*'))"
    value = "json_extract_string(x, '$')"
    plain = f"list_filter({every}, lambda x: json_type(x) not in ('OBJECT', 'ARRAY'))"
    return f"list_transform({plain}, lambda x: {f'lower({value})' if folded else value})"

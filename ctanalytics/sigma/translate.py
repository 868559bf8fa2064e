"""A condition to SQL over `events`: exactly, or only as far as some columns tell.

Every condition comes out as true or false, never null, so that NOT means what a rule's writer
means: the field is missing, so it does not match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from ctanalytics import untrusted
from ctanalytics.sigma.condition import (
    All,
    Keyword,
    Leaf,
    Node,
    Not,
    Present,
    Same,
    Some,
    Test,
    Text,
    TimePart,
)
from ctanalytics.sigma.fields import FLAG_COLUMNS, JSON_COLUMNS, TEXT_COLUMNS, Field
from ctanalytics.sigma.predicates import (
    all_of,
    any_of,
    column_text,
    is_folded,
    passes,
    scalars,
    values,
)

_SAFE_RUN = re.compile(r"[a-z0-9 _.:*@=,+-]{3,}")
_API_COLUMNS: Final = frozenset(("event_source", "event_name"))

Atom = Leaf | Present | Same | Keyword


def exact(node: Node) -> str:
    """Return SQL that is true for the events that match, and false for all others."""
    if isinstance(node, Not):
        return negated(exact(node.part))
    if isinstance(node, All):
        return all_of(exact(part) for part in node.parts)
    if isinstance(node, Some):
        return any_of(exact(part) for part in node.parts)
    return _atom(node)


def negated(condition: str) -> str:
    """Return the opposite of a condition that is never null."""
    return {"true": "false", "false": "true"}.get(condition) or f"(not {condition})"


def possible_for_api(node: Node) -> str:
    """Return SQL over (event_source, event_name) that is false where no event of it can match."""
    return _bound(node, _api_atom, upper=True)


def prefilter(node: Node) -> str:
    """Return SQL over raw `events` that no matching event fails; it is cheap and parses no JSON."""
    return _bound(node, _cheap_atom, upper=True)


def _bound(node: Node, atom: Callable[[Atom, bool], str], *, upper: bool) -> str:
    """The least that is implied by a condition (upper), or the most that implies it."""
    if isinstance(node, Not):
        return negated(_bound(node.part, atom, upper=not upper))
    if isinstance(node, All):
        return all_of(_bound(part, atom, upper=upper) for part in node.parts)
    if isinstance(node, Some):
        return any_of(_bound(part, atom, upper=upper) for part in node.parts)
    return atom(node, upper)


def _atom(node: Atom) -> str:
    if isinstance(node, Leaf):
        return any_of(
            _leaf(node.field, [test for test in node.tests if is_folded(test) is folded], folded)
            for folded in (True, False)
        )
    if isinstance(node, Present):
        return _present(node.field)
    if isinstance(node, Same):
        return _same(node)
    return any_of(
        _keyword([test for test in node.tests if is_folded(test) is folded], folded)
        for folded in (True, False)
    )


def _leaf(field: Field, tests: Sequence[Test], folded: bool) -> str:
    if not tests:
        return "false"
    if field.kind == "time" and all(isinstance(test, TimePart) for test in tests):
        return any_of(_time_parts(field, tests))
    text = column_text(field)
    own = None if text is None else _over_column(text, field, tests, folded)
    if field.json_column is None:
        return f"coalesce({own}, false)" if own else "false"
    inner = _over_list(
        values(Field(field.name, json_column=field.json_column, path=field.path), folded=folded),
        tests,
    )
    return f"coalesce({own}, {inner})" if own else inner


def _over_column(text: str, field: Field, tests: Sequence[Test], folded: bool) -> str:
    """A condition on a column that is null where the column is, and only there."""
    condition = passes(f"lower({text})" if folded and field.kind != "flag" else text, tests)
    return f"case when {field.column} is not null then coalesce({condition}, false) end"


def _over_list(listed: str, tests: Sequence[Test]) -> str:
    condition = passes("v", tests)
    return f"coalesce(len(list_filter({listed}, lambda v: {condition})) > 0, false)"


def _time_parts(field: Field, tests: Sequence[Test]) -> list[str]:
    moment = f"({field.column} at time zone 'UTC')"
    return [
        f"coalesce(extract({test.part} from {moment}) = {test.value}, false)"
        for test in tests
        if isinstance(test, TimePart)
    ]


def _present(field: Field) -> str:
    listed = None
    if field.json_column is not None:
        inner = values(Field("", json_column=field.json_column, path=field.path), folded=True)
        listed = f"coalesce(len(list_filter({inner}, lambda v: v is not null)) > 0, false)"
    own = None if field.column is None else f"{field.column} is not null"
    return any_of(one for one in (own, listed) if one)


def _same(node: Same) -> str:
    one, other = values(node.field, folded=True), values(node.other, folded=True)
    condition = "a = b"
    if node.starts and node.ends:
        condition = "contains(a, b)"
    elif node.starts:
        condition = "starts_with(a, b)"
    elif node.ends:
        condition = "suffix(a, b)"
    inner = f"len(list_filter({other}, lambda b: {condition})) > 0"
    return f"coalesce(len(list_filter({one}, lambda a: {inner})) > 0, false)"


def _keyword(tests: Sequence[Test], folded: bool) -> str:
    if not tests:
        return "false"
    texts = [*TEXT_COLUMNS, "strftime(event_time, '%Y-%m-%dT%H:%M:%SZ')"]
    conditions = [
        f"coalesce({passes(f'lower({text})' if folded else text, tests)}, false)" for text in texts
    ]
    conditions += [
        f"coalesce({passes(f'cast({column} as varchar)', tests)}, false)" for column in FLAG_COLUMNS
    ]
    conditions += [
        f"case when {column} is null then false else "
        f"{_over_list(scalars(column, folded=folded), tests)} end"
        for column in JSON_COLUMNS
    ]
    return any_of(conditions)


def _api_atom(node: Atom, upper: bool) -> str:
    unknown = "true" if upper else "false"
    if not isinstance(node, Leaf) or node.field.column not in _API_COLUMNS:
        return unknown
    # Where the column is null an odd value may stand in unknown_fields.
    return any_of(
        f"coalesce({_column_passes(node.field, tests, folded)}, {unknown})"
        for folded in (True, False)
        if (tests := [test for test in node.tests if is_folded(test) is folded])
    )


def _column_passes(field: Field, tests: Sequence[Test], folded: bool) -> str:
    return _over_column(column_text(field) or "null", field, tests, folded)


def _cheap_atom(node: Atom, upper: bool) -> str:
    if isinstance(node, Leaf):
        return _cheap_leaf(node, upper)
    if isinstance(node, Present):
        own = f"{node.field.column} is not null" if node.field.column else None
        other = f"{node.field.json_column} is not null" if node.field.json_column else None
        if upper:
            return any_of(one for one in (own, other) if one)
        return own or "false"
    if isinstance(node, Keyword) and upper:
        return any_of(
            [_needles(column, node.tests) for column in (*TEXT_COLUMNS, *JSON_COLUMNS)]
            + _keyword_elsewhere(node)
        )
    return "true" if upper else "false"


def _cheap_leaf(node: Leaf, upper: bool) -> str:
    field = node.field
    found = []
    for folded in (True, False):
        tests = [test for test in node.tests if is_folded(test) is folded]
        if not tests:
            continue
        elsewhere = "false"
        if upper and field.json_column is not None:
            elsewhere = _needles(field.json_column, tests)
        if field.column is None:
            found.append(elsewhere)
        elif field.kind == "time":
            found.append("true" if upper else "false")
        else:
            found.append(f"coalesce({_column_passes(field, tests, folded)}, {elsewhere})")
    return any_of(found)


def _needles(column: str, tests: Sequence[Test]) -> str:
    """What the raw text of a column holds if a value in it passes one of the tests.

    In JSON text a character may be written as an escape; of such texts nothing is known.
    """
    conditions = []
    for test in tests:
        needle = _needle(test)
        if needle is None:
            return f"{column} is not null"
        conditions.append(f"contains(lower({column}), {untrusted.sql_text(needle)})")
    if conditions and column in JSON_COLUMNS:
        conditions.append(f"contains({column}, '\\u')")
    return any_of(f"coalesce({condition}, false)" for condition in conditions)


def _needle(test: Test) -> str | None:
    """The longest run of characters of a test that JSON writes as they are."""
    if not isinstance(test, Text):
        return None
    texts = [piece.lower() for piece in test.pieces if isinstance(piece, str) and piece.isascii()]
    runs = [run for text in texts for run in _SAFE_RUN.findall(text)]
    return max(runs, key=len, default=None)


def _keyword_elsewhere(node: Keyword) -> list[str]:
    """A keyword that a flag or the time could hold; such a one is not looked for cheaply."""
    for test in node.tests:
        needle = _needle(test)
        if needle is None or not re.search(r"[a-z]{4,}", needle) or needle in "truefalse":
            return ["true"]
    return []

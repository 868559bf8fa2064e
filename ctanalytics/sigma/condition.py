"""A rule's condition as plain data, made from pySigma's tree; what can't be meant is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from ctanalytics.sigma.fields import Field, UnknownPath, field


class Unsupported(ValueError):
    """A rule means something that can't be asked of CloudTrail's events, or not in this engine."""


Piece = str | Literal[True, False]
"""Of a pattern: a literal text, True for any characters, False for exactly one."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a value equals, with wildcards; `*` is True and `?` False among the pieces."""

    pieces: tuple[Piece, ...]
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression (RE2) found somewhere in a value."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network, as an address and a prefix length, that a value's address lies in."""

    cidr: str


@dataclass(frozen=True, slots=True)
class Number:
    """A comparison of a value, read as a number."""

    operator: Literal["=", "<", "<=", ">", ">=", "<>"]
    value: int | float


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false, as a boolean or as a text."""

    value: bool


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of a value read as a time, UTC."""

    part: Literal["minute", "hour", "day", "week", "month", "year"]
    value: int


Test = Text | Regex | Network | Number | Flag | TimePart


@dataclass(frozen=True, slots=True)
class Leaf:
    """Some value of a field passes one of the tests."""

    field: Field
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """A field has a value that is not null."""

    field: Field


@dataclass(frozen=True, slots=True)
class Same:
    """Some value of a field equals, or begins or ends with, some value of another."""

    field: Field
    other: Field
    starts: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Keyword:
    """Some value anywhere in the record passes one of the tests."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition; where a field is missing, that condition is simply false."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the parts; true when there is none."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the parts; false when there is none."""

    parts: tuple[Node, ...]


Node = Leaf | Present | Same | Keyword | Not | All | Some

Placeholders = Mapping[str, Sequence[str]]

_OPERATORS: Final[dict[CompareOperators, Literal["<", "<=", ">", ">=", "<>"]]] = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
    CompareOperators.NEQ: "<>",
}
_MAX_DEPTH: Final = 60
_FLAGS: Final = {"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}


def build(tree: Any, placeholders: Placeholders) -> Node:
    """Turn pySigma's parsed condition into ours.

    Args:
        tree: what `SigmaCondition.parsed` gives.
        placeholders: values for `%name%` under the modifier `expand`.

    Raises:
        Unsupported: it can't be meant, or a placeholder is unknown.
    """
    if isinstance(tree, ConditionAND):
        return All(tuple(build(part, placeholders) for part in tree.args))
    if isinstance(tree, ConditionOR):
        return _some([build(part, placeholders) for part in tree.args])
    if isinstance(tree, ConditionNOT):
        return Not(build(tree.args[0], placeholders)) if tree.args else All(())
    if isinstance(tree, ConditionFieldEqualsValueExpression):
        try:
            return _of_field(field(tree.field), tree.value, placeholders)
        except UnknownPath as error:
            raise Unsupported(str(error)) from error
    if isinstance(tree, ConditionValueExpression):
        return Keyword(tuple(_keyword(test) for test in _tests(tree.value, placeholders)))
    raise Unsupported(f"a condition of kind {type(tree).__name__}")


def require_shallow(node: Node, depth: int = 0) -> None:
    """Refuse a condition that is too deep for those who walk it, and for DuckDB's parser.

    Raises:
        Unsupported: it is nested in more than 60 others.
    """
    if depth > _MAX_DEPTH:
        raise Unsupported(f"a condition nested more than {_MAX_DEPTH} times")
    inner = (node.part,) if isinstance(node, Not) else ()
    for part in node.parts if isinstance(node, All | Some) else inner:
        require_shallow(part, depth + 1)


def leaves(node: Node) -> Iterator[Leaf | Present | Same | Keyword]:
    """Yield what a condition is made of, whatever its sense."""
    if isinstance(node, Not):
        yield from leaves(node.part)
    elif isinstance(node, All | Some):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node


def fields(node: Node) -> Iterator[Field]:
    """Yield all fields of a condition."""
    for leaf in leaves(node):
        if not isinstance(leaf, Keyword):
            yield leaf.field
        if isinstance(leaf, Same):
            yield leaf.other


def _some(parts: Sequence[Node]) -> Node:
    """An OR in which the tests of one field stand together, so that its value is read once."""
    tests: dict[Field | None, list[Test]] = {}
    others: list[Node] = []
    for part in parts:
        if isinstance(part, Leaf):
            tests.setdefault(part.field, []).extend(part.tests)
        elif isinstance(part, Keyword):
            tests.setdefault(None, []).extend(part.tests)
        else:
            others.append(part)
    merged: list[Node] = [
        Keyword(tuple(some)) if where is None else Leaf(where, tuple(some))
        for where, some in tests.items()
    ]
    merged += others
    return merged[0] if len(merged) == 1 else Some(tuple(merged))


def _of_field(where: Field, value: Any, placeholders: Placeholders) -> Node:
    if isinstance(value, SigmaNull):
        return Not(Present(where))
    if isinstance(value, SigmaExists):
        return Present(where) if value.exists else Not(Present(where))
    if isinstance(value, SigmaFieldReference):
        return Same(where, field(value.field), value.starts_with, value.ends_with)
    if isinstance(value, SigmaExpansion):
        return _some([_of_field(where, one, placeholders) for one in value.values])
    return Leaf(where, tuple(_tests(value, placeholders)))


def _tests(value: Any, placeholders: Placeholders) -> Iterator[Test]:
    """The tests of one value; of a placeholder without values there are none."""
    if isinstance(value, SigmaExpansion):
        for one in value.values:
            yield from _tests(one, placeholders)
    elif isinstance(value, SigmaString):
        cased = isinstance(value, SigmaCasedString)
        for text in value.replace_placeholders(_filler(placeholders)):
            yield Text(tuple(_pieces(text)), cased)
    elif isinstance(value, SigmaRegularExpression):
        flags = "".join(sorted(_FLAGS[flag.name] for flag in value.flags))
        for text in value.regexp.replace_placeholders(_filler(placeholders)):
            pattern = (f"(?{flags})" if flags else "") + text.to_plain(regex=True)
            _require_regex(pattern)
            yield Regex(pattern)
    elif isinstance(value, SigmaCIDRExpression):
        yield Network(str(value.network))
    elif isinstance(value, SigmaCompareExpression):
        yield Number(_OPERATORS[value.op], value.number.number)
    elif isinstance(value, SigmaTimestampPart):
        part: Any = value.timestamp_part.name.lower()
        yield TimePart(part, int(value.number))
    elif isinstance(value, SigmaNumber):
        yield Number("=", value.number)
    elif isinstance(value, SigmaBool):
        yield Flag(value.boolean)
    else:
        raise Unsupported(f"a value of kind {type(value).__name__} where a text is expected")


def _pieces(text: SigmaString) -> Iterator[Piece]:
    for part in text.s:
        if isinstance(part, str):
            if "\x00" in part:
                raise Unsupported("a value with a NUL character, which no log text can hold")
            yield part
        else:
            yield part is SpecialChars.WILDCARD_MULTI


def _filler(placeholders: Placeholders) -> Callable[[Placeholder], Iterator[Any]]:
    def fill(placeholder: Placeholder) -> Iterator[Any]:
        if placeholder.name not in placeholders:
            raise Unsupported(
                f"%{placeholder.name}% has no values: set them in [rules.placeholders]"
            )
        for value in placeholders[placeholder.name]:
            yield SigmaString(value)

    return fill


def _keyword(test: Test) -> Test:
    """A keyword is looked for inside values."""
    if not isinstance(test, Text):
        return test
    pieces = test.pieces
    if not pieces or pieces[0] is not True:
        pieces = (True, *pieces)
    if pieces[-1] is not True:
        pieces = (*pieces, True)
    return Text(pieces, test.cased)


@cache
def _require_regex(pattern: str) -> None:
    import duckdb

    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("select regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        raise Unsupported(
            f"the regular expression {pattern!r} is not RE2's (no look-around, no back-references): "
            f"{str(error).splitlines()[0]}"
        ) from error

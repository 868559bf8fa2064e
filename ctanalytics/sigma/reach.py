"""Which events a rule could match at all: the names that its condition asks for."""

from __future__ import annotations

from collections.abc import Iterator

from ctanalytics.sigma.condition import All, Leaf, Node, Not, Some, Text

Names = frozenset[str] | None
"""Lower-case texts that a field must equal one of; None: it may be anything."""


def required(node: Node, column: str) -> Names:
    """Return the plain texts one of which a column must hold for a condition to be true."""
    if isinstance(node, All):
        found = [names for part in node.parts if (names := required(part, column)) is not None]
        return frozenset.intersection(*found) if found else None
    if isinstance(node, Some):
        parts = [required(part, column) for part in node.parts]
        if not parts or any(part is None for part in parts):
            return None
        return frozenset.union(*(part for part in parts if part is not None))
    if isinstance(node, Leaf) and node.field.column == column:
        texts = [_plain(test) for test in node.tests]
        return None if None in texts else frozenset(text for text in texts if text is not None)
    return None


def spelled(node: Node, column: str) -> Iterator[str]:
    """Yield the plain texts that a condition compares a column with, as they are written."""
    if isinstance(node, Not):
        return
    if isinstance(node, All | Some):
        for part in node.parts:
            yield from spelled(part, column)
    elif isinstance(node, Leaf) and node.field.column == column:
        for test in node.tests:
            if _plain(test) is not None and isinstance(test, Text):
                yield "".join(str(piece) for piece in test.pieces)


def _plain(test: object) -> str | None:
    if isinstance(test, Text) and all(isinstance(piece, str) for piece in test.pieces):
        return "".join(str(piece) for piece in test.pieces).lower()
    return None

"""Whether SQL of a user only reads."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import msgspec

from ctanalytics import untrusted
from ctanalytics.errors import QueryError

_READS = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"))
_EXPLAIN = re.compile(r"\s*explain\s", re.I)


def require_read(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse SQL that is not one statement, or that does more than read.

    The type of a statement is not enough: `with x as (copy ... to ...) select ...` is a
    SELECT to DuckDB and writes files, and `explain analyze` runs what it explains.

    Raises:
        QueryError: it is, or does.
    """
    found = duckdb.extract_statements(text)
    if len(found) != 1:
        raise QueryError(
            f"{len(found)} statements where one is expected",
            where=untrusted.one_line(text),
            mend="run one statement at a time",
        )
    kind = found[0].type
    explained = _EXPLAIN.match(text) if kind == duckdb.StatementType.EXPLAIN else None
    if kind == duckdb.StatementType.SELECT or explained:
        inner = text[explained.end() :] if explained else text
        ((parsed,),) = connection.execute("select json_serialize_sql(?)", [inner]).fetchall()
        tree = msgspec.json.decode(parsed)
        if not tree.get("error", True) and _node_types(tree) <= _READS:
            return
    raise QueryError(
        f"a {kind.name} statement does more than read, and the lake is read-only here",
        where=untrusted.one_line(text),
        mend="use SELECT; write results with --output, see a plan with --explain",
    )


def _node_types(tree: Any) -> set[str]:
    """The kinds of query that a parsed statement is made of."""
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            kind = part.get("type")
            if isinstance(kind, str) and kind.endswith("_NODE"):
                found.add(kind)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found

"""Queries: saved questions, each a statement with typed parameters."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.engines import statements
from ctanalytics.errors import UsageError

_FOLDER: Final = "queries"
_PARAMETER = re.compile(r"(?P<name>[a-z_]+) (?P<kind>[a-z]+)(?: = (?P<default>.+))?")


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _time(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or dt.UTC).astimezone(dt.UTC)


KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": _boolean,
    "time": _time,
    "date": dt.date.fromisoformat,
}
"""Types of parameters, and how a text becomes a value of each."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a saved query wants to know."""

    name: str
    kind: str
    default: str | None
    """As text; None: it has to be given."""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A question that ships with ctanalytics."""

    name: str
    about: str
    grain: str
    reads: str
    parameters: tuple[Parameter, ...]
    sql: str


def queries() -> list[SavedQuery]:
    """Return all saved queries, sorted by name."""
    return [_load(name) for name in statements.names(_FOLDER)]


def saved(name: str) -> SavedQuery:
    """Return one saved query.

    Raises:
        UsageError: there is none of that name.
    """
    known = [each.removeprefix(f"{_FOLDER}/") for each in statements.names(_FOLDER)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        mend = "`ctanalytics queries list` lists them"
        raise UsageError(
            f"there is no saved query {name!r}",
            where="--name",
            mend=f"did you mean {' or '.join(near)}? {mend}" if near else mend,
        )
    return _load(f"{_FOLDER}/{name}")


def bind(query: SavedQuery, given: Mapping[str, str]) -> dict[str, Any]:
    """Turn the texts of parameters into values of their types; defaults fill what is not given.

    Raises:
        UsageError: naming every parameter that is unknown, missing or of the wrong type.
    """
    faults = [
        f"{name}: there is no such parameter"
        for name in sorted(given.keys() - {parameter.name for parameter in query.parameters})
    ]
    values: dict[str, Any] = {}
    for parameter in query.parameters:
        text = given.get(parameter.name, parameter.default)
        if text is None:
            faults.append(f"{parameter.name}: has to be given")
            continue
        try:
            values[parameter.name] = KINDS[parameter.kind](text)
        except (ValueError, KeyError, OverflowError):
            faults.append(f"{parameter.name}: {text!r} is no {parameter.kind}")
    if faults:
        raise UsageError(
            "parameters that can't be used: " + "; ".join(faults),
            where=query.name,
            mend=f"give each as --param NAME=VALUE; see `ctanalytics queries show {query.name}`",
        )
    return values


def _load(statement: str) -> SavedQuery:
    header = statements.header(statement)
    return SavedQuery(
        statement.removeprefix(f"{_FOLDER}/"),
        header["about"],
        header["grain"],
        header["reads"],
        tuple(_parameters(header.get("params", ""))),
        _body(statements.statement(statement)),
    )


def _parameters(text: str) -> list[Parameter]:
    found = []
    for part in filter(None, text.split(", ")):
        match = _PARAMETER.fullmatch(part)
        if match is None or match["kind"] not in KINDS:
            raise RuntimeError(f"a saved query's header has a parameter like {part!r}")
        found.append(Parameter(match["name"], match["kind"], match["default"]))
    return found


def _body(text: str) -> str:
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[start:]).strip() + "\n"

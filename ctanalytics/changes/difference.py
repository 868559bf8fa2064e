"""What differs between two states of a resource, as JSON paths with values. Pure; secrets are hidden.

Paths follow RFC 6901: `/configuration/ipPermissions/0/fromPort`; `~1` is a slash in a key, `~0` a
tilde. An element that came has the path of its list and its new place, one that went its old place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

MASK: Final = "***"

_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|private_?key|credential|api_?key|authorization|"
    r"connection_?string|user_?data|master_?user_?pass",
    re.I,
)
_HARMLESS_END = re.compile(
    r"(?:arn|name|id|ids|enabled|status|type|count|version|required|days)$", re.I
)
_ALL_VALUES: Final = ("environment", "variables")
"""Below these keys, one in the other, every value may be a secret: functions, build projects."""
_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:ghp|gho|xox[abp])[_-]\w{10,}|://[^/\s:@]+:[^/\s@]+@"
)
_PARTS: Final = {
    "configuration": "configuration",
    "supplementary_configuration": "supplementaryConfiguration",
    "tags": "tags",
    "relationships": "relationships",
}
_EMPTY: Final[dict[str, Any]] = {"relationships": []}
_NOTHING: Final[tuple[Any, ...]] = (None, {}, [])
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs; `before` or `after` is None where nothing stood, see `kind`."""

    path: str
    kind: str
    """added, removed or replaced."""
    before: Any
    after: Any


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[Difference]:
    """Compare two rows of `config_items`; none of a row is what was not there, or is no more.

    Texts that hold JSON, as in supplementaryConfiguration, are compared by what they hold.
    """
    found = _walk("", _state(before), _state(after), ())
    return [each for each in found if each.before not in _NOTHING or each.after not in _NOTHING]


def _state(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {}
    # Config writes null, {} or nothing at all for what a resource has none of.
    return {key: _read(row.get(column)) or _EMPTY.get(key, {}) for column, key in _PARTS.items()}


def _read(text: str | None) -> Any:
    try:
        return _opened(json.loads(text)) if text else None
    except (ValueError, RecursionError):
        return text


def _opened(value: Any) -> Any:
    """Values with the JSON that stands in them as text."""
    if isinstance(value, dict):
        return {key: _opened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_opened(inner) for inner in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _opened(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value


def _walk(path: str, before: Any, after: Any, keys: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = (before.get(key, _ABSENT), after.get(key, _ABSENT))
            yield from _walk(f"{path}/{_escaped(key)}", *inner, (*keys, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(path, before, after, keys)
    elif _canonical(before) != _canonical(after):
        yield _difference(path, before, after, keys)


def _lists(
    path: str, before: list[Any], after: list[Any], keys: tuple[str, ...]
) -> Iterator[Difference]:
    """Elements that both have are the same wherever they stand; what is left is told apart by place."""
    gone, come = _left(before, after), _left(after, before)
    if len(gone) == len(come):
        for old, new in zip(gone, come, strict=True):
            yield from _walk(f"{path}/{new}", before[old], after[new], keys)
        return
    for place in gone:
        yield _difference(f"{path}/{place}", before[place], _ABSENT, keys)
    for place in come:
        yield _difference(f"{path}/{place}", _ABSENT, after[place], keys)


def _left(values: list[Any], others: list[Any]) -> list[int]:
    """Places of the values that the others lack."""
    there: dict[str, int] = {}
    for other in others:
        text = _canonical(other)
        there[text] = there.get(text, 0) + 1
    left = []
    for place, value in enumerate(values):
        text = _canonical(value)
        if there.get(text):
            there[text] -= 1
        else:
            left.append(place)
    return left


def _difference(path: str, before: Any, after: Any, keys: tuple[str, ...]) -> Difference:
    kind = "added" if before is _ABSENT else "removed" if after is _ABSENT else "replaced"
    old, new = (None if value is _ABSENT else masked(value, keys) for value in (before, after))
    return Difference(path, kind, old, new)


def masked(value: Any, keys: tuple[str, ...]) -> Any:
    """Hide what may be a secret in a value that stands below some keys."""
    if isinstance(value, dict):
        named = _named_pair(value)
        return {
            key: masked(inner, (*keys, named if named and key == "value" else key))
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, keys) for inner in value]
    return MASK if isinstance(value, str) and value and _is_secret(value, keys) else value


def _named_pair(value: dict[str, Any]) -> str | None:
    """The name in {"name": "DB_PASSWORD", "value": "…"}, as containers and builds have it."""
    name = value.get("name", value.get("key"))
    return name if isinstance(name, str) and isinstance(value.get("value"), str) else None


def _is_secret(value: str, keys: tuple[str, ...]) -> bool:
    if _LOOKS_SECRET.search(value):
        return True
    lower = tuple(key.lower() for key in keys)
    if _ALL_VALUES in pairwise(lower):
        return True
    last = keys[-1] if keys else ""
    if not _SECRET.search(last) or value.startswith("arn:"):
        return False
    return not _HARMLESS_END.search(last)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _canonical(value: Any) -> str:
    return "" if value is _ABSENT else json.dumps(value, sort_keys=True)

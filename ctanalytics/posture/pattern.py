"""Patterns that choose events: of metric filters in CloudWatch Logs, and of EventBridge rules.

Both are asked whether they match an event. So a filter counts for what it does, not for how it is
written: any order of clauses, and any superset, will do.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<sign>\|\||&&|[(){}]|!=|<=|>=|=|<|>)|(?P<path>\$(?:\.[\w\-]+|\[[^\]]+\])+)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"{}=!<>|&]+))'
)

Event = Mapping[str, Any]


class Unreadable(ValueError):
    """A pattern that this reader does not understand."""


def filter_matches(pattern: str, event: Event) -> bool:
    """Tell whether a metric filter's pattern matches an event.

    An empty pattern matches all. One in braces is a condition on JSON; any other is a search for
    words, all of which must be in the event's text.

    Raises:
        Unreadable: it is neither.
    """
    text = pattern.strip()
    if not text:
        return True
    if not text.startswith("{"):
        body = json.dumps(event)
        return all(word.strip('"') in body for word in re.findall(r'"[^"]*"|\S+', text))
    reader = _Reader(list(_tokens(text)))
    reader.take("{")
    result = reader.either(event)
    reader.take("}")
    if reader.tokens:
        raise Unreadable(f"there is more after the pattern: {reader.tokens[0][1]}")
    return result


@lru_cache(maxsize=256)
def _tokens(text: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"this can't be read: {text[at : at + 20]}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return tuple(found)


class _Reader:
    """Reads and answers at once, left to right: || binds weaker than &&."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def take(self, wanted: str = "") -> tuple[str, str]:
        if not self.tokens or (wanted and self.tokens[0][1] != wanted):
            raise Unreadable(f"{wanted or 'more'} is missing")
        return self.tokens.pop(0)

    def next_is(self, sign: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == ("sign", sign)

    def either(self, event: Event) -> bool:
        result = self.both(event)
        while self.next_is("||"):
            self.take()
            result = self.both(event) or result
        return result

    def both(self, event: Event) -> bool:
        result = self.one(event)
        while self.next_is("&&"):
            self.take()
            result = self.one(event) and result
        return result

    def one(self, event: Event) -> bool:
        if self.next_is("("):
            self.take()
            result = self.either(event)
            self.take(")")
            return result
        kind, path = self.take()
        if kind != "path":
            raise Unreadable(f"a field such as $.eventName is missing before {path}")
        there, value = _value(event, path)
        kind, sign = self.take()
        if kind == "word":
            return self.test(sign.upper(), there, value)
        _, wanted = self.take()
        return _compare(sign, there, value, wanted.strip('"') if wanted[:1] == '"' else wanted)

    def test(self, word: str, there: bool, value: object) -> bool:
        if word == "EXISTS":
            return there
        if word == "NOT":
            self.take("EXISTS")
            return not there
        if word == "IS":
            wanted = self.take()[1].upper()
            if wanted in ("NULL", "TRUE", "FALSE"):
                return there and value is {"NULL": None, "TRUE": True, "FALSE": False}[wanted]
        raise Unreadable(f"{word} can't be read")


def _value(event: Event, path: str) -> tuple[bool, Any]:
    value: Any = event
    for name in re.findall(r"\.([\w\-]+)|\[[\"']?([^\]\"']+)[\"']?\]", path):
        key = name[0] or name[1]
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return False, None
    return True, value


def _compare(sign: str, there: bool, value: object, wanted: str) -> bool:
    if not there:
        return False  # the careful reading, for != too: no alarm is counted on for what is absent
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if sign in ("=", "!="):
        same = fnmatch.fnmatchcase(text, wanted.replace("[", "[[]"))
        return same if sign == "=" else not same
    try:
        left, right = float(text), float(wanted)
    except ValueError:
        return False
    return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]


def rule_matches(pattern: object, event: Event) -> bool:
    """Tell whether an EventBridge rule's pattern matches an event.

    Raises:
        Unreadable: it uses a comparison that this reader does not know.
    """
    if isinstance(pattern, str):
        try:
            pattern = json.loads(pattern)
        except (ValueError, RecursionError) as error:
            raise Unreadable(str(error)) from error
    if not isinstance(pattern, Mapping):
        raise Unreadable("it is no object")
    return _all_match(pattern, event)


def _all_match(pattern: Mapping[str, Any], event: object) -> bool:
    fields = event if isinstance(event, Mapping) else {}
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(_all_match(one, event) for one in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not _all_match(wanted, fields.get(name)):
                return False
        elif not _any_fits(wanted, fields.get(name), name in fields):
            return False
    return True


def _any_fits(wanted: Sequence[Any], value: object, there: bool) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_fits(one, each, there) for one in wanted for each in values)


def _fits(one: object, value: object, there: bool) -> bool:
    if not isinstance(one, Mapping):
        return there and value == one
    (kind, wanted), *_ = one.items()
    if kind == "exists":
        return there is bool(wanted)
    text = str(value)
    if kind == "anything-but":
        if isinstance(wanted, Mapping):
            return there and not _fits(wanted, value, there)
        return there and value not in (wanted if isinstance(wanted, list) else [wanted])
    wants = [str(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
    return there and any(_tests(kind, text, each) for each in wants)


def _tests(kind: str, text: str, wanted: str) -> bool:
    if kind == "prefix":
        return text.startswith(wanted)
    if kind == "suffix":
        return text.endswith(wanted)
    if kind == "equals-ignore-case":
        return text.lower() == wanted.lower()
    if kind == "wildcard":
        return fnmatch.fnmatchcase(text, wanted.replace("[", "[[]"))
    raise Unreadable(f"{kind} can't be read")

"""What a Sigma rule means, written a second time: plain Python on the record as it was logged.

It shares nothing with the engine but pySigma's parsing of the rule. Slow, and easy to read.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
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

NUMBER = re.compile(r"-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d.*")


def pairs(text: str) -> Any:
    """JSON text -> values; of keys that differ only in case the first counts."""

    def kept(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in members:
            if key.lower() not in seen:
                seen.add(key.lower())
                found[key] = value
        return found

    return json.loads(text, object_pairs_hook=kept)


def matches(
    conditions: Sequence[Any], record: Mapping[str, Any], values: Mapping[str, Sequence[str]]
) -> bool:
    """Whether a record fulfils one of a rule's parsed conditions."""
    return any(_holds(one, record, values) for one in conditions)


def _holds(node: Any, record: Mapping[str, Any], given: Mapping[str, Sequence[str]]) -> bool:
    if isinstance(node, ConditionAND):
        return all(_holds(one, record, given) for one in node.args)
    if isinstance(node, ConditionOR):
        return any(_holds(one, record, given) for one in node.args)
    if isinstance(node, ConditionNOT):
        return not _holds(node.args[0], record, given)
    if isinstance(node, ConditionValueExpression):
        test = _test(node.value, given, keyword=True)
        return any(test(text) for text in _texts(_everything(record)))
    assert isinstance(node, ConditionFieldEqualsValueExpression)
    found = list(_texts(look_up(record, node.field)))
    value = node.value
    if isinstance(value, SigmaNull):
        return not found
    if isinstance(value, SigmaExists):
        return bool(found) is value.exists
    if isinstance(value, SigmaFieldReference):
        others = [text.lower() for text in _texts(look_up(record, value.field))]
        return any(_refers(text.lower(), other, value) for text in found for other in others)
    test = _test(value, given)
    return any(test(text) for text in found)


def _refers(text: str, other: str, how: SigmaFieldReference) -> bool:
    if how.starts_with and how.ends_with:
        return other in text
    if how.starts_with:
        return text.startswith(other)
    return text.endswith(other) if how.ends_with else text == other


def look_up(record: Mapping[str, Any], name: str) -> Iterator[Any]:
    """The values of a field: keys in any case, through lists, one list at each step."""
    found: list[Any] = [record]
    for key in name.replace("[*]", "").replace("[0]", ".#0").split("."):
        if key.startswith("#"):
            found = [one[int(key[1:])] for one in found if isinstance(one, list) and one]
            continue
        found = [
            value
            for one in found
            for inner in (one if isinstance(one, list) else [one])
            if isinstance(inner, dict)
            for at, value in inner.items()
            if at.lower() == key.lower()
        ]
    for one in found:
        yield from one if isinstance(one, list) else [one]


def _everything(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        for one in part.values():
            yield from _everything(one)
    elif isinstance(part, list):
        for one in part:
            yield from _everything(one)
    else:
        yield part


def _texts(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif value is not None:
            yield json.dumps(value, separators=(",", ":"), ensure_ascii=False)


Check = Callable[[str], bool]


def _test(value: Any, given: Mapping[str, Sequence[str]], *, keyword: bool = False) -> Check:
    if isinstance(value, SigmaExpansion):
        inner = [_test(one, given, keyword=keyword) for one in value.values]
        return lambda text: any(check(text) for check in inner)
    if isinstance(value, SigmaString):
        return _of_text(value, given, keyword)
    if isinstance(value, SigmaRegularExpression):
        flags = sum(
            {"IGNORECASE": re.I, "MULTILINE": re.M, "DOTALL": re.S}[f.name] for f in value.flags
        )
        pattern = re.compile(value.regexp.to_plain(regex=True), flags | re.A)
        return lambda text: bool(pattern.search(text))
    if isinstance(value, SigmaCIDRExpression):
        return lambda text: _inside(text, str(value.network))
    if isinstance(value, SigmaCompareExpression):
        limit, name = value.number.number, value.op.name
        return lambda text: _compares(text, limit, name)
    if isinstance(value, SigmaTimestampPart):
        return lambda text: _part(text, value.timestamp_part.name) == value.number
    if isinstance(value, SigmaNumber):
        return lambda text: _compares(text, value.number, "EQ")
    assert isinstance(value, SigmaBool), value
    return lambda text: text.lower() == str(value.boolean).lower()


def _of_text(value: SigmaString, given: Mapping[str, Sequence[str]], keyword: bool) -> Check:
    cased = isinstance(value, SigmaCasedString)

    def fill(placeholder: Any) -> Iterator[Any]:
        yield from map(SigmaString, given[placeholder.name])

    patterns = []
    for one in value.replace_placeholders(fill):
        pattern = "".join(
            re.escape(part)
            if isinstance(part, str)
            else ".*"
            if part is SpecialChars.WILDCARD_MULTI
            else "."
            for part in one.s
        )
        if keyword:
            pattern = f".*{pattern}.*"
        patterns.append(re.compile(pattern if cased else pattern.lower(), re.S))
    return lambda text: any(p.fullmatch(text if cased else text.lower()) for p in patterns)


def _inside(text: str, cidr: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip(" ")) in ipaddress.ip_network(cidr)
    except ValueError:
        return False


def _compares(text: str, limit: float, name: str) -> bool:
    if not NUMBER.fullmatch(text):
        return False
    number = float(text)
    return {
        "EQ": number == limit,
        "NEQ": number != limit,
        "LT": number < limit,
        "LTE": number <= limit,
        "GT": number > limit,
        "GTE": number >= limit,
    }[name]


def _part(text: str, name: str) -> int | None:
    if not TIME.fullmatch(text):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)
    return moment.isocalendar().week if name == "WEEK" else int(getattr(moment, name.lower()))

"""Which resources a call was about, as far as its record proves it: ARNs, or why there are none."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.policy import actions

NO_RESOURCE: Final = "the action takes no resource"

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ARN = re.compile(r"arn:[a-z-]+:[^\s]+")
_LAST: Final = frozenset(("ObjectName", "RelativeId", "ParameterNameWithoutLeadingSlash"))
"""Variables whose values may hold slashes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a call's record tells of its resources."""

    partition: str
    account_id: str
    aws_region: str
    arns: tuple[str, ...]
    """Of `resources`."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resources:
    """ARNs that a call was about; without any `why` tells the reason."""

    arns: tuple[str, ...]
    why: str | None = None

    @property
    def takes_none(self) -> bool:
        """Whether the action has no resources: a policy can then name only `*`."""
        return self.why == NO_RESOURCE


def request(
    account_id: str, aws_region: str, arns: Sequence[str] | None, parameters: str | None
) -> Request:
    """Read a record's columns."""
    try:
        found = json.loads(parameters) if parameters else {}
    except (ValueError, RecursionError):
        found = {}
    partition = "aws"
    if aws_region.startswith("us-gov-"):
        partition = "aws-us-gov"
    elif aws_region.startswith("cn-"):
        partition = "aws-cn"
    return Request(
        partition,
        account_id,
        aws_region,
        tuple(arns or ()),
        found if isinstance(found, dict) else {},
    )


def proven(action: str, asked: Request) -> Resources:
    """Return the resources that an action was used on.

    All types that the action has to be given must be known; where none has to, one is enough.
    """
    kinds = actions.formats(action)
    if not kinds:
        return Resources((), NO_RESOURCE)
    found = {name: tuple(_of_kind(form, asked)) for name, form, _ in kinds}
    must = [name for name, _, required in kinds if required]
    missing = [name for name in must if not found[name]]
    arns = tuple(sorted({arn for each in found.values() for arn in each}))
    if missing or not arns:
        names = ", ".join(missing or list(found)[:4])
        return Resources((), f"the log does not prove which {names} it was")
    return Resources(arns)


def _of_kind(form: str, asked: Request) -> Iterator[str]:
    """ARNs of one type: named as such, or made from the parameters that its format asks for."""
    pattern = _pattern(form)
    named = {arn for arn in (*asked.arns, *_texts(asked.parameters)) if pattern.fullmatch(arn)}
    if named:
        yield from sorted(named)
        return
    known = {
        "Partition": [asked.partition],
        "Region": [asked.aws_region],
        "Account": [asked.account_id],
    }
    values = [known.get(name) or _values(name, asked.parameters) for name in _variables(form)]
    # A path or a suffix that only AWS knows can't be made up, and of two ids none is the other's.
    if not all(values) or sum(len(each) > 1 for each in values) > 1:
        return
    for place in range(max(map(len, values), default=1)):
        chosen = iter(each[min(place, len(each) - 1)] for each in values)
        arn = _VARIABLE.sub(lambda _, chosen=chosen: next(chosen), form)  # type: ignore[misc]
        if pattern.fullmatch(arn):
            yield arn


@functools.cache
def _variables(form: str) -> tuple[str, ...]:
    return tuple(_VARIABLE.findall(form))


@functools.cache
def _pattern(form: str) -> re.Pattern[str]:
    parts = []
    place = 0
    for match in _VARIABLE.finditer(form):
        parts.append(re.escape(form[place : match.start()]))
        parts.append(_shape(match[1], last=match.end() == len(form)))
        place = match.end()
    parts.append(re.escape(form[place:]))
    return re.compile("".join(parts))


def _shape(variable: str, *, last: bool) -> str:
    if variable == "Partition":
        return r"aws[a-z-]*"
    if variable in ("Region", "Account"):
        return r"[a-z0-9-]*"
    return r"\S+" if last and (variable in _LAST or variable.endswith("WithPath")) else r"[^\s:/*]+"


def _values(variable: str, parameters: Mapping[str, Any]) -> list[str]:
    names = actions.table()["parameters"].get(variable, [variable[:1].lower() + variable[1:]])
    return sorted({value for name in names for value in _named(name, parameters) if value})


def _named(name: str, value: Any) -> Iterator[str]:
    """Texts under a key, wherever it stands; ARNs are no names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name and isinstance(inner, str) and not inner.startswith("arn:"):
                yield inner
            elif not isinstance(inner, str):
                yield from _named(name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(name, inner)


def _texts(value: Any) -> Iterator[str]:
    """ARNs that stand as whole texts; not those within a policy's document."""
    if isinstance(value, str):
        if _ARN.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.lower().endswith(("policy", "policydocument")):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)

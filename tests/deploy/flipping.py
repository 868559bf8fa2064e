"""Changes one property of a deployed stack, as an update of the stack would, and takes it back."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.deploy.stacks import Stack

_STEP = re.compile(r"\[(?:(?P<key>\w+)=(?P<value>[^\]]+)|(?P<index>\d+))\]|(?P<name>[^.\[]+)")
GONE = object()


@dataclass(frozen=True)
class Change:
    """A property of a resource and its new value; GONE: it is taken out."""

    resource: str
    path: str
    """Names with dots between; [Sid=X] and [0] choose from a list."""
    value: Any

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Change:
        """Read an entry of protects.toml."""
        return cls(entry["resource"], entry["path"], entry.get("value", GONE))


@contextmanager
def flipped(stack: Stack, changes: Sequence[Change]) -> Iterator[None]:
    """Make changes; take them back at the end."""
    resources = {change.resource for change in changes}
    try:
        for logical in resources:
            definition = copy.deepcopy(_definition(stack, logical))
            for change in changes:
                if change.resource == logical:
                    _set(definition["Properties"], change)
            _update(stack, logical, definition)
        yield
    finally:
        for logical in resources:
            _update(stack, logical, copy.deepcopy(_definition(stack, logical)))


def type_of(stack: Stack, logical: str) -> str:
    """Return the type of a resource."""
    return str(_definition(stack, logical)["Type"])


def name_of(stack: Stack, logical: str) -> str:
    """Return what !Ref gives of a resource; of a bucket's policy that is the bucket."""
    return str(_map(stack)._parsed_resources[logical].physical_resource_id)


def _map(stack: Stack) -> Any:
    from moto.cloudformation.models import cloudformation_backends

    known = cloudformation_backends[stack.account][stack.region].stacks.values()
    return next(one.resource_map for one in known if one.name == stack.name)


def _definition(stack: Stack, logical: str) -> dict[str, Any]:
    found: dict[str, Any] = _map(stack)._resource_json_map[logical]
    return found


def _update(stack: Stack, logical: str, definition: dict[str, Any]) -> None:
    from moto.cloudformation import parsing

    parsing.parse_and_update_resource(logical, definition, _map(stack), stack.account, stack.region)


def _set(properties: Any, change: Change) -> None:
    *steps, last = list(_STEP.finditer(change.path))
    place = properties
    for step in steps:
        place = _walk(place, step)
    if last["name"]:
        assert last["name"] in place or change.value is not GONE, f"{change.path} is not there"
        if change.value is GONE:
            del place[last["name"]]
        else:
            place[last["name"]] = change.value
    elif change.value is GONE:
        place.remove(_walk(place, last))
    else:
        place[place.index(_walk(place, last))] = change.value


def _walk(place: Any, step: re.Match[str]) -> Any:
    if step["name"]:
        return place[step["name"]]
    if step["index"]:
        return place[int(step["index"])]
    (found,) = [each for each in place if each.get(step["key"]) == step["value"]]
    return found

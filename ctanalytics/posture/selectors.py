"""Event selectors as sets: which events of a class do they record, all, some or none.

Basic selectors are read as the advanced ones that they mean. A selector is a product of
conditions, one on each field; several are a union. To find whether a union holds a whole class,
each field's values are cut where any condition cuts them, one value stands for each piece, and
every combination of pieces is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Extent = Literal["all", "some", "none"]

MOST_PIECES: Final = 20_000
_OTHER: Final = "\x00"  # a value that no selector names

_SERVICES: Final = {
    "AWS::S3::Object": "s3",
    "AWS::Lambda::Function": "lambda",
    "AWS::DynamoDB::Table": "dynamodb",
}
"""The service in the ARNs of what a basic selector names; alone it stands for all of the type."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a selector demands of a field; an empty tuple demands nothing."""

    equals: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    not_equals: tuple[str, ...] = ()
    not_starts: tuple[str, ...] = ()
    not_ends: tuple[str, ...] = ()

    def holds(self, value: str) -> bool:
        """Tell whether a value fulfils it: any of the positive ones, and none of the others."""
        wanted = bool(self.equals or self.starts or self.ends)
        if wanted and not (
            value in self.equals or value.startswith(self.starts) or value.endswith(self.ends)
        ):
            return False
        return not (
            value in self.not_equals
            or (self.not_starts and value.startswith(self.not_starts))
            or (self.not_ends and value.endswith(self.not_ends))
        )


Selector = Mapping[str, Condition]
"""Conditions by field, as advanced event selectors name them."""


@dataclass(frozen=True, slots=True)
class EventClass:
    """Events that somebody wants recorded: a category, and values of further fields.

    A value that ends in * stands for all that begin so.
    """

    category: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        read_only = {"true": "reads", "false": "writes"}.get(self.fields.get("readOnly", ""), "")
        words = [value for name, value in self.fields.items() if name != "readOnly"]
        return " ".join(filter(None, (self.category.lower(), *words, read_only or "events")))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a class is recorded."""

    extent: Extent
    left_out: str = ""
    """An example of what is not, in words."""


def of_answer(answer: Mapping[str, Any]) -> tuple[Selector, ...]:
    """Read the answer of GetEventSelectors, of either kind."""
    advanced = answer.get("AdvancedEventSelectors") or ()
    if advanced:
        return tuple(_advanced(one) for one in advanced)
    return tuple(found for one in answer.get("EventSelectors") or () for found in _basic(one))


def coverage(
    selectors: Sequence[Selector], wanted: EventClass, *, but: tuple[str, ...] = ()
) -> Coverage:
    """Tell how much of a class a union of selectors records.

    Args:
        but: resources whose ARN begins so are not asked for.
    """
    chosen = [
        one for one in selectors if one.get("eventCategory", Condition()).holds(wanted.category)
    ]
    if not chosen:
        return Coverage("none", f"no selector records {wanted}")
    names = sorted({name for one in chosen for name in one if name != "eventCategory"})
    pieces = [_pieces(name, chosen, wanted.fields.get(name)) for name in names]
    if but and "resources.ARN" in names:
        at = names.index("resources.ARN")
        pieces[at] = [value for value in pieces[at] if not value.startswith(but)]
    count = 1
    for values in pieces:
        count *= len(values)
    if count > MOST_PIECES:
        return Coverage("some", "the selectors are too many to tell exactly what they leave out")
    recorded = 0
    left_out: dict[str, str] | None = None
    for piece in itertools.product(*pieces):
        event = dict(zip(names, piece, strict=True))
        if any(_records(one, event) for one in chosen):
            recorded += 1
        elif left_out is None:
            left_out = event
    if left_out is None:
        return Coverage("all")
    if not recorded:
        return Coverage("none", f"no selector records {wanted}")
    return Coverage("some", _said(left_out, wanted))


def _records(one: Selector, event: Mapping[str, str]) -> bool:
    return all(
        condition.holds(event[name]) for name, condition in one.items() if name != "eventCategory"
    )


def _pieces(name: str, chosen: Iterable[Selector], wanted: str | None) -> list[str]:
    """One value for each piece that the conditions on a field cut its values into."""
    if name == "readOnly":
        return [wanted] if wanted else ["true", "false"]
    if name == "sessionCredentialFromConsole":
        return ["true", "false"]
    if wanted is not None and not wanted.endswith("*"):
        return [wanted]
    base = wanted[:-1] if wanted else ""
    conditions = [one[name] for one in chosen if name in one]
    exact = {v for c in conditions for v in (*c.equals, *c.not_equals) if v.startswith(base)}
    starts = {v for c in conditions for v in (*c.starts, *c.not_starts) if v.startswith(base)}
    ends = {v for c in conditions for v in (*c.ends, *c.not_ends)}
    heads = sorted({base, *starts})
    found = {head + _OTHER + tail for head in heads for tail in ("", *sorted(ends))}
    return sorted(found | exact)


def _said(event: Mapping[str, str], wanted: EventClass) -> str:
    """Say in words which events are left out."""
    parts = []
    for name, value in event.items():
        if wanted.fields.get(name) == value or value in ("", _OTHER):
            continue
        if name == "readOnly":
            parts.append("reads" if value == "true" else "writes")
        elif value.strip(_OTHER):
            parts.append(f"{name} {value.replace(_OTHER, '*')}")
    return "events with " + ", ".join(parts) if parts else f"{wanted} that no selector names"


def _advanced(one: Mapping[str, Any]) -> Selector:
    return {
        str(each.get("Field", "")): Condition(
            equals=_texts(each, "Equals"),
            starts=_texts(each, "StartsWith"),
            ends=_texts(each, "EndsWith"),
            not_equals=_texts(each, "NotEquals"),
            not_starts=_texts(each, "NotStartsWith"),
            not_ends=_texts(each, "NotEndsWith"),
        )
        for each in one.get("FieldSelectors") or ()
    }


def _texts(each: Mapping[str, Any], operator: str) -> tuple[str, ...]:
    return tuple(str(value) for value in each.get(operator) or ())


def _basic(one: Mapping[str, Any]) -> Iterable[Selector]:
    """The advanced selectors that a basic one means."""
    kinds = {"ReadOnly": ("true",), "WriteOnly": ("false",)}.get(str(one.get("ReadWriteType")), ())
    which = {"readOnly": Condition(equals=kinds)} if kinds else {}
    if one.get("IncludeManagementEvents", True):
        left_out = tuple(one.get("ExcludeManagementEventSources") or ())
        sources = {"eventSource": Condition(not_equals=left_out)} if left_out else {}
        yield {"eventCategory": Condition(equals=("Management",)), **which, **sources}
    for resource in one.get("DataResources") or ():
        kind = str(resource.get("Type"))
        values = tuple(str(value) for value in resource.get("Values") or ())
        if not values:
            continue
        everything = any(_is_all(kind, value) for value in values)
        arns = {} if everything else {"resources.ARN": Condition(starts=values)}
        yield {
            "eventCategory": Condition(equals=("Data",)),
            "resources.type": Condition(equals=(kind,)),
            **which,
            **arns,
        }


def _is_all(kind: str, value: str) -> bool:
    """Tell whether a value, such as arn:aws:s3 or arn:aws:s3:::, names all resources of a type."""
    parts = value.split(":")
    return (
        parts[0] == "arn"
        and len(parts) >= 3
        and parts[2] == _SERVICES.get(kind)
        and not any(parts[3:])
    )

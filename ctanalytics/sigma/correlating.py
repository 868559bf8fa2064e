"""pySigma's correlation rules as ours, with the rules that they refer to found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from ctanalytics.sigma.condition import Unsupported
from ctanalytics.sigma.fields import UnknownPath, field
from ctanalytics.sigma.rule import Combination, Correlation, Measure

_OPERATORS: Final[dict[str, Literal["<", "<=", ">", ">=", "=", "<>"]]] = {
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "EQ": "=",
    "NEQ": "<>",
}


class UnknownRule(ValueError):
    """A correlation refers to a rule that is not among those loaded."""


def correlation(parsed: SigmaCorrelationRule, places: Mapping[str, int]) -> Correlation:
    """Turn pySigma's correlation into ours.

    Args:
        places: ids and names of all rules -> their places.

    Raises:
        UnknownRule: it refers to a rule that is not there.
        Unsupported: its parts don't go together.
    """
    condition = parsed.condition
    references = [one.reference for one in parsed.rules or ()]
    if not references and isinstance(condition, SigmaExtendedCorrelationCondition):
        references = condition.get_referenced_rules()
    if not references:
        raise UnknownRule("it names no rules")
    missing = [name for name in references if name not in places]
    if missing:
        raise UnknownRule(f"there is no rule {', '.join(map(repr, missing))}")
    group_by = tuple(parsed.group_by or ())
    aliases = {
        alias.alias: {places[one.reference]: name for one, name in alias.mapping.items()}
        for alias in parsed.aliases
        if all(one.reference in places for one in alias.mapping)
    }
    combination = None
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        combination = _combination(condition.parsed)
        if parsed.type.name == "TEMPORAL_ORDERED":
            references, combination = _in_order(combination), None
    measure = _measure(condition) if isinstance(condition, SigmaCorrelationCondition) else None
    for name in (*group_by, *(measure.fields if measure else ())):
        _require_field(name, aliases)
    return Correlation(
        parsed.type.name.lower(),
        tuple(places[name] for name in references),
        tuple(references),
        parsed.timespan.seconds,
        group_by,
        aliases,
        measure,
        combination,
    )


def _measure(condition: SigmaCorrelationCondition) -> Measure:
    fields = condition.fieldref
    listed = (fields,) if isinstance(fields, str) else tuple(fields or ())
    percentile = condition.percentile
    if percentile is not None and not 0 <= percentile <= 100:
        raise Unsupported(f"there is no percentile {percentile}")
    return Measure(_OPERATORS[condition.op.name], condition.count, listed, percentile)


def _combination(part: CorrelationConditionItem | SigmaRuleReference) -> Combination:
    if isinstance(part, SigmaRuleReference):
        return part.reference
    word = (
        "not"
        if isinstance(part, CorrelationConditionNOT)
        else "and"
        if isinstance(part, CorrelationConditionAND)
        else "or"
    )
    return word, tuple(_combination(one) for one in part.args)


def _in_order(combination: Combination) -> list[str]:
    """The rules of a condition whose matches must follow each other: a plain chain of `and`."""
    if isinstance(combination, str):
        return [combination]
    word, parts = combination
    if word != "and":
        raise Unsupported("only `and` gives an order; use the type temporal for `or` and `not`")
    return [name for part in parts for name in _in_order(part)]


def _require_field(name: str, aliases: Mapping[str, Mapping[int, Any]]) -> None:
    if name in aliases:
        return
    try:
        field(name)
    except UnknownPath as error:
        raise Unsupported(str(error)) from error

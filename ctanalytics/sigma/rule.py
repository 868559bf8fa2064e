"""A Sigma rule as the engine runs it, or the reason why it can't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ctanalytics.sigma.condition import Node

Status = Literal["ok", "unsupported", "error"]
"""error: no valid Sigma; unsupported: valid, but not about CloudTrail or not in this engine."""

Combination = str | tuple[str, tuple[Any, ...]]
"""Of a temporal correlation: a rule's reference, or ("and" | "or" | "not", parts)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a correlation counts in its window, and the limit that must hold."""

    operator: Literal["<", "<=", ">", ">=", "=", "<>"]
    limit: int | float
    fields: tuple[str, ...] = ()
    percentile: int | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """How matches of other rules make one, within a sliding window that ends at each match."""

    kind: str
    """event_count, value_count, value_sum, value_avg, value_median, value_percentile, temporal,
    temporal_ordered."""
    rules: tuple[int, ...]
    """Places of the rules whose matches are counted, in the rule set."""
    references: tuple[str, ...]
    """The same rules as the correlation names them."""
    seconds: int
    group_by: tuple[str, ...]
    aliases: Mapping[str, Mapping[int, str]]
    """Alias -> place of a rule -> the field that it stands for there."""
    measure: Measure | None
    combination: Combination | None = None


@dataclass(frozen=True)
class Rule:
    """One document of a rule file."""

    path: str
    line: int
    title: str
    rule_id: str | None = None
    name: str | None = None
    level: str = "medium"
    """informational, low, medium, high or critical."""
    tags: tuple[str, ...] = ()
    status: Status = "ok"
    reason: str | None = None
    """Why it does not run; of one that runs, what is wrong with its description."""
    condition: Node | None = None
    correlation: Correlation | None = None
    alerts: bool = True
    """False of a rule that only serves a correlation."""
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """What stands for the rule where one text must: its id, else its name, else its path."""
        return self.rule_id or self.name or f"{self.path}:{self.line}"

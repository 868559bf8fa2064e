"""Finds a resource by whatever people call it, and reads its states as AWS Config recorded them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.untrusted import sql_text

_TYPED = re.compile(r"(?P<type>[A-Za-z0-9]+(?:::[A-Za-z0-9]+){2})/(?P<id>.+)", re.S)
_SHORTEST_ALIAS: Final = 3


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource; without items of AWS Config only what it is called is known."""

    account_id: str | None
    aws_region: str | None
    resource_type: str | None
    resource_id: str
    resource_name: str | None = None
    arn: str | None = None
    items: int = 0
    """States that the lake has of it."""
    related_events: tuple[str, ...] = ()
    """Ids of events that Config itself names as causes; none since version 1.3 of its items."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """What calls may name it by; what is too short to tell anything is left out."""
        names = dict.fromkeys((self.arn, self.resource_id, self.resource_name))
        return tuple(name for name in names if name and len(name) >= _SHORTEST_ALIAS)

    @property
    def condition(self) -> str:
        """SQL that holds for its rows of `lake.config_items`, and for no others."""
        parts = {
            "account_id": self.account_id,
            "aws_region": self.aws_region,
            "resource_type": self.resource_type,
            "resource_id": self.resource_id,
        }
        return " and ".join(
            f"{name} is null" if value is None else f"{name} = {sql_text(value)}"
            for name, value in parts.items()
        )


def named(
    engine: Engine,
    text: str,
    *,
    account_id: str | None = None,
    aws_region: str | None = None,
    resource_type: str | None = None,
) -> list[Resource]:
    """Return the resources that a text may mean: an ARN, an id, a name, or AWS::Type/id."""
    typed = _TYPED.fullmatch(text)
    rows = engine.run(
        "changes/resources",
        text=typed["id"] if typed else text,
        account_id=account_id,
        aws_region=aws_region,
        resource_type=typed["type"] if typed else resource_type,
    )
    return [
        Resource(**row | {"related_events": tuple(sorted(row["related_events"] or ()))})
        for row in rows.to_pylist()
    ]


def states(engine: Engine, item_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return items by their id, with what can differ between two of them."""
    rows = engine.run("changes/states", item_ids=list(item_ids)).to_pylist()
    return {row["item_id"]: row for row in rows}

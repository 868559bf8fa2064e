"""Exceptions of the settings: matches that a person has looked at and wants no alert about."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics import untrusted
from ctanalytics.engines.duckdb import Engine
from ctanalytics.settings import RuleException
from ctanalytics.sigma.condition import Network, Piece, Text
from ctanalytics.sigma.pack import is_named
from ctanalytics.sigma.predicates import all_of, passes
from ctanalytics.sigma.rule import Rule

_HITS: Final = "sigma_all"


@dataclass(frozen=True)
class Kept:
    """What is left of matches after the exceptions."""

    hits: pa.Table
    suppressed: dict[int, int]
    """Place of an exception -> events that it took out; each is counted at the first that does."""
    unknown: list[int]
    """Exceptions whose rule is not among those that ran."""


def keep(
    engine: Engine, hits: pa.Table, rules: Sequence[Rule], exceptions: Sequence[RuleException]
) -> Kept:
    """Take out the matches that an exception is about."""
    conditions = {}
    unknown = []
    for place, exception in enumerate(exceptions):
        about = [number for number, rule in enumerate(rules) if is_named(rule, exception.rule)]
        if about:
            conditions[place] = condition(exception, about)
        else:
            unknown.append(place)
    if not conditions or not hits.num_rows:
        return Kept(hits, {}, unknown)
    cases = " ".join(f"when {text} then {place}" for place, text in conditions.items())
    engine.register(_HITS, hits)
    marked = engine.sql(f"select *, case {cases} else -1 end as exception from {_HITS}")
    engine.unregister(_HITS)
    places = marked["exception"].to_pylist()
    suppressed = {place: places.count(place) for place in conditions if place in places}
    kept = marked.filter(pc.equal(marked["exception"], -1)).drop_columns(["exception"])
    return Kept(kept, suppressed, unknown)


def condition(exception: RuleException, about: Sequence[int]) -> str:
    """Return SQL over hits that is true for what an exception silences; never null.

    Args:
        about: places of the rules that it names.
    """
    conditions = [f"rule in ({', '.join(map(str, about))})"]
    if exception.principal:
        pieces = tuple(_pieces(exception.principal))
        names = (f"lower({name})" for name in ("principal_arn", "principal"))
        tests = [passes(name, [Text(pieces)]) for name in names]
        conditions.append(f"({' or '.join(f'coalesce({test}, false)' for test in tests)})")
    if exception.account:
        conditions.append(
            f"account_id is not distinct from {untrusted.sql_text(exception.account)}"
        )
    if exception.network:
        network = str(ipaddress.ip_network(exception.network, strict=False))
        conditions.append(f"coalesce({passes('source_ip_address', [Network(network)])}, false)")
    if exception.until:
        until = dt.datetime.fromisoformat(exception.until)
        until = until.replace(tzinfo=until.tzinfo or dt.UTC)
        conditions.append(f"coalesce(event_time < timestamptz '{until.isoformat()}', true)")
    return all_of(conditions)


def _pieces(glob: str) -> list[Piece]:
    found: list[Piece] = []
    for number, text in enumerate(glob.split("*")):
        if number:
            found.append(True)
        if text:
            found.append(text)
    return found

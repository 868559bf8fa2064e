"""Hunt: which of many indicators a lake's events bear, and where.

The values that events bear are far fewer than the events: the indicators are matched to those
first, and only what matched is joined with the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.app import indicators
from ctanalytics.app.indicators import Indicator
from ctanalytics.app.query import Scope
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

_VALUES = pa.schema([(name, pa.string()) for name in ("kind", "value", "indicator", "note")])
_ARNS = pa.schema([(name, pa.string()) for name in ("indicator", "note")])


@dataclass(frozen=True, slots=True)
class HuntResult:
    """What was found."""

    indicators: int
    """Different ones that were hunted for."""
    hits: pa.Table
    """One row for each indicator and value that events bear; see sql/hunt/hits.sql."""


def hunt(
    iocs: Path,
    lake: str | Lake,
    *,
    scope: Scope = Scope(),
    settings: Settings | None = None,
) -> HuntResult:
    """Find the events that bear one of a list of addresses, networks, keys, ARNs, programs.

    Args:
        iocs: a list; see `indicators.read`.

    Raises:
        UsageError: the list can't be read.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    wanted = list(dict.fromkeys(indicators.read(iocs)))
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine(
        since=scope.since,
        until=scope.until,
        org_wide=scope.org_wide,
        verified_only=scope.verified_only,
        threads=settings.query.threads or None,
        memory_bytes=settings.query.memory_bytes or None,
    ) as engine:
        return HuntResult(len(wanted), _hits(engine, wanted))


def _hits(engine: Engine, wanted: list[Indicator]) -> pa.Table:
    notes = {indicator.text: indicator.note for indicator in wanted if indicator.note}
    by_kind: dict[str, list[Indicator]] = {}
    for indicator in wanted:
        by_kind.setdefault(indicator.kind, []).append(indicator)
    rows = [
        {"kind": kind, "value": value, "indicator": name, "note": notes.get(name)}
        for kind, value, name in _matches(engine, by_kind)
    ]
    arns = [{"indicator": one.text, "note": one.note or None} for one in by_kind.get("arn", [])]
    engine.register("hunt_values", pa.Table.from_pylist(rows, _VALUES))
    engine.register("hunt_arns", pa.Table.from_pylist(arns, _ARNS))
    return engine.run("hunt/hits")


def _matches(engine: Engine, by_kind: dict[str, list[Indicator]]) -> list[tuple[str, str, str]]:
    """Kind, value and indicator of all values of the lake that an indicator meets."""
    found: list[tuple[str, str, str]] = []
    if "network" in by_kind:
        addresses = engine.run("hunt/addresses")["value"].to_pylist()
        pairs = indicators.of_addresses(by_kind["network"], addresses)
        found += [("address", value, name) for value, name in pairs]
    kinds = {"keys": "key", "user_agents": "user_agent", "accounts": "account"}
    asked = {name: kind in by_kind for name, kind in kinds.items()}
    if any(asked.values()):
        texts = engine.run("hunt/texts", **asked)
        for kind in kinds.values():
            if kind in by_kind:
                mask = pc.equal(texts["kind"], kind)
                values = texts.filter(mask)["value"].to_pylist()
                pairs = indicators.of_texts(by_kind[kind], values)
                found += [(kind, value, name) for value, name in pairs]
    return found

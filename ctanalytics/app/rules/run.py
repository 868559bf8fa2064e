"""Run rules over a lake: what each finds, ungrouped and without exceptions; nothing is stored."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders, places
from ctanalytics.sigma.rule import Rule, Status
from ctanalytics.sigma.running import Found
from ctanalytics.sigma.running import run as run_rules
from ctanalytics.sigma.span import Span

FIRST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LAST = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule."""

    rule: Rule
    status: Status
    reason: str | None
    """Why it did not run, with the line of the fault; of one that ran, what is odd about it."""
    hits: int
    """Events that match; of a correlation, how often it holds."""
    event_ids: list[str]
    """Of all events behind the hits, in the order of their times."""


@dataclass(frozen=True)
class RulesRun:
    """What a run found."""

    outcomes: list[Outcome]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every rule ran."""
        return all(outcome.status == "ok" for outcome in self.outcomes)


def run(
    lake: str | Path | Lake,
    directories: Sequence[str | Path] = (),
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> RulesRun:
    """Run rules over a span of a lake, or over all of it.

    Args:
        directories: folders and files of rules; else the packaged ones and the settings'.
        since: start of the span; without it and `until`, events without a believable time count
            too.
        until: its end, exclusive.

    Raises:
        RulesError: there is no such folder or file.
        LakeMissing: there is no lake.
    """
    started = time.monotonic()
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    found_places = places(directories, settings.rules)
    with here.engine() as engine:
        rules = load(found_places, placeholders(settings.rules, engine))
        found = run_rules(engine, rules, span(since, until))
    outcomes = _outcomes(rules, found)
    return RulesRun(outcomes, round(time.monotonic() - started, 3))


def span(since: dt.datetime | None, until: dt.datetime | None) -> Span:
    """Return the span between two times; all events when neither is given."""
    return Span(since or FIRST, until or LAST, undated=since is None and until is None)


def _outcomes(rules: Sequence[Rule], found: Found) -> list[Outcome]:
    ids = _ids(found.hits)
    return [
        Outcome(
            rule,
            "unsupported" if place in found.faults else rule.status,
            found.faults.get(place, rule.reason),
            found.counts.get(place, 0) if place not in found.faults else 0,
            ids.get(place, []) if place not in found.faults else [],
        )
        for place, rule in enumerate(rules)
    ]


def _ids(hits: pa.Table) -> dict[int, list[str]]:
    found: dict[int, dict[str, None]] = {}
    for rule, event in zip(hits["rule"].to_pylist(), hits["event_id"].to_pylist(), strict=True):
        found.setdefault(rule, {})[event] = None
    return {rule: list(events) for rule, events in found.items()}

"""Try a rule before it is turned on: what it would have said, and what would quieten it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ctanalytics.app.rules.listing import named
from ctanalytics.app.rules.quiet import Advice, advise
from ctanalytics.app.rules.run import span
from ctanalytics.errors import RulesError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders, places
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import only, run

_SAMPLE = 10


@dataclass(frozen=True)
class Tried:
    """What a rule would have done over a span."""

    rule: Rule
    hits: int
    """Events that match; of a correlation, how often it holds."""
    events: int
    days: list[dict[str, Any]]
    """date, events: of days with a match."""
    principals: list[dict[str, Any]]
    """principal, account_id, events, first, last: the ten with most events."""
    samples: list[dict[str, Any]]
    """The newest event of each of the ten principals with most."""
    advice: Advice


def try_(
    lake: str | Path | Lake,
    rule: str,
    directories: Sequence[str | Path] = (),
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    keep: Sequence[str] = (),
) -> Tried:
    """Run one rule over a lake, and find the narrowest exceptions that silence its benign mass.

    Args:
        rule: id, name, or path of a rule or of a file with one.
        keep: ids of events that no exception may silence.

    Raises:
        RulesError: there is no such rule, it can't run, or it does not match an event of `keep`.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    file = Path(rule)
    found_places = [file] if file.is_file() else places(directories, settings.rules)
    with here.engine() as engine:
        rules = load(found_places, placeholders(settings.rules, engine))
        chosen = rules[0] if file.is_file() and len(rules) == 1 else named(rules, rule)
        place = rules.index(chosen)
        found = run(engine, only(rules, place), span(since, until))
    reason = found.faults.get(place) or chosen.reason
    if chosen.status != "ok" or place in found.faults:
        raise RulesError(
            f"the rule can't run: {reason}",
            where=f"{chosen.path}:{chosen.line}",
            mend="`ctanalytics rules lint` tells what is wrong",
        )
    hits = found.hits.filter(pc.equal(found.hits["rule"], place))
    rows = list({(row["account_id"], row["event_id"]): row for row in hits.to_pylist()}.values())
    _require_kept(chosen, rows, keep)
    return Tried(
        chosen,
        found.counts.get(place, 0),
        len(rows),
        _days(rows),
        _principals(rows),
        _samples(rows),
        advise(chosen, rows, keep),
    )


def _require_kept(rule: Rule, rows: Sequence[dict[str, Any]], keep: Sequence[str]) -> None:
    missing = sorted(set(keep) - {row["event_id"] for row in rows})
    if missing:
        raise RulesError(
            f"the rule does not match {', '.join(missing)}",
            where=f"{rule.path}:{rule.line}",
            mend="name events with --keep that the rule finds; see `ctanalytics rules run --json`",
        )


def _days(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    counts: dict[dt.date, int] = {}
    for row in rows:
        if row["event_time"] is not None:
            date = row["event_time"].date()
            counts[date] = counts.get(date, 0) + 1
    return [{"date": date.isoformat(), "events": counts[date]} for date in sorted(counts)]


def _principals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = _by_principal(rows)
    listed = []
    for (principal, account), found in groups[:_SAMPLE]:
        times = sorted(row["event_time"] for row in found if row["event_time"] is not None)
        listed.append(
            {
                "principal": principal,
                "account_id": account,
                "events": len(found),
                "first": times[0] if times else None,
                "last": times[-1] if times else None,
            }
        )
    return listed


def _samples(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = ("event_id", "event_time", "event_source", "event_name", "error_code", "principal")
    return [
        {name: found[-1][name] for name in (*columns, "source_ip_address")}
        for _, found in _by_principal(rows)[:_SAMPLE]
    ]


def _by_principal(rows: Sequence[dict[str, Any]]) -> list[tuple[tuple[Any, Any], list[Any]]]:
    groups: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["principal"], row["account_id"]), []).append(row)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), str(item[0])))

"""Rules by parts: what they match of some files of events is found by a worker.

A rule is true of an event alone, so that the files of one date may be read apart. What correlations
count comes together on the driver, where their windows reach over all dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from ctanalytics.detectors.spread import Spread, carried, heard, midnight, opened
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake.store import store_from
from ctanalytics.sigma import scanning
from ctanalytics.sigma.scanning import HITS, PARTS, Asked
from ctanalytics.sigma.span import Span

_TABLES = (HITS, PARTS)
_INSTANT = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class SpreadScan:
    """Scans as `scanning.scan` does, on workers where there is enough to do."""

    spread: Spread

    def __call__(self, engine: Engine, asked: Asked, span: Span) -> dict[int, str]:
        """Add to the tables of hits and parts what rules match; see `scanning.scan`."""
        parts = [] if span.undated else list(self._parts(asked, span))
        if not parts:
            return scanning.scan(engine, asked, span)
        faults: dict[int, dict[str, str]] = {}
        for result in self.spread.executor.map(scan_part, parts):
            for table in _TABLES:
                rows = self.spread.taken(result[table])
                if rows is not None:
                    engine.register("sigma_taken", rows)
                    engine.execute(f"insert into {table} by name from sigma_taken")
                    engine.unregister("sigma_taken")
            faults[result["number"]] = result["faults"]
        # Of the words of several workers about one rule, those about the first events.
        return {
            int(rule): why
            for number in sorted(faults, reverse=True)
            for rule, why in faults[number].items()
        }

    def _parts(self, asked: Asked, span: Span) -> Iterator[Part]:
        since, until = (moment.astimezone(dt.UTC) for moment in (span.since, span.until))
        groups = self.spread.files(since.date(), (until - _INSTANT).date())
        told = self.spread.put(asked) if groups else ""
        for number, group in enumerate(groups):
            yield {
                **self.spread.session_of(group.files),
                "number": number,
                "asked": told,
                "since": max(since, midnight(group.first)).isoformat(),
                "until": min(until, midnight(group.after)).isoformat(),
            }


def scan_part(part: Part) -> Result:
    """Find what rules match of some files; a worker's task, see `engines.executor`.

    Args:
        part: a session (see `spread`), number (of the part), asked (the file with what rules ask),
            since, until (ISO text; of the dates of the files).

    Returns:
        number, sigma_hits and sigma_parts (rows, see `spread.carried`), faults (by rule).
    """
    asked = heard(store_from(part["store"]), part["asked"], Asked)
    since, until = (dt.datetime.fromisoformat(part[name]) for name in ("since", "until"))
    with opened(part) as engine:
        scanning.prepare(engine)
        faults = scanning.scan(engine, asked, Span(since, until))
        rows = {table: carried(part, engine.sql(f"from {table}")) for table in _TABLES}
    return {
        "number": part["number"],
        "faults": {str(rule): why for rule, why in faults.items()},
        **rows,
    }

"""Runs all rules over one span: plain rules in shared scans, then correlations of what they match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.sigma import scanning, windows
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.scanning import HITS, PARTS, TOLD, Asked
from ctanalytics.sigma.span import Span
from ctanalytics.sigma.translate import exact

Scan = Callable[[Engine, Asked, Span], Mapping[int, str]]
"""Fills the tables of hits and parts, as `scanning.scan` does."""

_HIT_COLUMNS: Final = ("event_id", "principal", "principal_arn")


@dataclass(frozen=True)
class Found:
    """What the rules found."""

    hits: pa.Table
    """rule (place), match (of a correlation, else null), event_id, account_id, principal and the
    columns that alerts tell of; one row for each rule, match and event."""
    faults: Mapping[int, str]
    """Rules that the engine could not run after all; they have no hits."""
    counts: Mapping[int, int]
    """How often each rule matched: events, or for a correlation groups of them."""


def run(engine: Engine, rules: Sequence[Rule], span: Span, scan: Scan = scanning.scan) -> Found:
    """Run rules over a span; those with a status other than ok are left out.

    Args:
        scan: finds what plain rules match; else one scan in this session.
    """
    return _Run(engine, rules, span).all(scan)


def only(rules: Sequence[Rule], place: int) -> list[Rule]:
    """Return the same rules at the same places, all off but one and those that it counts."""
    needed, waiting = {place}, [place]
    while waiting:
        made = rules[waiting.pop()].correlation
        below = set(made.rules if made else ()) - needed
        needed |= below
        waiting += below
    return [
        rule if number in needed else replace(rule, status="unsupported")
        for number, rule in enumerate(rules)
    ]


def statement(rule: Rule, span: Span, columns: str = "*") -> str:
    """Return the statement that a plain rule is on its own, over the view `events`."""
    if rule.condition is None:
        raise ValueError("a correlation has no statement of its own")
    return f"select {columns}\nfrom events\nwhere {span.condition()}\n  and {exact(rule.condition)}"


@dataclass
class _Run:
    engine: Engine
    rules: Sequence[Rule]
    span: Span
    faults: dict[int, str] = field(default_factory=dict)

    def all(self, scan: Scan) -> Found:
        asked = Asked.of(self.rules)
        scanning.prepare(self.engine)
        self._sql(windows.MATCHES)
        if asked.conditions:
            self.faults |= scan(self.engine, asked, self.span)
            self._settle()
        self.correlations = scanning.correlations(self.rules)
        for place in self._in_order():
            self._correlation(place)
        table = self._collected()
        counts = dict(
            self._rows(
                f"select rule, count(*) from {HITS} group by rule union all "
                "select correlation, count(distinct match) from sigma_matches group by correlation"
            )
        )
        return Found(table, self.faults, counts)

    def _settle(self) -> None:
        """Make of what was scanned what it is however the span was cut."""
        if self.faults:
            # A rule may fail on the events of one stretch, and have matched those of another.
            listed = ", ".join(map(str, sorted(self.faults)))
            self._sql(f"delete from {HITS} where rule in ({listed})")
        corrections = self.engine.tables.get("event_conflicts")
        if corrections is not None and corrections.files:
            # Files of one date that are read apart each come with all corrections of the date.
            for table in (HITS, PARTS):
                self._sql(
                    f"create or replace temp table sigma_once as select distinct * from {table}"
                )
                self._sql(f"create or replace temp table {table} as from sigma_once")
            self._sql("drop table sigma_once")

    def _in_order(self) -> Iterator[int]:
        """Correlations, each after those that it refers to."""
        done: set[int] = set()

        def before(place: int) -> Iterator[int]:
            if place in done:
                return
            done.add(place)
            for below in self.correlations[place].rules:
                if below in self.correlations:
                    yield from before(below)
            yield place

        for place in self.correlations:
            yield from before(place)

    def _correlation(self, place: int) -> None:
        if place in self.faults:
            return
        made = self.correlations[place]
        broken = [below for below in made.rules if below in self.faults]
        if broken:
            self.faults[place] = f"{self.rules[broken[0]].title!r} can't run"
            return
        try:
            self._sql(windows.matches(made, place))
            for number, outer in self.correlations.items():
                if place in outer.rules:
                    keys = windows.inner_keys(outer, made, place)
                    self._sql(
                        f"insert into {PARTS} select distinct {number}, {place}, ended_at, "
                        f"cast(match as varchar) || '@{place}', {keys}, null "
                        f"from sigma_matches where correlation = {place}"
                    )
        except duckdb.Error as error:
            self.faults[place] = f"the engine refuses it: {str(error).splitlines()[0]}"

    def _collected(self) -> pa.Table:
        """Hits of plain rules, and the events behind correlations down to the last chain."""
        listed = ", ".join(f"{HITS}.{name}" for name in (*_HIT_COLUMNS, *TOLD))
        self._sql(
            "create or replace temp table sigma_behind as "
            "with recursive behind as ("
            "select correlation, match, ref from sigma_matches "
            "union select behind.correlation, behind.match, inner_matches.ref from behind "
            "inner join sigma_matches as inner_matches "
            "on behind.ref = cast(inner_matches.match as varchar) || '@' "
            "|| cast(inner_matches.correlation as varchar)"
            ") select * from behind"
        )
        plain = f"select {HITS}.rule, cast(null as bigint) as match, {listed} from {HITS}"
        correlated = (
            f"select sigma_behind.correlation, sigma_behind.match, {listed} from sigma_behind "
            f"inner join (select * from {HITS} where ref in (select ref from sigma_behind) "
            f"qualify row_number() over (partition by ref order by rule, {listed}) = 1) as {HITS} "
            f"on {HITS}.ref = sigma_behind.ref"
        )
        return self.engine.sql(
            f"{plain} union all {correlated} order by 1, 2 nulls first, event_time, account_id, event_id"
        )

    def _sql(self, text: str) -> None:
        self.engine.execute(text)

    def _rows(self, text: str) -> list[Any]:
        return self.engine.execute(text)

"""Runs all rules over one span in shared scans: N rules cost about one pass.

Which APIs a span has is asked first; most rules can match only few of them. One scan then takes
out the rows of those APIs, and what the few rules without an API could match; the rules run on
these rows alone, each on its APIs. JSON that an engine refuses (half a surrogate pair, which
whoever writes a log line may put there) is mended first, so that it hides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.sigma import windows
from ctanalytics.sigma.condition import Keyword, Node, fields, leaves
from ctanalytics.sigma.fields import FLAG_COLUMNS, JSON_COLUMNS, TEXT_COLUMNS
from ctanalytics.sigma.fields import field as field_of
from ctanalytics.sigma.matching import match
from ctanalytics.sigma.rule import Correlation, Rule
from ctanalytics.sigma.translate import exact, possible_for_api, prefilter

EVENT: Final = "coalesce(event_id, record_sha256)"
"""What names an event within its account."""
WHO: Final = "coalesce(nullif(principal_arn, ''), actor, principal_id)"
"""What alerts are grouped by: who holds the permissions, else the nearest to it."""

_COLUMNS: Final = (
    "event_time",
    "account_id",
    "aws_region",
    "event_source",
    "event_name",
    "error_code",
    "is_error",
    "source_ip_address",
    "source_object",
    "source_row",
)
_BROAD_SHARE: Final = 0.2
"""A rule that could match more of the events than this is helped by a cheap filter, not by APIs."""
_CHUNK_ROWS: Final = 1_500_000
"""Rows taken out at a time, estimated: about 2 GB at worst."""
_UNDATED: Final = "date '1970-01-01'"

_MENDED: Final = (
    "case when {0} is null or json_valid({0}) then {0} else list_filter("
    r"[regexp_replace({0}, '\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}', '\\ufffd', 'g')], "
    "lambda m: json_valid(m))[1] end as {0}"
)


@dataclass(frozen=True, slots=True)
class Span:
    """The events to ask: since <= event_time < until, UTC."""

    since: dt.datetime
    until: dt.datetime
    undated: bool = False
    """Also those without a believable time."""

    def condition(self) -> str:
        """SQL over `events`; it bounds the date too, so that files are pruned."""
        last = self.until - dt.timedelta(microseconds=1)
        dated = (
            f"event_date >= date '{self.since:%Y-%m-%d}' and event_date <= date '{last:%Y-%m-%d}' "
            f"and event_time >= timestamptz '{self.since.isoformat()}' "
            f"and event_time < timestamptz '{self.until.isoformat()}'"
        )
        return f"(({dated}) or event_date = {_UNDATED})" if self.undated else f"({dated})"


@dataclass(frozen=True)
class Found:
    """What the rules found."""

    hits: pa.Table
    """rule (place), match (of a correlation, else null), event_id, account_id, principal and the
    columns that alerts tell of; one row for each rule, match and event."""
    faults: Mapping[int, str]
    """Rules that the engine could not run after all."""
    counts: Mapping[int, int]
    """How often each rule matched: events, or for a correlation groups of them."""


def run(engine: Engine, rules: Sequence[Rule], span: Span) -> Found:
    """Run rules over a span; those with a status other than ok are left out."""
    return _Run(engine, rules, span).all()


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

    def all(self) -> Found:
        self._sql(windows.PARTS)
        self._sql(windows.MATCHES)
        plain = {
            place: rule.condition
            for place, rule in enumerate(self.rules)
            if rule.status == "ok" and rule.condition is not None
        }
        self._make_hits()
        if plain:
            self._plain(plain)
        for place in self._in_order():
            self._correlation(place)
        table = self._collected()
        counts = dict(
            self._rows(
                "select rule, count(*) from sigma_hits group by rule union all "
                "select correlation, count(distinct match) from sigma_matches group by correlation"
            )
        )
        return Found(table, self.faults, counts)

    def _plain(self, plain: Mapping[int, Node]) -> None:
        dates = self._make_apis()
        apis = self._apis_of(plain)
        broad = {
            place: text
            for place, node in plain.items()
            if self._share(apis[place]) > _BROAD_SHARE and (text := prefilter(node)) != "false"
        }
        needed = sorted(
            {api for place, found in apis.items() if place not in broad for api in found}
        )
        for first, last, undated in _chunks(dates, set(needed), bool(broad)):
            span = self._narrowed(first, last, undated)
            self._make_candidates(span, plain, needed, broad)
            conditions = {
                place: exact(node) for place, node in plain.items() if place not in self.faults
            }
            self.faults |= match(self.engine, conditions, apis)
            self._take_hits()
        self._sql("drop table if exists sigma_candidates")

    def _make_hits(self) -> None:
        """An empty table of hits, with the columns that `events` has."""
        listed = ", ".join(_COLUMNS)
        self._sql(
            "create or replace temp table sigma_hits as select cast(0 as integer) as rule, "
            f"cast(null as varchar) as ref, {EVENT} as event_id, {WHO} as principal, "
            f"nullif(principal_arn, '') as principal_arn, {listed} from events limit 0"
        )

    def _make_apis(self) -> list[tuple[dt.date, int, int]]:
        """Number the APIs of the span; return (date, API, rows)."""
        self._sql(
            "create or replace temp table sigma_days as select event_date, event_source, "
            f"event_name, count(*) as events from events where {self.span.condition()} "
            "group by event_date, event_source, event_name"
        )
        self._sql(
            "create or replace temp table sigma_apis as select "
            "cast(row_number() over () as integer) as api, event_source as api_source, "
            "event_name as api_name, events "
            "from (select event_source, event_name, cast(sum(events) as bigint) as events "
            "from sigma_days group by event_source, event_name order by event_source, event_name)"
        )
        self.sizes = dict(self._rows("select api, events from sigma_apis"))
        self.total = sum(self.sizes.values())
        return self._rows(
            "select event_date, api, sigma_days.events from sigma_days inner join sigma_apis "
            "on api_source is not distinct from event_source "
            "and api_name is not distinct from event_name "
            "order by event_date, api"
        )

    def _apis_of(self, plain: Mapping[int, Node]) -> dict[int, list[int]]:
        """For each rule the APIs of which it could match an event."""
        found: dict[int, list[int]] = {place: [] for place in plain}
        texts = {place: possible_for_api(node) for place, node in plain.items()}
        every = sorted(self.sizes)
        for place in [place for place, text in texts.items() if text == "true"]:
            found[place] = every
            del texts[place]
        places = sorted(texts)
        for start in range(0, len(places), 64):
            some = places[start : start + 64]
            listed = ", ".join(f"case when {texts[place]} then {place} end" for place in some)
            for api, matching in self._rows(
                f"select api, list_filter([{listed}], lambda p: p is not null) from "
                "(select api, api_source as event_source, api_name as event_name from sigma_apis)"
            ):
                for place in matching:
                    found[place].append(api)
        return found

    def _share(self, apis: Sequence[int]) -> float:
        return sum(self.sizes[api] for api in apis) / self.total if self.total else 0.0

    def _narrowed(self, first: dt.date | None, last: dt.date | None, undated: bool) -> str:
        bounds = [self.span.condition()]
        if first is not None and last is not None:
            dates = f"event_date between date '{first}' and date '{last}'"
            bounds.append(f"({dates} or event_date = {_UNDATED})" if undated else dates)
        return " and ".join(bounds)

    def _make_candidates(
        self, span: str, plain: Mapping[int, Node], needed: Sequence[int], broad: Mapping[int, str]
    ) -> None:
        columns = _columns(plain.values(), self._correlations())
        listed = ", ".join(
            _MENDED.format(name) if name in JSON_COLUMNS else name for name in columns
        )
        wanted = [f"sigma_apis.api in ({', '.join(map(str, needed))})"] if needed else []
        wanted += [f"({text})" for text in dict.fromkeys(broad.values())]
        chosen = " or ".join(wanted) or "false"
        if "(true)" in wanted:
            chosen = "true"
        self._sql(
            f"create or replace temp table sigma_candidates as select sigma_apis.api, {listed} "
            "from (select * from events where "
            f"{span}) as events inner join sigma_apis "
            "on api_source is not distinct from event_source "
            "and api_name is not distinct from event_name "
            f"where {chosen}"
        )

    def _take_hits(self) -> None:
        """Keep what the matches tell; the candidates go."""
        listed = ", ".join(_COLUMNS)
        ref = windows.reference("account_id", EVENT)
        rows = "sigma_matched inner join sigma_candidates on sigma_candidates.rowid = place"
        self._sql(
            f"insert into sigma_hits select rule, {ref}, {EVENT}, {WHO}, "
            f"nullif(principal_arn, ''), {listed} from {rows}"
        )
        for number, made in self._correlations().items():
            for place in set(made.rules) - self._correlations().keys():
                keys, measured = windows.part_columns(made, place)
                try:
                    self._sql(
                        f"insert into sigma_parts select {number}, {place}, event_time, {ref}, "
                        f"{keys}, {measured} from {rows} where rule = {place}"
                    )
                except duckdb.Error as error:
                    self.faults[number] = f"the engine refuses it: {str(error).splitlines()[0]}"

    def _correlations(self) -> dict[int, Correlation]:
        return {
            place: rule.correlation
            for place, rule in enumerate(self.rules)
            if rule.status == "ok" and rule.correlation is not None
        }

    def _in_order(self) -> Iterator[int]:
        """Correlations, each after those that it refers to."""
        known = self._correlations()
        done: set[int] = set()

        def before(place: int) -> Iterator[int]:
            if place in done:
                return
            done.add(place)
            for below in known[place].rules:
                if below in known:
                    yield from before(below)
            yield place

        for place in known:
            yield from before(place)

    def _correlation(self, place: int) -> None:
        if place in self.faults:
            return
        made = self._correlations()[place]
        broken = [below for below in made.rules if below in self.faults]
        if broken:
            self.faults[place] = f"{self.rules[broken[0]].title!r} can't run"
            return
        try:
            self._sql(windows.matches(made, place))
            for number, outer in self._correlations().items():
                if place in outer.rules:
                    keys = windows.inner_keys(outer, made, place)
                    self._sql(
                        f"insert into sigma_parts select distinct {number}, {place}, ended_at, "
                        f"cast(match as varchar) || '@{place}', {keys}, null "
                        f"from sigma_matches where correlation = {place}"
                    )
        except duckdb.Error as error:
            self.faults[place] = f"the engine refuses it: {str(error).splitlines()[0]}"

    def _collected(self) -> pa.Table:
        """Hits of plain rules, and the events behind correlations down to the last chain."""
        listed = ", ".join(f"sigma_hits.{name}" for name in (*_HIT_COLUMNS, *_COLUMNS))
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
        plain = f"select sigma_hits.rule, cast(null as bigint) as match, {listed} from sigma_hits"
        correlated = (
            f"select sigma_behind.correlation, sigma_behind.match, {listed} from sigma_behind "
            "inner join (select * from sigma_hits qualify row_number() over "
            "(partition by ref order by rule) = 1) as sigma_hits on sigma_hits.ref = sigma_behind.ref"
        )
        return self.engine.sql(
            f"{plain} union all {correlated} order by 1, 2 nulls first, event_time, account_id, event_id"
        )

    def _sql(self, text: str) -> None:
        self.engine.execute(text)

    def _rows(self, text: str) -> list[Any]:
        return self.engine.execute(text)


_HIT_COLUMNS: Final = ("event_id", "principal", "principal_arn")


def _columns(nodes: Iterable[Node], correlations: Mapping[int, Correlation]) -> list[str]:
    """The columns of `events` that conditions, correlations and hits read."""
    found = {*_COLUMNS, "event_id", "record_sha256", "principal_arn", "actor", "principal_id"}
    used = [one for node in nodes for one in fields(node)]
    used += [field_of(name) for made in correlations.values() for name in windows.columns(made)]
    for one in used:
        found |= {name for name in (one.column, one.json_column) if name}
    if any(isinstance(leaf, Keyword) for node in nodes for leaf in leaves(node)):
        found |= {*TEXT_COLUMNS, *FLAG_COLUMNS, *JSON_COLUMNS}
    return sorted(found)


def _chunks(
    days: Sequence[tuple[dt.date, int, int]], needed: set[int], broad: bool
) -> Iterator[tuple[dt.date | None, dt.date | None, bool]]:
    """Spans of dates with about _CHUNK_ROWS rows to take out; the first has the undated rows."""
    rows: dict[dt.date, float] = {}
    for date, api, events in days:
        weight = 1.0 if api in needed else 0.25 if broad else 0.0
        rows[date] = rows.get(date, 0.0) + weight * events
    dates = sorted(date for date in rows if date != dt.date(1970, 1, 1))
    undated = len(dates) < len(rows)
    if sum(rows.values()) <= _CHUNK_ROWS or not dates:
        yield None, None, undated
        return
    first, size, is_first = dates[0], 0.0, True
    for date, following in zip(dates, [*dates[1:], None], strict=True):
        size += rows[date]
        if following is None or size + rows[following] > _CHUNK_ROWS:
            yield first, date, undated and is_first
            size, is_first = 0.0, False
            first = following or date

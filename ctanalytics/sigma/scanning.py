"""What many rules match of a span's events, in shared scans: N rules cost about one pass.

Which APIs a span has is asked first; most rules can match only few of them. One scan then takes
out the rows of those APIs, and what the few rules without an API could match; the rules run on
these rows alone, each on its APIs. JSON that an engine refuses (half a surrogate pair, which
whoever writes a log line may put there) is mended first, so that it hides nothing.

What is asked is SQL text and nothing else, so that scans of a span's parts can run elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from ctanalytics.engines.duckdb import Engine
from ctanalytics.sigma import windows
from ctanalytics.sigma.condition import Keyword, Node, fields, leaves
from ctanalytics.sigma.fields import FLAG_COLUMNS, JSON_COLUMNS, TEXT_COLUMNS
from ctanalytics.sigma.fields import field as field_of
from ctanalytics.sigma.matching import match
from ctanalytics.sigma.rule import Correlation, Rule
from ctanalytics.sigma.span import EVENT, UNDATED, WHO, Span
from ctanalytics.sigma.translate import exact, possible_for_api, prefilter

HITS: Final = "sigma_hits"
"""One row for each rule and event that it matches; `ref` is what stands for the event in PARTS."""
PARTS: Final = "sigma_parts"
"""The matches that correlations count; see `sigma.windows`."""
TOLD: Final = (
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
"""The columns of events that hits keep as they are."""

_BROAD_SHARE: Final = 0.2
"""A rule that could match more of the events than this is helped by a cheap filter, not by APIs."""
_CHUNK_ROWS: Final = 1_500_000
"""Rows taken out at a time, estimated: about 2 GB at worst."""
_MENDED: Final = (
    "case when {0} is null or json_valid({0}) then {0} else list_filter("
    r"[regexp_replace({0}, '\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}', '\\ufffd', 'g')], "
    "lambda m: json_valid(m))[1] end as {0}"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules ask of events, as SQL; rules go by their places in the rule set."""

    conditions: dict[int, str]
    """Of each plain rule that runs: true for the events that match, false for all others."""
    possible: dict[int, str]
    """Over (event_source, event_name): false where the rule can match no event of it."""
    cheap: dict[int, str]
    """What no matching event fails, and parses no JSON."""
    counted: list[tuple[int, int, str, str]]
    """For each correlation and plain rule that it counts: its group keys, its measured value."""
    columns: list[str]
    """The columns of events that any of this reads."""

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Asked:
        """Return what the rules ask whose status is ok."""
        plain = {
            place: rule.condition
            for place, rule in enumerate(rules)
            if rule.status == "ok" and rule.condition is not None
        }
        made = correlations(rules)
        counted = [
            (number, place, *windows.part_columns(one, place))
            for number, one in made.items()
            for place in sorted(set(one.rules) - made.keys())
        ]
        return cls(
            {place: exact(node) for place, node in plain.items()},
            {place: possible_for_api(node) for place, node in plain.items()},
            {place: prefilter(node) for place, node in plain.items()},
            counted,
            _columns(plain.values(), made.values()),
        )


def correlations(rules: Sequence[Rule]) -> dict[int, Correlation]:
    """Return the correlations that run, by their places."""
    return {
        place: rule.correlation
        for place, rule in enumerate(rules)
        if rule.status == "ok" and rule.correlation is not None
    }


def prepare(engine: Engine) -> None:
    """Make the tables that `scan` fills, without rows, in place of those that are there."""
    listed = ", ".join(TOLD)
    engine.execute(
        f"create or replace temp table {HITS} as select cast(0 as integer) as rule, "
        f"cast(null as varchar) as ref, {EVENT} as event_id, {WHO} as principal, "
        f"nullif(principal_arn, '') as principal_arn, {listed} from events limit 0"
    )
    engine.execute(
        f"create or replace temp table {PARTS} (correlation integer, rule integer, "
        "seen_at timestamptz, ref varchar, keys varchar[], measured varchar)"
    )


def scan(engine: Engine, asked: Asked, span: Span) -> dict[int, str]:
    """Add to HITS and PARTS what the rules match in a span.

    Returns:
        Rules and correlations that the engine refuses, and why; the others are not hurt. Of these
        there may be rows, of other stretches of the span.
    """
    return _Scan(engine, asked, span).faults()


@dataclass
class _Scan:
    engine: Engine
    asked: Asked
    span: Span
    found: dict[int, str] = field(default_factory=dict)

    def faults(self) -> dict[int, str]:
        dates = self._make_apis()
        apis = self._apis_of()
        broad = {
            place: text
            for place, text in self.asked.cheap.items()
            if self._share(apis[place]) > _BROAD_SHARE and text != "false"
        }
        needed = sorted(
            {api for place, found in apis.items() if place not in broad for api in found}
        )
        for first, last, undated in _chunks(dates, set(needed), bool(broad)):
            self._make_candidates(self._narrowed(first, last, undated), needed, broad)
            conditions = {
                place: text
                for place, text in self.asked.conditions.items()
                if place not in self.found
            }
            self.found |= match(self.engine, conditions, apis)
            self._take_hits()
        self._sql("drop table if exists sigma_candidates")
        return self.found

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

    def _apis_of(self) -> dict[int, list[int]]:
        """For each rule the APIs of which it could match an event."""
        found: dict[int, list[int]] = {place: [] for place in self.asked.conditions}
        texts = dict(self.asked.possible)
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
            bounds.append(f"({dates} or event_date = {UNDATED})" if undated else dates)
        return " and ".join(bounds)

    def _make_candidates(self, span: str, needed: Sequence[int], broad: Mapping[int, str]) -> None:
        listed = ", ".join(
            _MENDED.format(name) if name in JSON_COLUMNS else name for name in self.asked.columns
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
        listed = ", ".join(TOLD)
        ref = windows.reference("account_id", EVENT)
        rows = "sigma_matched inner join sigma_candidates on sigma_candidates.rowid = place"
        self._sql(
            f"insert into {HITS} select rule, {ref}, {EVENT}, {WHO}, "
            f"nullif(principal_arn, ''), {listed} from {rows}"
        )
        for number, place, keys, measured in self.asked.counted:
            try:
                self._sql(
                    f"insert into {PARTS} select {number}, {place}, event_time, {ref}, "
                    f"{keys}, {measured} from {rows} where rule = {place}"
                )
            except duckdb.Error as error:
                self.found[number] = f"the engine refuses it: {str(error).splitlines()[0]}"

    def _sql(self, text: str) -> None:
        self.engine.execute(text)

    def _rows(self, text: str) -> list[Any]:
        return self.engine.execute(text)


def _columns(nodes: Iterable[Node], counting: Iterable[Correlation]) -> list[str]:
    """The columns of `events` that conditions, correlations and hits read."""
    nodes = list(nodes)
    found = {*TOLD, "event_id", "record_sha256", "principal_arn", "actor", "principal_id"}
    used = [one for node in nodes for one in fields(node)]
    used += [field_of(name) for made in counting for name in windows.columns(made)]
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

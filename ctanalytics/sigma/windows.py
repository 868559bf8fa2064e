"""Correlations in SQL: matches of rules in, groups of them that fulfil a correlation out.

The window of a match reaches back by the timespan, its start included. Windows of one group that
overlap are one match. Matches whose event lacks a field of group-by belong to no group.
"""

from __future__ import annotations

from typing import Final

from ctanalytics import untrusted
from ctanalytics.sigma.fields import field
from ctanalytics.sigma.predicates import values
from ctanalytics.sigma.rule import Combination, Correlation

MATCHES: Final = (
    "create or replace temp table sigma_matches (correlation integer, match bigint, "
    "keys varchar[], started_at timestamptz, ended_at timestamptz, ref varchar)"
)
_AGGREGATES: Final = {
    "value_sum": "sum(number)",
    "value_avg": "avg(number)",
    "value_median": "median(number)",
}


def part_columns(correlation: Correlation, place: int) -> tuple[str, str]:
    """Return SQL of the group keys and of the measured value of an event of one rule."""
    keys = [_first(_meant(correlation, name, place)) for name in correlation.group_by]
    fields = correlation.measure.fields if correlation.measure else ()
    measured = [_first(_meant(correlation, name, place)) for name in fields]
    if not measured:
        return _list(keys), "null"
    if len(measured) == 1:
        return _list(keys), measured[0]
    # A text that holds the separator could pass for two; its length before it says no.
    joined = " || ".join(f"len({one}) || ':' || {one}" for one in measured)
    return _list(keys), f"({joined})"


def inner_keys(outer: Correlation, inner: Correlation, place: int) -> str:
    """Return SQL that picks an outer correlation's group keys from an inner one's."""
    picked = []
    for name in outer.group_by:
        meant = _meant(outer, name, place)
        known = meant in inner.group_by
        picked.append(f"keys[{inner.group_by.index(meant) + 1}]" if known else "null")
    return _list(picked)


def columns(correlation: Correlation) -> list[str]:
    """Return the names of all fields that a correlation reads, aliases by what they stand for."""
    fields = correlation.measure.fields if correlation.measure else ()
    return [
        _meant(correlation, name, place)
        for name in (*correlation.group_by, *fields)
        for place in correlation.rules
    ]


def matches(correlation: Correlation, place: int) -> str:
    """Return the statement that adds a correlation's matches to `sigma_matches`.

    Args:
        place: of the correlation's rule, under which `sigma_parts` has its matches.
    """
    reach = f"interval '{correlation.seconds} seconds'"
    return f"""
insert into sigma_matches
with parts as (
    select
        rule,
        seen_at,
        ref,
        keys,
        measured,
        case when regexp_full_match(measured, '-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?')
            then cast(measured as double) end as number
    from sigma_parts
    where correlation = {place}
      and seen_at is not null
      and not list_contains(list_transform(keys, lambda k: k is null), true)
),
{_fires(correlation, reach)},
islands as (
    select
        keys,
        seen_at,
        sum(case when seen_at - {reach} <= before then 0 else 1 end) over (
            partition by keys order by seen_at rows unbounded preceding
        ) as island
    from (
        select keys, seen_at, lag(seen_at) over (partition by keys order by seen_at) as before
        from (select distinct keys, seen_at from firing)
    )
),
spans as (
    select keys, island, min(seen_at) - {reach} as opened_at, max(seen_at) as closed_at
    from islands
    group by keys, island
),
numbered as (
    select *, row_number() over (order by closed_at, keys) as match from spans
)
select distinct
    {place},
    numbered.match,
    numbered.keys,
    min(parts.seen_at) over (partition by numbered.match),
    numbered.closed_at,
    parts.ref
from numbered
inner join parts
    on parts.keys = numbered.keys
   and parts.seen_at >= numbered.opened_at
   and parts.seen_at <= numbered.closed_at
"""


def _fires(correlation: Correlation, reach: str) -> str:
    """The CTE `firing`: keys and times of the matches at which the correlation holds."""
    if correlation.kind == "temporal_ordered":
        return _ordered(correlation, reach)
    window = f"(partition by keys order by seen_at range between {reach} preceding and current row)"
    condition = _held(correlation, window)
    return (
        "firing as (select keys, seen_at from (select keys, seen_at, "
        f"coalesce({condition}, false) as held from parts) where held)"
    )


def _held(correlation: Correlation, window: str) -> str:
    measure = correlation.measure
    if correlation.combination is not None:
        place_of = dict(zip(correlation.references, correlation.rules, strict=True))
        return _combined(correlation.combination, place_of, window)
    if measure is None:
        return f"count(distinct rule) over {window} >= {len(set(correlation.rules))}"
    limit = f"{measure.operator} {measure.limit!r}"
    kind = correlation.kind
    if kind == "temporal":
        return f"count(distinct rule) over {window} {limit}"
    if kind == "event_count":
        counted = "*" if len(set(correlation.rules)) == 1 else "distinct ref"
        return f"count({counted}) over {window} {limit}"
    if kind == "value_count":
        return f"count(distinct measured) over {window} {limit}"
    if kind == "value_percentile":
        share = (50 if measure.percentile is None else measure.percentile) / 100
        return f"quantile_cont(number, {share!r}) over {window} {limit}"
    # Sums of fractions depend on their order in the last digits.
    return f"round({_AGGREGATES[kind]} over {window}, 9) {limit}"


def _combined(part: Combination, place_of: dict[str, int], window: str) -> str:
    if isinstance(part, str):
        return f"(count(*) filter (where rule = {place_of[part]}) over {window} > 0)"
    word, parts = part
    inner = [_combined(one, place_of, window) for one in parts]
    return f"(not {inner[0]})" if word == "not" else "(" + f" {word} ".join(inner) + ")"


def _ordered(correlation: Correlation, reach: str) -> str:
    """Each step carries the latest time at which a chain that reaches it can have begun.

    Events of one second, CloudTrail's resolution, count as in any order.
    """
    ctes = []
    before = "parts"
    for step, place in enumerate(correlation.rules):
        name = f"step_{step}"
        if step == 0:
            began = f"case when rule = {place} then seen_at end"
            kept = "keys, seen_at, rule"
        else:
            began = (
                f"case when rule = {place} then max(began_{step - 1}) over "
                "(partition by keys order by seen_at range unbounded preceding) end"
            )
            kept = f"keys, seen_at, rule, began_{step - 1}"
        ctes.append(f"{name} as (select {kept}, {began} as began_{step} from {before})")
        before = name
    last = len(correlation.rules) - 1
    ctes.append(
        f"firing as (select keys, seen_at from {before} where seen_at - began_{last} <= {reach})"
    )
    return ",\n".join(ctes)


def _meant(correlation: Correlation, name: str, place: int) -> str:
    return correlation.aliases.get(name, {}).get(place, name)


def _first(name: str) -> str:
    """The first text that a field has, as it is written."""
    return f"list_filter({values(field(name), folded=False)}, lambda v: v is not null)[1]"


def _list(parts: list[str]) -> str:
    return f"cast([{', '.join(parts)}] as varchar[])"


def reference(account: str, event: str) -> str:
    """Return SQL of what stands for one event in these tables."""
    return f"concat(coalesce({account}, ''), {untrusted.sql_text('|')}, {event})"

"""Impossible travel: one person calls from two places that nobody gets between so fast.

It needs a file that tells where addresses are (`geoip.city`). A VPN makes such pairs every day:
only a pair with a network or country that is new to the principal on that day is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.detectors.base import Statements
from ctanalytics.detectors.behaviour_facts import one_of
from ctanalytics.detectors.wording import minutes_text

LEAST_KM: Final = 500
MOST_KM_PER_HOUR: Final = 1_000
"""As fast as airliners fly."""
SCORE: Final = 4.0
"""It is a rule, no statistic: there is no p-value."""
SLACK: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Journey:
    """The farthest impossible pair of a principal's person on a day."""

    principal_key: str
    principal_arn: str | None
    person: str
    day: dt.date
    condition: str
    text: str


def journeys(
    engine: Statements,
    since: dt.datetime,
    until: dt.datetime,
    news: Set[tuple[str, dt.date, str, str]],
) -> Iterator[Journey]:
    """Yield what is impossible in a span.

    Args:
        news: (principal_key, day, kind, value) of all first times.
    """
    engine.keep("placed_calls", "detectors/placed_calls", since=since - SLACK, until=until)
    found = engine.run(
        "detectors/travel", least_km=LEAST_KM, most_km_per_hour=MOST_KM_PER_HOUR
    ).to_pylist()
    days: dict[tuple[str, str, dt.date], list[dict[str, Any]]] = {}
    for pair in found:
        key, day = pair["principal_key"], pair["event_date"]
        is_new = any(
            (key, on, kind, pair[name]) in news
            for on in (day, pair["time_before"].date())
            for kind, name in (
                ("network", "network"),
                ("network", "network_before"),
                ("country", "country"),
                ("country", "country_before"),
            )
        )
        if is_new and pair["event_time"] >= since:
            days.setdefault((key, pair["person"], day), []).append(pair)
    for (key, person, day), pairs in sorted(days.items()):
        farthest = max(pairs, key=lambda pair: (pair["distance_km"], pair["event_id"] or ""))
        addresses = {
            pair[name] for pair in pairs for name in ("source_ip_address", "address_before")
        }
        yield Journey(
            principal_key=key,
            principal_arn=farthest["principal_arn"],
            person=person,
            day=day,
            condition=one_of("source_ip_address", addresses) or "",
            text=_text(farthest),
        )


def _text(pair: dict[str, Any]) -> str:
    minutes = max(round((pair["event_time"] - pair["time_before"]).total_seconds() / 60), 1)
    before = _place(pair["city_before"], pair["country_before"], pair["address_before"])
    after = _place(pair["city"], pair["country"], pair["source_ip_address"])
    return (
        f"called from {before} at {pair['time_before']:%H:%M} UTC and from {after} "
        f"{minutes_text(minutes)} later, {pair['distance_km']:,} km away"
    )


def _place(city: str | None, country: str | None, address: str) -> str:
    name = ", ".join(part for part in (city, country) if part)
    told = f"{name} ({address})" if name else address
    return untrusted.one_line(told, limit=100)

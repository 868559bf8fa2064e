"""Something that is done again and again, and the calls that it makes in a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ctanalytics.simulator.actors import Actor
from ctanalytics.simulator.calls import Calls, generator
from ctanalytics.simulator.catalogue import catalogue
from ctanalytics.simulator.columns import Times
from ctanalytics.simulator.organization import Organization
from ctanalytics.simulator.rhythms import Day, Rhythm


@dataclass(frozen=True)
class Activity:
    """Bursts of calls by one actor, with a rhythm."""

    actor: Actor
    region: str
    mix: dict[str, float]
    """API, or API!fault, and its share; in a script: how often each run makes it, in order."""
    rhythm: Rhythm
    per_day: float
    """Calls a day in a small organization."""
    burst: float = 1
    """Mean calls of a burst; a script's follows from its steps."""
    span: int = 60
    """Seconds that a burst takes."""
    script: bool = False
    floor: float = 0
    cap: float = float("inf")
    """Bounds of the factor by which a busier organization does it more often."""

    @property
    def key(self) -> str:
        """What tells it from all others: an actor has one in a region. Its randomness follows from it."""
        return f"{self.actor.name}|{self.region}|"

    def calls_per_day(self, scale: float) -> float:
        """How many calls it makes in an organization of a scale."""
        return self.per_day * min(max(scale, self.floor), self.cap)


def scale_for(activities: Sequence[Activity], calls_per_day: float) -> float:
    """Find the scale at which all activities together make so many calls a day."""
    low, high = 0.0, 1.0
    while sum(a.calls_per_day(high) for a in activities) < calls_per_day and high < 1e9:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if sum(a.calls_per_day(middle) for a in activities) < calls_per_day:
            low = middle
        else:
            high = middle
    return high


def calls_of(
    organization: Organization, activity: Activity, day: Day, scale: float
) -> Iterator[Calls]:
    """The calls that an activity makes in a day."""
    rng = generator(organization.seed, "activity", activity.key, day.place)
    variants, shares = _variants(activity)
    burst = sum(activity.mix.values()) if activity.script else activity.burst
    starts = activity.rhythm(rng, day, activity.calls_per_day(scale) / burst)
    if not len(starts):
        return
    if activity.script:
        steps = np.repeat(np.arange(len(shares)), np.maximum(1, np.round(shares)).astype(int))
        times = _within(rng, starts, np.full(len(starts), len(steps)), activity.span)
        which = np.tile(steps, len(starts))
    else:
        times = _within(rng, starts, 1 + rng.poisson(burst - 1, len(starts)), activity.span)
        which = np.searchsorted(np.cumsum(shares)[:-1], rng.random(len(times)) * shares.sum())
    for place, (name, fault) in enumerate(variants):
        chosen = np.sort(times[which == place])
        if not len(chosen):
            continue
        for kind, part in _faults(rng, name, fault, chosen):
            yield Calls(
                actor=activity.actor,
                region=region_of(organization, name, activity.region),
                api=name,
                times=part,
                rng=rng,
                fault=kind,
            )


def region_of(organization: Organization, api: str, region: str) -> str:
    """Where calls of an API are recorded when they are made in a region."""
    return organization.partition.global_region if catalogue()[api].global_service else region


def _variants(activity: Activity) -> tuple[list[tuple[str, str]], np.ndarray]:
    names = [(name, fault) for name, _, fault in (text.partition("!") for text in activity.mix)]
    return names, np.array(list(activity.mix.values()), np.float64)


def _within(rng: np.random.Generator, starts: Times, sizes: np.ndarray, span: int) -> Times:
    """Spread each burst's calls over its span; each burst's in ascending order, from its start."""
    burst = np.repeat(np.arange(len(starts)), sizes)
    offsets = rng.random(len(burst)) * span
    offsets[np.cumsum(sizes) - sizes] = 0
    order = np.lexsort((offsets, burst))
    return np.repeat(starts, sizes) + offsets[order].astype(np.int64)


def _faults(
    rng: np.random.Generator, name: str, fault: str, times: Times
) -> Iterable[tuple[str, Times]]:
    """Let an API's natural faults happen to some of its successful calls."""
    natural = catalogue()[name].natural_faults
    if fault or not natural:
        return [(fault, times)]
    edges = np.cumsum([share for _, share in natural])
    place = np.searchsorted(edges, rng.random(len(times)), side="right")
    kinds = [*(str(n) for n in range(len(natural))), ""]
    return [(kind, times[place == n]) for n, kind in enumerate(kinds) if (place == n).any()]

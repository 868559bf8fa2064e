"""Episodes: what happens once, is labelled, and is either an attack or noise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ctanalytics.simulator.activity import region_of
from ctanalytics.simulator.actors import Actor
from ctanalytics.simulator.calls import Calls, generator
from ctanalytics.simulator.catalogue import catalogue
from ctanalytics.simulator.columns import Times
from ctanalytics.simulator.organization import Organization


@dataclass(frozen=True)
class Silence:
    """Calls of an API in an account and region that do not happen for a while."""

    account_id: str
    region: str
    api: str
    since: int
    until: int


@dataclass(frozen=True)
class Episode:
    """One labelled thing that happens; what it says of itself stands in labels.jsonl."""

    kind: str
    note: str
    malicious: bool
    started_at: int
    ended_at: int
    account_id: str | None
    region: str | None = None
    api: str | None = None
    """The API whose calls stand out, when there is one; see `catalogue`."""
    fault: str = ""
    principal_arn: str | None = None
    calls: tuple[Calls, ...] = ()
    aside: tuple[Calls, ...] = ()
    """Calls that answer it and are no part of it."""
    silence: Silence | None = None

    def label(self, event_ids: Iterable[str], started_at: int, ended_at: int) -> dict[str, object]:
        """The episode's line in labels.jsonl."""
        api = catalogue()[self.api] if self.api else None
        return {
            "kind": self.kind,
            "malicious": self.malicious,
            "account_id": self.account_id,
            "aws_region": self.region,
            "event_source": api.event_source if api else None,
            "event_name": api.name if api else None,
            "error_code": (api.fault(self.fault).code or None) if api and self.fault else None,
            "principal_arn": self.principal_arn,
            "started_at": instant(started_at),
            "ended_at": instant(ended_at),
            "event_ids": list(event_ids),
            "note": self.note,
        }


def instant(second: int) -> str:
    """A time as CloudTrail writes it."""
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Scene:
    """Collects the calls of one episode."""

    organization: Organization
    name: str
    """What tells it from all others; its randomness follows from it."""
    at: int
    calls: list[Calls] = field(default_factory=list)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = generator(self.organization.seed, "episode", self.name)

    def call(
        self,
        actor: Actor,
        region: str,
        steps: dict[str, int],
        *,
        after: int = 0,
        seconds: int,
        given: dict[str, str] | None = None,
    ) -> None:
        """Let an actor make calls, mixed, within some seconds.

        Args:
            steps: API or API!fault, and how many calls of it.
            after: seconds after the episode's start.
            given: values that all of these calls have, such as {"ip": "198.51.100.9"}.
        """
        for text, count in steps.items():
            api, _, fault = text.partition("!")
            region_there = region_of(self.organization, api, region)
            times = self.at + after + self._spread(count, seconds)
            self.calls.append(
                Calls(actor, region_there, api, times, self.rng, fault, dict(given or {}))
            )

    def one_by_one(
        self,
        actor: Actor,
        region: str,
        steps: Iterable[str],
        *,
        after: int = 0,
        seconds: int,
        given: dict[str, str] | None = None,
    ) -> None:
        """Let an actor make calls in this order, at about equal distances."""
        order = list(steps)
        gap = seconds / max(1, len(order))
        for place, text in enumerate(order):
            moment = after + round(place * gap + self.rng.random() * gap * 0.5)
            self.call(actor, region, {text: 1}, after=moment, seconds=0, given=given)

    def episode(
        self,
        kind: str,
        note: str,
        *,
        by: Actor,
        region: str,
        api: str | None = None,
        fault: str = "",
        malicious: bool = False,
        answers: int = 0,
    ) -> Episode:
        """Close the scene: an episode of its caller, from the first call to the last.

        Args:
            answers: how many `Calls` at the end answer what happened and are no part of it.
        """
        kept = len(self.calls) - answers
        return Episode(
            kind,
            note,
            malicious,
            min(int(c.times[0]) for c in self.calls),
            max(int(c.times[-1]) for c in self.calls) + 1,
            by.account_id,
            region,
            api,
            fault,
            by.principal_arn,
            calls=tuple(self.calls[:kept]),
            aside=tuple(self.calls[kept:]),
        )

    def _spread(self, count: int, seconds: int) -> Times:
        return np.sort(self.rng.integers(0, seconds + 1, count))

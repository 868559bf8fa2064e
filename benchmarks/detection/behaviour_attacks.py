"""The labelled attacks of simulated principals, each kind as its calls look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.behaviour_people import (
    AGENTS,
    DAYS,
    FAMILIES,
    READS,
    START,
    Batch,
    Ints,
    Person,
)

TEST_DAYS = 14

SLOW_DAYS = 7

KINDS = (
    "enumeration",
    "key theft",
    "privilege escalation",
    "secrets sweep",
    "exfiltration",
    "log tampering",
    "interaction",
    "slow reconnaissance",
)


@dataclass(frozen=True)
class Attack:
    """What is labelled: a principal on a day, or on each of seven days."""

    kind: str
    principal: str
    day: dt.date
    days: int = 1


def attack(random: np.random.Generator, people: list[Person], per_kind: int) -> list[Attack]:
    victims = random.permutation(len(people))[: per_kind * len(KINDS)]
    attacks = []
    for place, victim in enumerate(victims):
        kind, person = KINDS[place % len(KINDS)], people[victim]
        last = DAYS - (SLOW_DAYS if kind == "slow reconnaissance" else 1)
        day = int(random.integers(DAYS - TEST_DAYS, last + 1))
        _ATTACKS[kind](random, person, day)
        days = SLOW_DAYS if kind == "slow reconnaissance" else 1
        attacks.append(Attack(kind, person.arn, (START + dt.timedelta(days=day)).date(), days))
    return attacks


def _burst(
    random: np.random.Generator,
    person: Person,
    day: int,
    apis: Ints,
    *,
    minutes: int,
    at_night: bool = False,
    network: str | None = None,
    agent: str | None = None,
    error: str | None = None,
    region: int | None = None,
) -> None:
    low, high = (0, 24) if at_night else person.hours
    begin = int(random.integers(low * 60, max(high * 60 - minutes, low * 60 + 1)))
    begin = min(begin, 1_439 - minutes)
    spots = day * 1_440 + begin + np.sort(random.integers(0, minutes, len(apis)))
    person.batches.append(
        Batch(
            spots.astype(np.int64),
            apis,
            network or person.networks[0],
            agent or AGENTS[person.agents[0]],
            error,
            person.region if region is None else region,
        )
    )


def _elsewhere(random: np.random.Generator) -> dict[str, str]:
    name = ("python-requests", "curl", "pacu")[int(random.integers(3))]
    return {
        "network": f"198.51.{random.integers(256)}.{random.integers(1, 255)}",
        "agent": AGENTS[name],
    }


def _enumeration(random: np.random.Generator, person: Person, day: int) -> None:
    there = _elsewhere(random) if random.random() < 0.5 else {}
    apis = random.choice(READS, int(random.integers(8, 30)), replace=False)
    refused = random.random(len(apis)) < random.uniform(0.2, 0.7)
    _burst(
        random, person, day, np.append(apis[~refused], FAMILIES["look"][:2]), minutes=30, **there
    )  # type: ignore[arg-type]
    _burst(random, person, day, apis[refused], minutes=30, error="AccessDenied", **there)  # type: ignore[arg-type]


def _key_theft(random: np.random.Generator, person: Person, day: int) -> None:
    known = random.choice(person.apis, int(random.integers(3, 15)))
    tried = np.append(FAMILIES["look"][:1], random.choice(READS, int(random.integers(1, 4))))
    apis = np.append(known, tried)
    _burst(random, person, day, apis, minutes=60, at_night=True, **_elsewhere(random))  # type: ignore[arg-type]


def _escalation(random: np.random.Generator, person: Person, day: int) -> None:
    apis = np.append(
        random.choice(FAMILIES["iam"], int(random.integers(2, 5))),
        random.choice(FAMILIES["iam_read"], int(random.integers(0, 3))),
    )
    _burst(random, person, day, apis, minutes=20)


def _secrets(random: np.random.Generator, person: Person, day: int) -> None:
    apis = random.choice(FAMILIES["secret"], int(random.integers(8, 40)))
    _burst(random, person, day, np.append(apis, FAMILIES["look"][3:]), minutes=15)


def _exfiltration(random: np.random.Generator, person: Person, day: int) -> None:
    if random.random() < 0.5:
        apis = np.full(int(random.integers(200, 2_000)), FAMILIES["data"][0])
        there = _elsewhere(random) if random.random() < 0.5 else {}
        _burst(random, person, day, apis, minutes=120, **there)  # type: ignore[arg-type]
    else:
        apis = random.choice(FAMILIES["sharing"], int(random.integers(2, 5)))
        _burst(random, person, day, apis, minutes=20)


def _tampering(random: np.random.Generator, person: Person, day: int) -> None:
    _burst(
        random,
        person,
        day,
        random.choice(FAMILIES["guard"], int(random.integers(1, 5))),
        minutes=15,
    )


def _interaction(random: np.random.Generator, person: Person, day: int) -> None:
    """Five things that normal days have one of: together no day has them."""
    where = {"network": f"192.{random.integers(1, 100)}.{random.integers(256)}.7"}
    fresh = random.choice(READS, int(random.integers(3, 6)), replace=False)
    apis = np.append(random.choice(person.apis, 12), fresh)
    _burst(random, person, day, apis, minutes=60, at_night=True, **where)  # type: ignore[arg-type]
    refused = random.choice(person.apis, 4)
    _burst(random, person, day, refused, minutes=30, error="AccessDenied", **where)  # type: ignore[arg-type]
    other = 1 - person.region
    _burst(random, person, day, random.choice(person.apis, 3), minutes=30, region=other)


def _slow(random: np.random.Generator, person: Person, day: int) -> None:
    """Two to four APIs a day that it never called, for a week, at its own times."""
    fresh = random.permutation(READS)
    for step in range(SLOW_DAYS):
        apis = fresh[4 * step : 4 * step + int(random.integers(2, 5))]
        _burst(random, person, day + step, apis, minutes=60)


_ATTACKS: dict[str, Callable[[np.random.Generator, Person, int], None]] = dict(
    zip(
        KINDS,
        (
            _enumeration,
            _key_theft,
            _escalation,
            _secrets,
            _exfiltration,
            _tampering,
            _interaction,
            _slow,
        ),
        strict=True,
    )
)

"""Calls before they are records: who calls what, where and when."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ctanalytics.simulator.actors import Actor
from ctanalytics.simulator.columns import Times
from ctanalytics.simulator.organization import token


@dataclass
class Calls:
    """Calls of one actor, API, region and outcome."""

    actor: Actor
    region: str
    api: str
    """As the catalogue names it: ec2:RunInstances."""
    times: Times
    """Ascending."""
    rng: np.random.Generator
    """All that is random about these calls comes from here."""
    fault: str = ""
    """Empty for success; see `catalogue.Api.fault`."""
    given: dict[str, str] = field(default_factory=dict)
    """Values that all of them have."""
    episode: int | None = None
    """Place in the plan's list of labelled episodes."""


def generator(seed: int, *parts: object) -> np.random.Generator:
    """A generator whose numbers follow from the seed and the parts alone."""
    return np.random.default_rng(int.from_bytes(token(seed, *parts)[:16]))

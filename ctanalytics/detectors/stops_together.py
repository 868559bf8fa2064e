"""Stops of many series at once: logs or a service may be missing, and no one series stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.history import History
from ctanalytics.detectors.numbering import Numbering
from ctanalytics.detectors.stops import Silences, Stop

_TOGETHER: Final = 0.3
_LEAST_TOGETHER: Final = 3
_PLACE: Final = ("account_id", "aws_region")

Place = tuple[str | None, ...]
"""Account and region."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Series of one account and region that went silent together: logs may be missing."""

    stops: list[Stop]
    eligible: int


def steady(history: History, known: Silences) -> dict[Place, int]:
    """Count by account and region the series that can stop on any of the days to judge."""
    eligible = np.logical_or.reduce(known.eligible[:, history.first_day :], axis=1)
    places = history.keys.frame.select(_PLACE).filter(eligible).to_arrow()
    found = Numbering.of([places], _PLACE)
    counts = np.bincount(found.find(places), minlength=len(found.rows)).tolist()
    rows = (tuple(row[name] for name in _PLACE) for row in found.table().to_pylist())
    return dict(zip(rows, counts, strict=True))


def together(
    stops: list[Stop], place: Callable[[int], Place], steady: Mapping[Place, int]
) -> tuple[list[Stop], list[Gap]]:
    """Take out the stops in which much of an account and region went silent at once.

    Args:
        place: the account and region of a series.
        steady: how many series of each can stop.
    """
    if len(stops) < _LEAST_TOGETHER:
        return stops, []
    groups: dict[Place, list[Stop]] = {}
    for stop in stops:
        groups.setdefault(place(stop.series), []).append(stop)
    alone: list[Stop] = []
    gaps: list[Gap] = []
    for key, members in sorted(groups.items(), key=lambda item: str(item[0])):
        could = steady[key]
        for cluster in _overlapping(members):
            if len(cluster) >= _LEAST_TOGETHER and len(cluster) > _TOGETHER * could:
                gaps.append(Gap(cluster, could))
            else:
                alone += cluster
    return sorted(alone, key=lambda stop: (stop.series, stop.start)), gaps


def _overlapping(stops: list[Stop]) -> list[list[Stop]]:
    clusters: list[list[Stop]] = []
    end = -1
    for stop in sorted(stops, key=lambda stop: (stop.start, stop.series)):
        if stop.start < end:
            clusters[-1].append(stop)
        else:
            clusters.append([stop])
        end = max(end, stop.end)
    return clusters

"""Calls that fail to come: stops and drops of a kind of series, judged together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ctanalytics.detectors import drops, stops, stops_together
from ctanalytics.detectors.calibration import Null, Tail
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.history import History
from ctanalytics.detectors.series import Bools, Floats, Ints
from ctanalytics.detectors.stops import Scale, Stop
from ctanalytics.detectors.stops_together import Gap, Place


@dataclass(frozen=True)
class Told:
    """What all series tell of those of a part: by what stops and drops that are rare are judged."""

    silent: dict[int, Tail]
    """By day."""
    slow: dict[tuple[int, int], Tail]
    """By the place of the window, and day."""


@dataclass(frozen=True)
class Shown:
    """What the days of some series show by themselves; of several parts put together it is that of
    all their series."""

    looks: Ints
    """Of each day to judge: series that can stop, and those that can drop in each window."""
    steady: Mapping[Place, int]
    """By account and region, how many series can stop."""
    silent: stops.Shown
    slow: Sequence[drops.Shown]

    def over(self, theta: Floats, first_day: int) -> tuple[Bools, Told]:
        """Return which series fire on the days to judge, and by what those are judged.

        Args:
            theta: the score that does, of each day.
        """
        told = Told({}, {})
        fires = drops.over(self.slow, self._noted(told), theta, first_day)
        for step, needed in enumerate(theta.tolist()):
            null = self.silent.null(first_day + step)
            told.silent[first_day + step] = null.tail
            fires |= null.surprise(self.silent.seen[:, step]) >= needed
        return fires, told

    def _noted(self, told: Told) -> drops.Nulls:
        def null(place: int, day: int) -> Null:
            found = self.slow[place].null(day)
            told.slow[place, day] = found.tail
            return found

        return null


@dataclass(frozen=True)
class Found:
    """Stops and drops of series by themselves."""

    silent: list[Stop]
    slow: list[Drop]
    """Those that are no beginning or part of a stop."""


@dataclass(frozen=True)
class Fewer:
    """What stops and drops of a history are judged by."""

    history: History
    scale: Scale
    own: list[drops.Own]
    looks: Ints
    """As `Shown.looks`."""

    @classmethod
    def of(cls, history: History) -> Fewer:
        """Take it from a history."""
        known = stops.silences(history)
        own = drops.owns(history, known)
        looks = stops.judged(history, known) + drops.judged(history, own)
        return cls(history, Scale.of(history, known), own, looks)

    @property
    def steady(self) -> dict[Place, int]:
        """As `Shown.steady`."""
        return stops_together.steady(self.history, self.scale.known)

    def shown(self) -> Shown:
        """Return what there is to be put together with other parts."""
        by_day = self.scale.shown(self.history.first_day)
        return Shown(self.looks, self.steady, by_day, self.own)

    def find(self, theta: Floats, told: Told | None = None) -> Found:
        """Find what fires.

        Args:
            told: what all series tell, where the history has some of them.
        """
        by_day: stops.Nulls | None = told.silent.__getitem__ if told else None
        silent = stops.find(self.history, theta, self.scale, by_day)
        slow = drops.find(self.history, theta, self.own, _by_window(told) if told else None)
        return Found(silent, [drop for drop in slow if _is_slow(drop, silent)])

    def found(self, theta: Floats) -> tuple[list[Stop | Drop], list[Gap]]:
        """Return stops and drops of series by themselves, and of many at once."""
        place = self.history.keys.frame.select("account_id", "aws_region").row
        return apart(self.find(theta), place, self.steady)


def apart(
    found: Found, place: Callable[[int], Place], steady: Mapping[Place, int]
) -> tuple[list[Stop | Drop], list[Gap]]:
    """Tell stops and drops of series by themselves from those of many at once; see `stops_together`."""
    alone, gaps = stops_together.together(found.silent, place, steady)
    return [*alone, *found.slow], gaps


def _by_window(told: Told) -> drops.Nulls:
    return lambda place, day: told.slow[place, day]


def _is_slow(drop: Drop, silent: list[Stop]) -> bool:
    """Whether a drop is not the beginning or a part of a silence that is told already."""
    return not any(
        stop.series == drop.series and drop.start < stop.end and stop.start < drop.end
        for stop in silent
    )

"""Stops: a series that never paused for long has gone silent.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors.calibration import MIN_POOL, default_pool, surprise
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, POOL_DAYS, Floats, Ints, Series

LOOKS: Final = 1
_PSEUDO_MINUTES: Final = 30.0
_LEAST_DAYS: Final = 14
_LEAST_RATIO: Final = 2.0
_LEAST_MINUTES: Final = 60
_TOGETHER: Final = 0.3
_LEAST_TOGETHER: Final = 3


@dataclass(frozen=True, slots=True)
class Stop:
    """A silence of one series. Minutes count from the series' start."""

    series: int
    start: int
    """The minute after the last call."""
    end: int
    """The minute of the next call; where the logs end while there is none."""
    is_open: bool
    score: float
    longest: int
    """The longest silence of the 28 days before, minutes."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Series of one account and region that went silent together: logs may be missing."""

    stops: list[Stop]
    eligible: int


def find(
    series: Series,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
    end_minute: int,
    theta: float,
) -> list[Stop]:
    """Find the silences that fire on or after a day.

    A series is eligible after 14 days of history without a silence of a whole day.

    Args:
        masked: (series, days) days with holes in their logs, not learned from.
        first_day: the first day to judge.
        end_minute: where the logs end; silence beyond is unknown.
        theta: the score (-log10 p) that fires.
    """
    if not series.count:
        return []
    silence, starts = _daily_silence(series, end_minute)
    longest, y, eligible = _history(series, silence, masked)
    normal = np.where(eligible & ~masked, y, np.nan)
    stops: dict[tuple[int, int], Stop] = {}
    for today in range(max(first_day, 1), series.days):
        chosen = np.flatnonzero(eligible[:, today])
        if not len(chosen):
            continue
        scores = surprise(y[chosen, today], _pool(normal, today))
        gap, known = silence[chosen, today], longest[chosen, today]
        fires = (scores >= theta) & (gap >= _LEAST_RATIO * known) & (gap >= _LEAST_MINUTES)
        for number, score in zip(chosen[fires].tolist(), scores[fires].tolist(), strict=True):
            start = int(starts[number, today])
            following = series.minute[(series.series == number) & (series.minute >= start)]
            end = int(following[0]) if len(following) else end_minute
            found = Stop(
                number, start, end, not len(following), round(score, 6), int(longest[number, today])
            )
            key = (number, start)
            if key not in stops or stops[key].score < found.score:
                # The longest silence before is that of the day on which it began.
                earlier = stops.get(key)
                stops[key] = (
                    found
                    if earlier is None
                    else Stop(number, start, end, found.is_open, found.score, earlier.longest)
                )
    return [stops[key] for key in sorted(stops)]


def longest_silences(
    series: Series, masked: npt.NDArray[np.bool_], end_minute: int
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(series, days) the longest silence of the 28 days before each day in minutes, and whether
    the series had its 14 days of history by then."""
    silence, _ = _daily_silence(series, end_minute)
    longest, _, _ = _history(series, silence, masked)
    return longest, _old(series) & np.isfinite(silence)


@dataclass(frozen=True)
class Looks:
    """Scores of silences as they grow, by series, then minute."""

    series: Ints
    minute: Ints
    score: Floats


_LOOK_MINUTES: Final = 10


def look(
    series: Series,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
    end_minute: int,
) -> Looks:
    """Score the silence of every eligible series every ten minutes, as a live run would.

    Parameters as for `find`, whose guards hold here too: what they refuse scores 0.
    """
    silence, _ = _daily_silence(series, end_minute)
    longest, y, eligible = _history(series, silence, masked)
    normal = np.where(eligible & ~masked, y, np.nan)
    found: list[tuple[Ints, Ints, Floats]] = []
    step = np.arange(_LOOK_MINUTES - 1, DAY, _LOOK_MINUTES)
    for today in range(max(first_day, 1), series.days):
        chosen = np.flatnonzero(eligible[:, today])
        if not len(chosen):
            continue
        who = np.repeat(chosen, len(step))
        minute = np.tile(step + today * DAY, len(chosen))
        gap = (minute - series.last_call(who, minute)).astype(np.float64)
        known = longest[who, today]
        values = np.log((gap + _PSEUDO_MINUTES) / (known + _PSEUDO_MINUTES))
        scores = surprise(values, _pool(normal, today))
        held = (gap >= _LEAST_RATIO * known) & (gap >= _LEAST_MINUTES) & (minute < end_minute)
        kept = held & (scores > 0)
        found.append((who[kept], minute[kept], scores[kept]))
    if not found:
        nothing = np.zeros(0, np.int64)
        return Looks(nothing, nothing, np.zeros(0))
    whos, minutes, all_scores = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((minutes, whos))
    return Looks(whos[order], minutes[order], all_scores[order])


def _pool(normal: Floats, today: int) -> Floats:
    pool = normal[:, max(0, today - POOL_DAYS) : today].ravel()
    if np.isfinite(pool).sum() < MIN_POOL:
        pool = np.concatenate((pool, default_pool("stop")))
    return pool


def daily(series: Series, masked: npt.NDArray[np.bool_], end_minute: int) -> Floats:
    """(series, days) y of each day; NaN where a series is not eligible and on masked days."""
    silence, _ = _daily_silence(series, end_minute)
    _, y, eligible = _history(series, silence, masked)
    return np.where(eligible & ~masked, y, np.nan)


def together(
    series: Series, stops: list[Stop], masked: npt.NDArray[np.bool_], end_minute: int
) -> tuple[list[Stop], list[Gap]]:
    """Take out the stops in which much of an account and region went silent at once."""
    if len(stops) < _LEAST_TOGETHER:
        return stops, []
    silence, _ = _daily_silence(series, end_minute)
    _, _, eligible = _history(series, silence, masked)
    place = series.keys.select("account_id", "aws_region").rows()
    groups: dict[tuple[str, str], list[Stop]] = {}
    for stop in stops:
        groups.setdefault(place[stop.series], []).append(stop)
    alone: list[Stop] = []
    gaps: list[Gap] = []
    for key, members in sorted(groups.items(), key=lambda item: str(item[0])):
        could = sum(
            1 for number in range(series.count) if place[number] == key and eligible[number].any()
        )
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


def _daily_silence(series: Series, end_minute: int) -> tuple[Floats, Ints]:
    """(series, days) the longest silence that each day saw, in minutes, and when it began.

    A silence that began on an earlier day counts whole. NaN before a series' first call.
    """
    who, minute, day = series.series, series.minute, series.day
    longest = np.zeros((series.count, series.days))
    began = np.zeros((series.count, series.days), np.int64)
    last = np.full((series.count, series.days), -1, np.int64)
    np.maximum.at(last, (who, day), minute)
    last = np.maximum.accumulate(last, axis=1)
    ends = np.minimum((np.arange(series.days) + 1) * DAY, end_minute)
    still = np.where(last >= 0, ends - last - 1, 0)
    longest[:], began[:] = np.maximum(still, 0), last + 1
    # A call at midnight ends a silence of the day before, which `still` counts already.
    same = np.flatnonzero((who[1:] == who[:-1]) & (minute[1:] % DAY != 0)) + 1
    gaps = minute[same] - minute[same - 1] - 1
    # Ascending, so that the largest gap of a day is written last.
    order = np.argsort(gaps, kind="stable")
    entries, sizes = same[order], gaps[order]
    cells = (who[entries], day[entries])
    inner = np.zeros((series.count, series.days))
    inner_began = np.zeros((series.count, series.days), np.int64)
    inner[cells], inner_began[cells] = sizes, minute[entries - 1] + 1
    began = np.where(inner > longest, inner_began, began)
    longest = np.maximum(inner, longest)
    longest[last < 0] = np.nan
    return longest, began


def _history(
    series: Series, silence: Floats, masked: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """(series, days) the longest silence of 28 days before, y, and whether a day is judged."""
    longest = np.zeros_like(silence)
    y = np.full_like(silence, np.nan)
    kept = np.full_like(silence, np.nan)
    for day in range(series.days):
        past = np.nan_to_num(kept[:, max(0, day - HISTORY_DAYS) : day], nan=0.0)
        longest[:, day] = past.max(axis=1, initial=0.0)
        y[:, day] = np.log(
            (silence[:, day] + _PSEUDO_MINUTES) / (longest[:, day] + _PSEUDO_MINUTES)
        )
        ceiling = 3 * longest[:, day] + _PSEUDO_MINUTES
        young = day - series.first_day < _LEAST_DAYS
        value = np.where(young, silence[:, day], np.minimum(silence[:, day], ceiling))
        kept[:, day] = np.where(masked[:, day], np.nan, value)
    eligible = _old(series) & (longest < DAY) & (longest > 0) & np.isfinite(silence)
    return longest, y, eligible


def _old(series: Series) -> npt.NDArray[np.bool_]:
    """(series, days) whether the series has 14 days of history."""
    found: npt.NDArray[np.bool_] = (
        np.arange(series.days)[None, :] - series.first_day[:, None] >= _LEAST_DAYS
    )
    return found

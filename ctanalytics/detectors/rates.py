"""What call_rate and error_rate share: series of a window, and anomalies made of what was found."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from ctanalytics import untrusted
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.calibration import threshold
from ctanalytics.detectors.history import History
from ctanalytics.detectors.rate_series import RateSeries
from ctanalytics.detectors.series import DAY, WARM_DAYS, Floats, Ints, Judging
from ctanalytics.detectors.surges import BURSTS, Judged

LEAST_THETA: Final = 3.0
"""However few series a lake has, one look in a thousand normal days is no page."""

SURE_DAYS: Final = 14
"""Of an account's logs, before its rates are more than provisional."""

_MOST_HOLES: Final = 5
_RARE: Final = 0.01


def looks(kinds: Sequence[Judging], each: int) -> Ints:
    """Return how many looks each day to judge has.

    Args:
        kinds: all kinds of series that are looked at.
        each: looks at each series in a day.
    """
    days = range(kinds[0].first_day, kinds[0].axis.days)
    return np.array([each * sum(one.active(day) for one in kinds) for day in days])


def thetas(budget: float, share: float, looks: Ints) -> Floats:
    """Return the score that each day to judge must reach for a part of the budget to hold.

    Args:
        budget: false pages a week that the whole lake may cause.
        share: of the budget.
        looks: of each day, at all series together.
    """
    return np.array([max(threshold(budget, share, one), LEAST_THETA) for one in looks.tolist()])


def promised(
    context: Context,
    detector: str,
    part: str,
    judged: Judging,
    theta: Floats,
    looks: Ints,
) -> None:
    """Note for a backtest how many false alarms the thresholds of some days promise."""
    if context.replay is None:
        return
    for date, value, count in zip(
        judged_dates(judged), theta.tolist(), looks.tolist(), strict=True
    ):
        nominal = count * 10.0**-value
        context.replay.expected.append(
            {
                "detector": detector,
                "part": part,
                "day": date,
                "theta": round(value, 6),
                "nominal": round(nominal, 6),
            }
        )


def tails(context: Context, kind: str, judged: Judged) -> None:
    """Note for a backtest how many looks of each stratum are rarer than one in a hundred."""
    if context.replay is None:
        return
    seen = context.replay.tails
    for day in range(judged.days.first_day, judged.days.axis.days):
        burst = judged.strata(day)[1]
        rare = judged.looks(day) > -math.log10(_RARE)
        for stratum, name in enumerate(BURSTS):
            members = judged.is_known(day) & (burst == stratum)
            looks, below = seen.get(f"{kind}, {name}", (0, 0))
            seen[f"{kind}, {name}"] = (
                looks + int(members.sum()) * len(rare),
                below + int(rare[:, members].sum()),
            )


def judged_dates(judged: Judging) -> list[dt.date]:
    """Return the dates that are judged."""
    return judged.axis.dates(judged.first_day, judged.axis.days)


def at_day(judged: Judging, values: Floats, minute: int) -> float:
    """Return the value of the day of a minute, of the days that are judged; else of the first."""
    return float(values[max(minute // DAY - judged.first_day, 0)])


def history_notes(history: RateSeries | History) -> list[str]:
    """Which accounts have too little history for rates, from when on they will have it, and which
    days are not judged as some of their logs are missing."""
    return [*_young(history), *_holes(history)]


def review_note(detector: str, entries: int) -> list[str]:
    """Say that there are entries worth a look."""
    if not entries:
        return []
    return [
        f"{detector}: {entries} series-day{'s are' if entries != 1 else ' is'} worth a look "
        "(q at most 0.1): select * from series_review"
    ]


def _young(history: RateSeries | History) -> list[str]:
    notes = []
    axis = history.axis
    for account, first in sorted(history.first_days.items(), key=lambda item: str(item[0])):
        speaks, sure = (axis.time((first + days) * DAY) for days in (WARM_DAYS, SURE_DAYS))
        name = f"account {untrusted.one_line(account or 'unknown', limit=40)}"
        if first + WARM_DAYS > history.first_day:
            notes.append(
                f"{name}: too little history before {speaks:%Y-%m-%d}; rates are judged from then on "
                f"(a week of logs), provisionally until {sure:%Y-%m-%d}"
            )
        elif first + SURE_DAYS > history.first_day:
            notes.append(f"{name}: rates are provisional until {sure:%Y-%m-%d} (two weeks of logs)")
    return notes


def _holes(history: RateSeries | History) -> list[str]:
    holes = [hole for hole in history.holes if hole[2] >= history.first_day]
    notes = [
        f"{untrusted.one_line(f'{account} {region}', limit=60)}: {hours} hour{'s' * (hours != 1)} of "
        f"{history.axis.date(day)} have no event where 20 are usual: that day is not judged, and "
        "nothing is learned from it"
        for account, region, day, hours in holes[:_MOST_HOLES]
    ]
    if len(holes) > _MOST_HOLES:
        notes.append(f"and {len(holes) - _MOST_HOLES} more days with holes in their logs")
    return notes

"""How strange are a principal's first times on a day: rarity, its own rate of new things, its kind.

A day is judged against the 14 days before it alone, so that the verdict doesn't depend on the
window that a run looks at. What was marked, benign or not, is no measure of a normal day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ctanalytics.detectors.base import Statements
from ctanalytics.detectors.calibration import surprise_by_stratum, threshold
from ctanalytics.detectors.severity import sensitive_calls

POOL_DAYS: Final = 14
HISTORY_DAYS: Final = 30
FAR_DAYS: Final = 90
"""Console users and root act so seldom that a month without something means little."""
KINDS: Final = ["api", "region", "network", "country", "agent", "role", "account", "person"]
"""What can be new, as `detectors/first_seen_touched` names it."""
MIN_AGE_DAYS: Final = 7
MIN_ACCOUNT_AGE_DAYS: Final = 14
LEAST_THETA: Final = 2.0

_LEAST_HABIT: Final = 0.01
_SENSITIVE: Final = 1.0
_LEAST_SCALE: Final = 0.5
"""Of the tail, in units of the score: where nothing is ever new, the first new thing is not
beyond all measure."""
_MIN_POOL: Final = 30
_OF_A_DAY: Final = (
    "history_key",
    "peer_class",
    "principal_arn",
    "account_id",
    "looks_far",
    "is_marked",
    "age_days",
    "account_age_days",
    "active_days",
)


@dataclass(frozen=True, slots=True)
class Novelty:
    """A principal-day above the threshold.

    `news` are its first times, the strangest first: kind, value, weight and what the statement
    `detectors/first_seen` says of each.
    """

    principal_key: str
    history_key: str
    peer_class: str
    principal_arn: str | None
    account_id: str | None
    day: dt.date
    looks_far: bool
    age_days: int
    active_days: int
    is_stranger: bool
    score: float
    margin: float
    news: list[dict[str, object]]


def read(engine: Statements, first: dt.date, until: dt.datetime) -> pl.DataFrame:
    """Read first times of the days from `first` on, and of the days that those are judged by.

    `weight` is rarity, less what the principal's own rate of new things makes of it, and more
    for APIs that touch identities, secrets, guards, sharing or deletion.
    """
    recent = _midnight(first - dt.timedelta(days=POOL_DAYS + HISTORY_DAYS))
    engine.keep(
        "first_seen_slices",
        "detectors/first_seen_slices",
        since=recent - dt.timedelta(days=FAR_DAYS - HISTORY_DAYS),
        recent_since=recent,
        until=until,
    )
    engine.keep("touched_days", "detectors/first_seen_touched")
    engine.keep("backed_off", "features/backed_off", kinds=KINDS)
    rows = engine.run(
        "detectors/first_seen",
        recent_since=recent,
        sensitive_apis=[f"{source}:{name}" for source, name in sensitive_calls()],
    )
    habit = (pl.col("new_values") + 0.5) / (pl.col("active_days") + 1)
    weight = (
        pl.col("rarity")
        - habit.clip(lower_bound=_LEAST_HABIT).log10() / 2
        + pl.col("is_sensitive").cast(pl.Float64) * _SENSITIVE
    )
    return pl.DataFrame(rows).with_columns(weight.clip(lower_bound=0.0).round(6).alias("weight"))


def judge(found: pl.DataFrame, first: dt.date, budget: float, share: float) -> Iterator[Novelty]:
    """Yield the principal-days from `first` on whose first times are beyond the threshold."""
    days = _principal_days(found)
    for day in sorted(set(days.filter(pl.col("event_date") >= first)["event_date"])):
        pool = days.filter(
            (pl.col("event_date") >= day - dt.timedelta(days=POOL_DAYS))
            & (pl.col("event_date") < day)
            & (pl.col("age_days") >= MIN_AGE_DAYS)
            & ~pl.col("is_marked")
        )
        today = days.filter((pl.col("event_date") == day) & pl.col("may_page"))
        if len(pool) < _MIN_POOL or not len(today):
            continue
        looks = max(len(today), -(-len(pool) // pool["event_date"].n_unique()))
        theta = max(threshold(budget, share, looks), LEAST_THETA)
        scores = np.round(_surprise(today, pool), 6)
        news = found.filter((pl.col("event_date") == day) & pl.col("kind").is_not_null())
        for place in np.flatnonzero(scores >= theta):
            who = today.row(int(place), named=True)
            yield _novelty(who, news, day, float(scores[place]), theta)


def _principal_days(found: pl.DataFrame) -> pl.DataFrame:
    """One row a principal-day, with its strangest first time; 0 where nothing was new."""
    settled = (pl.col("age_days") >= MIN_AGE_DAYS) & (
        pl.col("account_age_days") >= MIN_ACCOUNT_AGE_DAYS
    )
    # A stranger to the whole organization need not be around for long, but must do more than look.
    # The first users of a new account are no strangers, and nobody is in a lake that just began.
    stranger = (
        pl.col("is_new_to_all")
        & (
            (pl.col("account_age_days") >= MIN_ACCOUNT_AGE_DAYS)
            | ~pl.col("peer_class").is_in(["user", "root"])
        )
        & (pl.col("account_age_days").max().over("event_date") >= MIN_ACCOUNT_AGE_DAYS)
    )
    return (
        found.group_by("event_date", "principal_key", maintain_order=True)
        .agg(
            pl.col(_OF_A_DAY).first(),
            pl.col("weight").max().fill_null(0.0),
            pl.col("is_new_to_all").any(),
            pl.col("is_sensitive").any(),
        )
        .with_columns(stranger.alias("is_stranger"))
        .with_columns(
            (settled | (pl.col("is_stranger") & pl.col("is_sensitive"))).alias("may_page")
        )
    )


def _surprise(today: pl.DataFrame, pool: pl.DataFrame) -> npt.NDArray[np.float64]:
    classes = sorted(set(today["peer_class"]) | set(pool["peer_class"]))
    number = {name: place for place, name in enumerate(classes)}
    strata = [
        np.array([number[name] for name in days["peer_class"]], np.int64) for days in (today, pool)
    ]
    return surprise_by_stratum(
        today["weight"].to_numpy(),
        [strata[0]],
        pool["weight"].to_numpy(),
        [strata[1]],
        least_scale=_LEAST_SCALE,
    )


def _novelty(
    who: dict[str, object], news: pl.DataFrame, day: dt.date, score: float, theta: float
) -> Novelty:
    own = news.filter(pl.col("principal_key") == who["principal_key"]).sort(
        "weight", "kind", "value", descending=[True, False, False]
    )
    return Novelty(
        principal_key=str(who["principal_key"]),
        history_key=str(who["history_key"]),
        peer_class=str(who["peer_class"]),
        principal_arn=None if who["principal_arn"] is None else str(who["principal_arn"]),
        account_id=None if who["account_id"] is None else str(who["account_id"]),
        day=day,
        looks_far=bool(who["looks_far"]),
        age_days=int(str(who["age_days"])),
        active_days=int(str(who["active_days"])),
        is_stranger=bool(who["is_stranger"]),
        score=score,
        margin=score - theta,
        news=own.select("kind", "value", "weight", "is_sensitive", "first_at", "calls").to_dicts(),
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)

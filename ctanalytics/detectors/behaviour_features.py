"""What a principal did on a day as numbers, each larger where the day is more suspicious.

The counting is SQL (`sql/features/`); what needs a principal's own past is added here. Rows are
principals times UTC days. A row's history is the 30 days before it, never the row itself.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ctanalytics.engines.duckdb import Engine

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HISTORY_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a principal-day.

    `step` is a difference that a person would call one: no spread among peers counts as less, so
    that a habit without any spread does not make its smallest change impossible.
    """

    name: str
    family: str
    value: pl.Expr
    step: float


def _count(name: str, family: str, step: float = 0.25) -> Feature:
    return Feature(name, family, pl.col(name).cast(pl.Float64).log1p(), step)


def _share(name: str, family: str, part: str) -> Feature:
    # Five calls that went well are added, so that one failure of one call is no 100 %.
    return Feature(name, family, pl.col(part) / (pl.col("calls") + 5), 0.05)


def _plain(name: str, family: str, step: float) -> Feature:
    return Feature(name, family, pl.col(name).cast(pl.Float64), step)


FEATURES: Final = (
    _count("calls", "volume"),
    _count("writes", "volume"),
    _count("burst_calls", "volume"),
    _count("active_slots", "volume"),
    _count("data_calls", "volume"),
    _count("errors", "errors"),
    _share("error_share", "errors", "errors"),
    _share("denied_share", "errors", "denied_calls"),
    _count("error_codes", "errors"),
    _count("apis", "breadth"),
    _count("services", "breadth"),
    _count("regions", "breadth"),
    _count("accounts", "breadth"),
    _plain("api_entropy", "breadth", 0.5),
    _count("read_apis", "breadth"),
    _count("new_apis", "novelty"),
    _count("new_services", "novelty"),
    _count("new_regions", "novelty"),
    _count("new_roles", "novelty"),
    _count("new_networks", "origin"),
    _count("new_agents", "origin"),
    _count("networks", "origin"),
    _count("agents", "origin"),
    _plain("network_rarity", "origin", 0.5),
    _plain("agent_rarity", "origin", 0.5),
    _plain("api_rarity_max", "rarity", 0.5),
    _plain("api_rarity_mean", "rarity", 0.25),
    _plain("hour_distance", "time", 1.0),
    _plain("weekend", "time", 0.5),
    _count("sign_ins", "identity"),
    _count("sign_ins_without_mfa", "identity"),
    _count("access_keys", "identity"),
    _count("assume_role_calls", "identity"),
    _count("cross_account_calls", "identity"),
    _count("iam_write_calls", "sensitive"),
    _count("secret_calls", "sensitive"),
    _count("guard_calls", "sensitive"),
    _count("sharing_calls", "sensitive"),
    _count("delete_calls", "sensitive"),
)
FAMILIES: Final = tuple(dict.fromkeys(feature.family for feature in FEATURES))


@dataclass(frozen=True, slots=True)
class Frame:
    """Principal-days, sorted by history_key, event_date, principal_key.

    Attributes:
        rows: what each row is, and its raw counts.
        values: (rows, features), rounded to 1e-6.
        day: days since 1970-01-01.
        past: index of the first row of the same history_key in the 30 days before a row.
        today: index of the first row of the same history_key and day; history is past:today.
        active_days: days of the history on which there was a call.
        age_days: days since the first known call of the history_key, as far as was read.
        account_age_days: the same of the account.
    """

    rows: pl.DataFrame
    values: Floats
    day: Ints
    past: Ints
    today: Ints
    active_days: Ints
    age_days: Ints
    account_age_days: Ints


def read(engine: Engine, since: dt.datetime, until: dt.datetime) -> Frame:
    """Read all principal-days of a span; the first days of it have little or no history."""
    families = api_families()
    days = engine.run(
        "features/principal_days",
        since=since,
        until=until,
        guard_apis=families["guard"],
        secret_apis=families["secret"],
        sharing_apis=families["sharing"],
    )
    novelty = engine.run("features/principal_novelty", since=since, until=until)
    return frame(
        pl.DataFrame(days).join(
            pl.DataFrame(novelty), on=["principal_key", "event_date"], validate="1:1"
        )
    )


@cache
def api_families() -> dict[str, list[str]]:
    """Return the APIs of each family, each as "event source:event name", sorted."""
    file = resources.files("ctanalytics.detectors").joinpath("data", "behaviour_apis.toml")
    return {
        family: sorted(f"{source}:{name}" for source, names in apis.items() for name in names)
        for family, apis in tomllib.loads(file.read_text("utf-8")).items()
    }


def frame(days: pl.DataFrame) -> Frame:
    """Add to counted principal-days what only their own past tells."""
    rows = days.sort("history_key", "event_date", "principal_key").with_columns(
        (pl.col("event_dow") >= 6).alias("weekend"),
        pl.col("event_date").to_physical().cast(pl.Int64).alias("day"),
    )
    day = rows["day"].to_numpy()
    past, today = _history(rows, day)
    hours = _hour_distances(rows["hours"].to_numpy().astype(np.int64), past, today)
    rows = rows.with_columns(
        pl.Series("hour_distance", hours),
        (pl.col("day") - pl.col("day").min().over("history_key")).alias("age_days"),
        (pl.col("day") - pl.col("day").min().over("account_id")).alias("account_age_days"),
    )
    values = rows.select(
        feature.value.round(6).alias(feature.name) for feature in FEATURES
    ).to_numpy()
    return Frame(
        rows=rows,
        values=np.ascontiguousarray(values, np.float64),
        day=day,
        past=past,
        today=today,
        active_days=_active_days(past, today),
        age_days=rows["age_days"].to_numpy(),
        account_age_days=rows["account_age_days"].to_numpy(),
    )


def _history(rows: pl.DataFrame, day: Ints) -> tuple[Ints, Ints]:
    """Bounds of each row's history; the rows are sorted by history_key and day."""
    key = rows["history_key"].rle_id().to_numpy().astype(np.int64)
    # One number orders the rows as (key, day) does, and keys lie further apart than any history.
    span = int(day.max() - day.min()) + HISTORY_DAYS + 1 if len(day) else 1
    place = key * 2 * span + day - (day.min() if len(day) else 0)
    past = np.searchsorted(place, place - HISTORY_DAYS, side="left")
    today = np.searchsorted(place, place, side="left")
    return past.astype(np.int64), today.astype(np.int64)


def _active_days(past: Ints, today: Ints) -> Ints:
    first_of_day = today == np.arange(len(today))
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(first_of_day)])
    days: Ints = total[today] - total[past]
    return days


def _hour_distances(hours: Ints, past: Ints, today: Ints) -> Floats:
    """Hours between the day's most unusual hour and the nearest that the history knows, 0 to 12.

    0 where there is no history: then nothing is usual.
    """
    bits = (hours[:, None] >> np.arange(24)) & 1
    total = np.concatenate([np.zeros((1, 24), np.int64), np.cumsum(bits, axis=0)])
    usual = (total[today] - total[past]) > 0
    away = np.full((len(hours), 24), 12, np.int64)
    for shift in range(11, -1, -1):
        near = np.roll(usual, shift, axis=1) | np.roll(usual, -shift, axis=1)
        away[near] = shift
    farthest = np.where(bits == 1, away, 0).max(axis=1, initial=0)
    return np.where(usual.any(axis=1), farthest, 0).astype(np.float64)

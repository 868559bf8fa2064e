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

from ctanalytics.detectors.base import Statements

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HISTORY_DAYS: Final = 30
WEEK_DAYS: Final = 7

_ADDED: Final = (
    "calls",
    "writes",
    "active_slots",
    "data_calls",
    "console_calls",
    "errors",
    "denied_calls",
    "sign_ins",
    "sign_ins_without_mfa",
    "assume_role_calls",
    "cross_account_calls",
    "guard_calls",
    "secret_calls",
    "sharing_calls",
    "iam_write_calls",
    "delete_calls",
    "new_apis",
    "new_services",
    "new_regions",
    "new_roles",
    "new_networks",
    "new_countries",
    "new_agents",
)
_LARGEST: Final = (
    "burst_calls",
    "apis",
    "read_apis",
    "services",
    "regions",
    "networks",
    "agents",
    "accounts",
    "access_keys",
    "error_codes",
    "api_entropy",
    "api_rarity_max",
    "api_rarity_mean",
    "network_rarity",
    "agent_rarity",
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a principal-day.

    Attributes:
        step: a difference that a person would call one: no spread among peers counts as less, so
            that a habit without any spread does not make its smallest change impossible.
        about: what it counts, and in what unit.
        why: what a large one may mean.
    """

    name: str
    family: str
    value: pl.Expr
    step: float
    about: str
    why: str


def _count(name: str, family: str, about: str, why: str, step: float = 0.25) -> Feature:
    return Feature(name, family, pl.col(name).cast(pl.Float64).log1p(), step, about, why)


def _share(name: str, family: str, part: str, about: str, why: str) -> Feature:
    # Five calls that went well are added, so that one failure of one call is no 100 %.
    return Feature(name, family, pl.col(part) / (pl.col("calls") + 5), 0.05, about, why)


def _plain(name: str, family: str, step: float, about: str, why: str) -> Feature:
    return Feature(name, family, pl.col(name).cast(pl.Float64), step, about, why)


FEATURES: Final = (
    _count("calls", "volume", "calls", "a stolen key is used by a script"),
    _count("writes", "volume", "calls that change something", "damage, or a foothold"),
    _count("burst_calls", "volume", "most calls in 5 minutes of the clock", "tools call faster than people"),
    _count("active_slots", "volume", "5-minute spans with a call", "somebody is at work longer than usual"),
    _count("data_calls", "volume", "calls on data (data events)", "data is read out or overwritten"),
    _count("errors", "errors", "calls that failed, throttled and harmless ones left out", "trying what does not work"),
    _share("error_share", "errors", "errors", "failed calls / (calls + 5)", "most of what is tried fails"),
    _share("denied_share", "errors", "denied_calls", "refused calls / (calls + 5)", "looking for what a key may do"),
    _count("error_codes", "errors", "different error codes", "many ways of failing: trying around"),
    _count("apis", "breadth", "different APIs", "enumeration"),
    _count("services", "breadth", "different services", "looking around beyond one's work"),
    _count("regions", "breadth", "different regions", "hiding in, or searching, regions nobody watches"),
    _count("accounts", "breadth", "different accounts", "moving on to other accounts"),
    _plain("api_entropy", "breadth", 0.5, "entropy of the calls over APIs, bits", "evenly many APIs: enumeration, not work"),
    _count("read_apis", "breadth", "different APIs that only read", "reconnaissance"),
    _count("new_apis", "novelty", "APIs not called in 30 days", "somebody else holds the key"),
    _count("new_services", "novelty", "services not used in 30 days", "the same, more widely"),
    _count("new_regions", "novelty", "regions not used in 30 days", "resources where nobody looks"),
    _count("new_roles", "novelty", "roles not assumed in 30 days", "climbing, or moving sideways"),
    _count("new_networks", "origin", "networks (IPv4 /24, IPv6 /48, or who runs them) not seen in 30 days", "a key used from elsewhere"),
    _count("new_countries", "origin", "countries not seen in 30 days; 0 without a file of places", "a key used from elsewhere"),
    _count("new_agents", "origin", "programs (head of the user agent) not seen in 30 days", "another tool at work"),
    _count("networks", "origin", "different networks", "a key in several hands"),
    _count("agents", "origin", "different programs", "several tools on one key"),
    _plain("network_rarity", "origin", 0.5, "rarity of its rarest network, log10", "from where its like never comes"),
    _plain("agent_rarity", "origin", 0.5, "rarity of its rarest program, log10", "by what its like never uses"),
    _plain("api_rarity_max", "rarity", 0.5, "rarity of its rarest API, log10", "one call that nobody like it makes"),
    _plain("api_rarity_mean", "rarity", 0.25, "mean rarity of its APIs, log10", "a day made of unusual calls"),
    _plain("hour_distance", "time", 1.0, "hours from the day's oddest hour to the nearest that its past knows, 0-12", "another time zone, or nobody watching"),
    _plain("weekend", "time", 0.5, "1 on Saturday and Sunday UTC", "nobody watching"),
    _count("sign_ins", "identity", "console sign-ins", "a password in other hands"),
    _count("sign_ins_without_mfa", "identity", "successful console sign-ins of users and root without MFA", "a password was enough"),
    _count("console_calls", "identity", "calls through the console", "a machine's key used by a person"),
    _count("access_keys", "identity", "different access keys and sessions", "keys made on top of keys"),
    _count("assume_role_calls", "identity", "calls that assume a role", "trying which roles open"),
    _count("cross_account_calls", "identity", "calls into accounts other than its own", "moving on to other accounts"),
    _count("iam_write_calls", "sensitive", "changes in IAM", "a foothold, or more rights"),
    _count("secret_calls", "sensitive", "reads of secrets, parameters and passwords", "secrets swept up"),
    _count("guard_calls", "sensitive", "calls that switch off or narrow what watches", "covering tracks"),
    _count("sharing_calls", "sensitive", "calls that open data or machines to others", "data leaves by the front door"),
    _count("delete_calls", "sensitive", "deletions", "sabotage, ransom, or covering tracks"),
)  # fmt: skip
FAMILIES: Final = tuple(dict.fromkeys(feature.family for feature in FEATURES))


@dataclass(frozen=True, slots=True)
class Frame:
    """Principal-days, sorted by history_key, event_date, principal_key.

    A row may stand for several days, of which its date is the last.

    Attributes:
        rows: what each row is, and its raw counts.
        values: (rows, features), rounded to 1e-6.
        day: days since 1970-01-01.
        past: index of the first row of the same history_key in the 30 days before a row's first.
        today: index of the first row of the same history_key that its history does not hold;
            history is past:today.
        active_days: days of the history on which there was a call.
        age_days: days since the first known call of the history_key, as far as was read.
        account_age_days: the same of the account.
        is_marked: no measure of what is normal; is_confirmed: an incident.
        span_days: days that a row stands for.
    """

    rows: pl.DataFrame
    values: Floats
    day: Ints
    past: Ints
    today: Ints
    active_days: Ints
    age_days: Ints
    account_age_days: Ints
    is_marked: Bools
    is_confirmed: Bools
    span_days: int = 1


def read(
    engine: Statements, since: dt.datetime, until: dt.datetime, *, shift_hours: int = 0
) -> Frame:
    """Read all principal-days of a span; the first days of it have little or no history.

    Needs `address_places` to be registered.

    Args:
        shift_hours: days begin so long before midnight UTC, and bear the date of that midnight.
    """
    span = {"since": since, "until": until, "shift_hours": shift_hours}
    families = api_families()
    days = engine.run(
        "features/principal_days",
        **span,
        guard_apis=families["guard"],
        secret_apis=families["secret"],
        sharing_apis=families["sharing"],
    )
    engine.keep("touched_days", "features/touched_days", **span)
    engine.keep("backed_off", "features/backed_off", kinds=["api", "network", "agent"])
    novelty = engine.run("features/principal_novelty")
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


def frame(days: pl.DataFrame, *, span_days: int = 1) -> Frame:
    """Add to counted principal-days what only their own past tells.

    Args:
        span_days: days that a row stands for.
    """
    rows = days.sort("history_key", "event_date", "principal_key").with_columns(
        (pl.col("event_dow") >= 6).alias("weekend"),
        pl.col("event_date").to_physical().cast(pl.Int64).alias("day"),
    )
    day = rows["day"].to_numpy()
    past, today = _history(rows, day, span_days)
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
        active_days=_active_days(rows, past, today),
        age_days=rows["age_days"].to_numpy(),
        account_age_days=rows["account_age_days"].to_numpy(),
        is_marked=rows["is_marked"].to_numpy(),
        is_confirmed=rows["is_confirmed"].to_numpy(),
        span_days=span_days,
    )


def weeks(days: Frame) -> Frame:
    """Return for each principal-day the seven days that end with it, as one row.

    Counts of calls and of first times add up: what is new on one day is not new on the next.
    Of what may repeat (different APIs, networks, hours) the largest day's is taken.
    """
    rolled = (
        days.rows.drop("weekend", "hour_distance", "age_days", "account_age_days")
        .sort("principal_key", "day")
        .rolling(index_column="day", period=f"{WEEK_DAYS}i", group_by="principal_key")
        .agg(
            pl.col("event_date", "history_key", "peer_class", "principal_arn", "account_id").last(),
            pl.col(*_ADDED).sum(),
            pl.col(*_LARGEST).max(),
            pl.col("hours").bitwise_or(),
            pl.col("is_marked", "is_confirmed").any(),
        )
        .drop("day")
    )
    return frame(rolled.with_columns(pl.lit(1).alias("event_dow")), span_days=WEEK_DAYS)


def _history(rows: pl.DataFrame, day: Ints, span_days: int) -> tuple[Ints, Ints]:
    """Bounds of each row's history; the rows are sorted by history_key and day."""
    key = rows["history_key"].rle_id().to_numpy().astype(np.int64)
    # One number orders the rows as (key, day) does, and keys lie further apart than any history.
    reach = HISTORY_DAYS + span_days
    span = int(day.max() - day.min()) + reach if len(day) else 1
    place = key * 2 * span + day - (day.min() if len(day) else 0)
    past = np.searchsorted(place, place - reach + 1, side="left")
    today = np.searchsorted(place, place - span_days + 1, side="left")
    return past.astype(np.int64), today.astype(np.int64)


def _active_days(rows: pl.DataFrame, past: Ints, today: Ints) -> Ints:
    key, day = rows["history_key"].rle_id().to_numpy(), rows["day"].to_numpy()
    first_of_day = np.ones(len(day), np.bool_)
    first_of_day[1:] = (key[1:] != key[:-1]) | (day[1:] != day[:-1])
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

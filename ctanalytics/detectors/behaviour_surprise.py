"""How surprising is a principal's day: against its peers, against its own past, taken together.

A day is judged by a model of the 30 days before it alone, so that the verdict on a day does not
depend on the window that a run looks at. The older of these days train, the newest ones calibrate:
a score's p-value is how often days that the model has not seen reach it.

Source: F. T. Liu et al., "Isolation Forest"; the calibration is that of `detectors.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ctanalytics.detectors.behaviour_features import (
    FAMILIES,
    FEATURES,
    HISTORY_DAYS,
    Floats,
    Frame,
    Ints,
)
from ctanalytics.detectors.calibration import surprise, surprise_by_stratum

MODEL_DAYS: Final = 30
CALIBRATE_DAYS: Final = 10
MIN_AGE_DAYS: Final = 7
MIN_ACTIVE_DAYS: Final = 3
MIN_ACCOUNT_AGE_DAYS: Final = 14
MIN_PEERS: Final = 20
MIN_POOL: Final = 30
"""Calibration rows without which no p-value is worth its name."""

_CAP: Final = 12.0
_TOP: Final = 3
_SHRINK: Final = 1
_LEAST_TAIL: Final = 0.5
"""Scale of a feature's tail in spreads, however still its pool is: what nobody ever did is graded
by how much of it was done. Without it the rare habits of a few fill the top of the list."""
_TREES: Final = 300
_MAX_SAMPLES: Final = 4096
_MICRO: Final = 1_000_000
_STEPS: Final = np.array([feature.step for feature in FEATURES])


@dataclass(frozen=True, slots=True)
class Peers:
    """Who is compared with whom on a day.

    Attributes:
        group: of each row of the frame; -1 where the principal is not around.
        kind: the wider group that the group is part of.
        principals: how many there are in each group.
    """

    group: Ints
    kind: Ints
    principals: list[int]

    def like(self, group: int) -> npt.NDArray[np.bool_]:
        """Tell which rows of the frame a group is compared with: all when it is small."""
        if self.is_small(group):
            return np.ones(len(self.group), np.bool_)
        return np.equal(self.group, group)

    def is_small(self, group: int) -> bool:
        """Tell whether a group is too small to be a measure."""
        return group < 0 or self.principals[group] < MIN_PEERS

    def count(self, group: int) -> int:
        """Return how many principals a member of a group is compared with."""
        return (sum(self.principals) if self.is_small(group) else self.principals[group]) - 1


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the model of a day says about the principals of that day.

    Attributes:
        rows: indices into the frame.
        scores: -log10 p of each row, both opinions corrected for being two.
        features: (rows, features) surprise of each feature.
        peers: the groups that they were compared within.
        looks: principals that are judged on such a day: what the budget is shared by.
    """

    rows: Ints
    scores: Floats
    features: Floats
    peers: Peers
    looks: int


def judge(frame: Frame, day: int, seed: int) -> Verdicts | None:
    """Judge all principals of a day (days since 1970-01-01) that have enough history.

    Returns:
        None when there is nobody to judge, or too little to judge by.
    """
    usable = (frame.age_days >= MIN_AGE_DAYS) & (frame.active_days >= MIN_ACTIVE_DAYS)
    model = usable & (frame.day >= day - MODEL_DAYS) & (frame.day < day)
    rows = np.flatnonzero(
        usable & (frame.day == day) & (frame.account_age_days >= MIN_ACCOUNT_AGE_DAYS)
    )
    model_days = np.unique(frame.day[model])
    if not len(rows) or len(model_days) < 2:
        return None
    newest = model_days[-min(CALIBRATE_DAYS, len(model_days) // 2) :]
    calibrate = np.flatnonzero(model & (frame.day >= newest[0]))
    train = np.flatnonzero(model & (frame.day < newest[0]))
    if len(calibrate) < MIN_POOL or len(train) < MIN_POOL:
        return None
    peers = peer_groups(frame, day)
    everyone = np.concatenate([train, calibrate, rows])
    surprises = _feature_surprises(frame, day, peers, train, everyone)
    held_out = slice(len(train), len(train) + len(calibrate))
    today = slice(len(train) + len(calibrate), None)
    strata = [peers.group[everyone], peers.kind[everyone]]
    opinions = [
        surprise_by_stratum(
            score[today],
            [stratum[today] for stratum in strata],
            score[held_out],
            [stratum[held_out] for stratum in strata],
        )
        for score in (
            _top_surprise(surprises),
            _forest_scores(_family_surprises(surprises), len(train), seed),
        )
    ]
    # Either opinion may page, so each has half of the chance.
    scores = np.maximum(np.maximum(*opinions) - np.log10(2), 0.0)
    return Verdicts(
        rows=rows,
        scores=np.round(scores, 6),
        features=surprises[today],
        peers=peers,
        looks=max(len(rows), -(-int(model.sum()) // len(model_days))),
    )


def peer_groups(frame: Frame, day: int) -> Peers:
    """Put principals among their like, by their class and by what the last 30 days show.

    A group of fewer than 20 principals joins those of its kind (people, or machines), and a kind
    of fewer than 20 joins everybody.
    """
    recent = pl.Series((frame.day >= day - MODEL_DAYS) & (frame.day <= day))
    known = (
        frame.rows.filter(recent)
        .group_by("principal_key")
        .agg(
            pl.col("peer_class").max(),
            pl.col("console_calls").sum(),
            pl.col("hours").bitwise_count_ones().cast(pl.Int64).sum().alias("active_hours"),
            pl.len().cast(pl.Int64).alias("days"),
        )
        .with_columns(
            pl.when(pl.col("peer_class").str.contains("^(root$|federated$|role:AWSReservedSSO_)"))
            .then(True)
            .when(pl.col("peer_class").str.contains("^(service_linked$|role:)"))
            .then(False)
            .otherwise(
                (pl.col("console_calls") > 0) | (pl.col("active_hours") < 8 * pl.col("days"))
            )
            .alias("is_part_time")
        )
        .with_columns(
            pl.len().over("is_part_time").alias("kind_size"),
            pl.len().over("peer_class", "is_part_time").alias("class_size"),
        )
        .with_columns(
            pl.when(pl.col("kind_size") >= MIN_PEERS)
            .then(pl.col("is_part_time").cast(pl.Int64))
            .otherwise(2)
            .alias("kind")
        )
        .with_columns(
            pl.when(pl.col("class_size") >= MIN_PEERS)
            .then(pl.concat_str("kind", pl.lit(":"), "peer_class"))
            .otherwise(pl.col("kind").cast(pl.String))
            .alias("name")
        )
        .with_columns((pl.col("name").rank("dense").cast(pl.Int64) - 1).alias("group"))
    )
    sizes = known.group_by("group").len().sort("group")["len"].to_list()
    placed = frame.rows.select("principal_key").join(
        known.select("principal_key", "kind", "group"),
        on="principal_key",
        how="left",
        maintain_order="left",
    )
    return Peers(
        group=placed["group"].fill_null(-1).to_numpy().astype(np.int64),
        kind=placed["kind"].fill_null(-1).to_numpy().astype(np.int64),
        principals=sizes,
    )


def _feature_surprises(frame: Frame, day: int, peers: Peers, train: Ints, rows: Ints) -> Floats:
    """-log10 p of each feature of the rows: the lesser of its peers' and its own past's view."""
    # Whole millionths add up exactly, so a running total gives the sum of any stretch.
    micro = np.round(_peer_deviations(frame, day, peers, train) * _MICRO).astype(np.int64)
    total = np.concatenate([np.zeros((1, micro.shape[1]), np.int64), np.cumsum(micro, axis=0)])
    history = (total[frame.today[rows]] - total[frame.past[rows]]) / _MICRO
    counts = (frame.today - frame.past)[rows, None]
    by_peers = micro[rows] / _MICRO
    by_self = by_peers - history / (counts + _SHRINK)
    trained = slice(0, len(train))
    found = np.empty((len(rows), len(FEATURES)))
    for column in range(len(FEATURES)):
        views = (
            surprise(view[:, column], view[trained, column], least_scale=_LEAST_TAIL)
            for view in (by_peers, by_self)
        )
        # What is usual among peers is no surprise, and neither is what it always did.
        found[:, column] = np.minimum(np.minimum(*views), _CAP)
    return np.round(found, 6)


def _peer_deviations(frame: Frame, day: int, peers: Peers, train: Ints) -> Floats:
    """Distance of all rows that matter to a day from their peers' median, in peers' spreads."""
    found = np.zeros_like(frame.values)
    matters = frame.day >= day - MODEL_DAYS - HISTORY_DAYS
    for group in np.unique(peers.group[matters]):
        members = matters & (peers.group == group)
        like = train[peers.like(int(group))[train]]
        normal = frame.values[like if len(like) >= MIN_PEERS else train]
        median = np.median(normal, axis=0)
        spread = np.maximum(np.quantile(normal, 0.9, axis=0) - median, normal.std(axis=0) / 2)
        found[members] = (frame.values[members] - median) / np.maximum(spread, _STEPS)
    return found


def _top_surprise(surprises: Floats) -> Floats:
    return np.asarray(np.sort(surprises, axis=1)[:, -_TOP:].sum(axis=1))


def _family_surprises(surprises: Floats) -> npt.NDArray[np.float32]:
    """Sum of the two largest surprises of each family."""
    columns = []
    for family in FAMILIES:
        members = [number for number, one in enumerate(FEATURES) if one.family == family]
        columns.append(np.sort(surprises[:, members], axis=1)[:, -2:].sum(axis=1))
    return np.ascontiguousarray(np.stack(columns, axis=1), np.float32)


def _forest_scores(families: npt.NDArray[np.float32], trained: int, seed: int) -> Floats:
    """How early trees that split at random isolate a row, in hundredths: larger = more abnormal."""
    from sklearn.ensemble import IsolationForest

    # With "auto", contamination sets no threshold: ours comes from the budget.
    forest = IsolationForest(
        n_estimators=_TREES,
        max_samples=min(_MAX_SAMPLES, max(trained // 4, min(trained, 256))),
        max_features=1.0,
        bootstrap=False,
        contamination="auto",
        random_state=seed,
        n_jobs=1,
    ).fit(families[:trained])
    return np.round(-100.0 * np.asarray(forest.score_samples(families), np.float64), 6)

"""Who is compared with whom: principals among their like, by class and by what 30 days show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ctanalytics.detectors.behaviour_features import Frame, Ints

MODEL_DAYS: Final = 30
MIN_PEERS: Final = 20


@dataclass(frozen=True, slots=True)
class Peers:
    """Who is compared with whom on a day.

    Attributes:
        group: of each row of the frame; -1 where the principal is not around.
        kind: the wider group that the group is part of.
        names: of the groups, the same on all days; by group.
        principals: how many there are in each group.
    """

    group: Ints
    kind: Ints
    names: list[str]
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


def peer_groups(frame: Frame, day: int, *, like: Frame | None = None) -> Peers:
    """Put principals among their like, by their class and by what the last 30 days show.

    A group of fewer than 20 principals joins those of its kind (people, or machines), and a kind
    of fewer than 20 joins everybody.

    Args:
        like: whose days say who is alike; else the frame itself, of which a row must be a day.
    """
    days = like or frame
    recent = pl.Series((days.day >= day - MODEL_DAYS) & (days.day <= day))
    known = (
        days.rows.filter(recent)
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
    sizes = known.group_by("group", "name").len().sort("group")
    placed = frame.rows.select("principal_key").join(
        known.select("principal_key", "kind", "group"),
        on="principal_key",
        how="left",
        maintain_order="left",
    )
    return Peers(
        group=placed["group"].fill_null(-1).to_numpy().astype(np.int64),
        kind=placed["kind"].fill_null(-1).to_numpy().astype(np.int64),
        names=sizes["name"].to_list(),
        principals=sizes["len"].to_list(),
    )

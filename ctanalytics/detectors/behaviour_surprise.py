"""How surprising is a principal's day: against its peers, against its own past, taken together.

A day is judged by a model of the 30 days before it alone, so that the verdict on a day does not
depend on the window that a run looks at. The older of these days train, the newest ones calibrate:
a score's p-value is how often days that the model has not seen reach it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ctanalytics.detectors.behaviour_features import Bools, Floats, Frame, Ints
from ctanalytics.detectors.behaviour_forest import Families
from ctanalytics.detectors.behaviour_model import Model, fit
from ctanalytics.detectors.behaviour_peers import MODEL_DAYS, Peers, peer_groups

CALIBRATE_DAYS: Final = 10
MIN_AGE_DAYS: Final = 7
MIN_ACTIVE_DAYS: Final = 3
MIN_ACCOUNT_AGE_DAYS: Final = 14
MIN_POOL: Final = 30
"""Calibration rows without which no p-value is worth its name."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the model of a day says about the principals of that day.

    Attributes:
        rows: indices into the frame.
        scores: -log10 p of each row; where there are two opinions, corrected for being two.
        opinions: (rows, opinions) -log10 p of the three most surprising families, and of the forest.
        features: (rows, features) surprise of each feature.
        families: (rows, families) what the forest saw.
        peers: the groups that they were compared within.
        looks: principals that are judged on such a day: what the budget is shared by.
        model: what judged them; trained: the rows that it learned from.
    """

    rows: Ints
    scores: Floats
    opinions: Floats
    features: Floats
    families: Families
    peers: Peers
    looks: int
    model: Model
    trained: Ints


def judge(
    frame: Frame, day: int, seed: int, *, like: Frame | None = None, forest: bool = True
) -> Verdicts | None:
    """Judge all principals of a day (days since 1970-01-01) that have enough history.

    Args:
        like: single days, by which peers are found where a row of the frame stands for several.
        forest: whether there is a second opinion.

    Returns:
        None when there is nobody to judge, or too little to judge by.
    """
    usable, rows = _usable(frame, day)
    # Rows of several days don't overlap those that judge them.
    last = day - frame.span_days
    normal = usable & ~frame.is_marked & (frame.day > last - MODEL_DAYS) & (frame.day <= last)
    model_days = np.unique(frame.day[normal])
    if not len(rows) or len(model_days) < 2:
        return None
    newest = model_days[-min(CALIBRATE_DAYS, len(model_days) // 2) :]
    calibrate = np.flatnonzero(normal & (frame.day >= newest[0]))
    train = np.flatnonzero(normal & (frame.day < newest[0]))
    if len(calibrate) < MIN_POOL or len(train) < MIN_POOL:
        return None
    peers = peer_groups(frame, day, like=like)
    model = fit(frame, peers, train, calibrate, seed, forest=forest)
    looks = max(len(rows), -(-int(normal.sum()) // len(model_days)))
    return _verdicts(frame, peers, rows, model, train, looks)


def judge_by(before: Verdicts, frame: Frame, day: int) -> Verdicts | None:
    """Judge the rows of a day whose hours end before midnight, by the model of the day before.

    Args:
        before: verdicts on that day, whose model learned from whole days alone.
        frame: days that begin some hours before midnight.
    """
    usable, rows = _usable(frame, day)
    newest = usable & ~frame.is_marked & (frame.day >= day - CALIBRATE_DAYS) & (frame.day < day)
    calibrate = np.flatnonzero(newest)
    if not len(rows) or len(calibrate) < MIN_POOL:
        return None
    peers = peer_groups(frame, day)
    # Days cut elsewhere are a little different: they are measured by their like, and by what has
    # a reason that can be told. The forest sees the cut itself as strange.
    model = replace(before.model, forest=None).held_out_on(frame, peers, calibrate)
    return _verdicts(frame, peers, rows, model, before.trained, max(len(rows), before.looks))


def _usable(frame: Frame, day: int) -> tuple[Bools, Ints]:
    """Rows with enough history, and those of them that are to be judged on a day."""
    usable = (frame.age_days >= MIN_AGE_DAYS) & (frame.active_days >= MIN_ACTIVE_DAYS)
    ready = usable & (frame.day == day) & (frame.account_age_days >= MIN_ACCOUNT_AGE_DAYS)
    return usable, np.flatnonzero(ready)


def _verdicts(
    frame: Frame, peers: Peers, rows: Ints, model: Model, trained: Ints, looks: int
) -> Verdicts:
    told = model.opinions(frame, peers, rows)
    opinions = model.calibrated(told.scores)
    return Verdicts(
        rows=rows,
        scores=np.round(model.paged(opinions), 6),
        opinions=np.round(opinions, 6),
        features=told.features,
        families=told.families,
        peers=peers,
        looks=looks,
        model=model,
        trained=trained,
    )

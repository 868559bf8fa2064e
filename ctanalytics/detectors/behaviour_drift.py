"""What changes between the models of two days: kept in a table, beside the model itself.

PSI (population stability index) compares the values of a feature in the week up to a day with those
that the model learned from, in ten bins of equal weight: under 0.1 little moved, above 0.25 much. The rank
correlation compares how the models of two days in a row order the principals of the second day:
under 0.9 the model of yesterday would have told another story.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ctanalytics.detectors import behaviour_model as models
from ctanalytics.detectors.behaviour_features import FEATURES, WEEK_DAYS, Floats, Frame
from ctanalytics.detectors.behaviour_surprise import Verdicts
from ctanalytics.engines.duckdb import Engine

FOLDER: Final = "models/behaviour"
PSI: Final = "psi"
RANK: Final = "rank_correlation"
OPINIONS: Final = ("top_surprise", "forest")

_BINS: Final = 10
_LEAST: Final = 1e-4
_EPOCH: Final = dt.date(1970, 1, 1)


def kept(
    engine: Engine, frame: Frame, judged: Sequence[tuple[int, Verdicts]], now: dt.datetime
) -> list[dict[str, Any]]:
    """Return what to keep of the newest complete day that was judged, as `DetectorResult.state`.

    Args:
        judged: complete days (since 1970-01-01) with their verdicts, in order.
    """
    if not judged:
        return []
    day, verdicts = judged[-1]
    date = _EPOCH + dt.timedelta(days=day)
    packed, card = models.save(verdicts.model)
    rows = [
        {"feature": feature.name, "measure": PSI, "value": value}
        for feature, value in zip(FEATURES, _stability(frame, day, verdicts), strict=True)
    ]
    if len(judged) > 1 and judged[-2][0] == day - 1:
        before = judged[-2][1].model.opinions(frame, verdicts.peers, verdicts.rows).scores
        own = verdicts.model.opinions(frame, verdicts.peers, verdicts.rows).scores
        rows += [
            {"feature": name, "measure": RANK, "value": rank_correlation(before[:, i], own[:, i])}
            for i, name in enumerate(OPINIONS)
        ]
    made = [
        row | {"judged_date": date, "principals": len(verdicts.rows), "measured_at": now}
        for row in rows
    ]
    known = {
        (row["feature"], row["measure"]): (row["value"], row["principals"])
        for row in engine.run("detectors/drift", judged_date=date).to_pylist()
    }
    new = [
        row
        for row in made
        if known.get((row["feature"], row["measure"])) != (row["value"], row["principals"])
    ]
    return [
        {"file": f"{FOLDER}/{date}.npz", "content": packed},
        {"file": f"{FOLDER}/{date}.json", "content": card},
        {"table": "behaviour_drift", "rows": new},
    ]


def _stability(frame: Frame, day: int, verdicts: Verdicts) -> list[float]:
    before = frame.values[verdicts.trained]
    # A whole week: its days are not alike.
    now = frame.values[(frame.day > day - WEEK_DAYS) & (frame.day <= day)]
    return [psi(before[:, place], now[:, place]) for place in range(before.shape[1])]


def psi(before: Floats, now: Floats) -> float:
    """Return the population stability index of two samples, rounded to 1e-6."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))

    def shares(values: Floats) -> Floats:
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return np.maximum(counts / max(len(values), 1), _LEAST)

    old, new = shares(before), shares(now)
    return round(float(((new - old) * np.log(new / old)).sum()), 6)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's rank correlation, rounded to 1e-6; 1 where there is nothing to order."""
    ranks = [_ranks(values) for values in (one, other)]
    spread = ranks[0].std() * ranks[1].std()
    if not spread:
        return 1.0
    return round(
        float(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean() / spread), 6
    )


def _ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray((first + (counts - 1) / 2)[place])

"""A kept model says today, and on any machine, exactly what it said when it was kept.

The folder holds counted days of a few people, the model that was grown from them, and its scores.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors import behaviour_model as models
from ctanalytics.detectors import located
from ctanalytics.detectors.behaviour_features import Frame
from ctanalytics.detectors.behaviour_model import Model
from ctanalytics.detectors.behaviour_surprise import Verdicts, judge
from tests.detectors.organization import START, context, minute
from tests.detectors.test_isolation_forest import DAY, acting, someone, usual

CASE = Path(__file__).parent.parent / "golden" / "behaviour"
SEED = 20130
PEOPLE = 8
DAYS = 18


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    if os.environ.get("CTANALYTICS_TEST_GOLDEN") == "write":
        _write(tmp_path_factory.mktemp("lake"))
    return features.frame(pl.read_parquet(CASE / "days.parquet"))


@pytest.fixture(scope="module")
def verdicts(frame: Frame) -> Verdicts:
    found = judge(frame, int(frame.day.max()), SEED)
    assert found is not None
    return found


def _write(folder: Path) -> None:
    """Count the days, judge the last of them, and keep all of it."""
    random = np.random.default_rng(3)
    tables = [one for number in range(PEOPLE) for one in usual(random, someone(number), DAYS)]
    odd = [acting(someone(3), [minute(DAYS - 1, 2, at)], f"List{at}Things") for at in range(9)]
    made = context(folder, [*tables, *odd])
    located.register(made, START, START + DAYS * DAY)
    frame = features.read(made.engine, START, START + DAYS * DAY)
    found = judge(frame, int(frame.day.max()), SEED)
    assert found is not None
    CASE.mkdir(exist_ok=True)
    packed, card = models.save(found.model)
    (CASE / "model.npz").write_bytes(packed)
    (CASE / "model.json").write_bytes(card)
    added = ("weekend", "day", "hour_distance", "age_days", "account_age_days")
    frame.rows.drop(added).write_parquet(CASE / "days.parquet")
    told = _told(found.model, frame, found)
    (CASE / "scores.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _told(model: Model, frame: Frame, verdicts: Verdicts) -> list[dict[str, Any]]:
    """What a model says of the rows that were judged, by principal."""
    opinions = model.opinions(frame, verdicts.peers, verdicts.rows)
    calibrated = model.calibrated(opinions.scores)
    return [
        {
            "principal": principal,
            "scores": scores.tolist(),
            "page": page,
            "surprises": surprises.tolist(),
        }
        for principal, scores, page, surprises in zip(
            frame.rows["principal_key"].gather(verdicts.rows).to_list(),
            opinions.scores,
            np.round(model.paged(calibrated), 6).tolist(),
            opinions.features,
            strict=True,
        )
    ]


def test_the_golden_model_gives_exactly_the_scores_that_were_kept(
    frame: Frame, verdicts: Verdicts
) -> None:
    model = models.load((CASE / "model.npz").read_bytes(), (CASE / "model.json").read_bytes())
    told = _told(model, frame, verdicts)
    assert told == json.loads((CASE / "scores.json").read_text("utf-8"))
    assert max(told, key=lambda one: one["page"])["principal"] == someone(3)


def test_the_same_days_grow_the_golden_model_again(verdicts: Verdicts) -> None:
    """All arrays; not the file, whose compression is zlib's business."""
    kept = np.load(CASE / "model.npz", allow_pickle=False)
    grown = np.load(io.BytesIO(models.save(verdicts.model)[0]), allow_pickle=False)
    assert kept.files == grown.files
    different = [name for name in kept.files if not np.array_equal(kept[name], grown[name])]
    assert different == []

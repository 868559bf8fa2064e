"""The model of behaviour: what it learns, how it is kept, and rows of several days."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ctanalytics.detectors import behaviour_drift as drift
from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors import behaviour_forest as forests
from ctanalytics.detectors import behaviour_model as models
from ctanalytics.detectors import located
from ctanalytics.detectors.behaviour_features import FEATURES, Frame
from ctanalytics.detectors.behaviour_surprise import Verdicts, judge
from ctanalytics.detectors.behaviour_words import PHRASES
from ctanalytics.engines.duckdb import Engine
from tests.detectors.organization import DAYS, END, START, context, minute
from tests.detectors.test_isolation_forest import acting, office, someone

SEED = 7
LAST = (END.date() - dt.date(1970, 1, 1)).days - 3  # a Friday


def slow() -> list[Any]:
    """Two APIs a day that person04 never called, for a week of work."""
    spots = [(day, number) for day in range(28, 33) for number in range(2)]
    return [
        acting(someone(4), [minute(day, 10)], f"ListThing{day}{number}") for day, number in spots
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    made = context(tmp_path_factory.mktemp("lake"), [*office(), *slow()])
    located.register(made, START, END)
    return made.engine


@pytest.fixture(scope="module")
def frame(engine: Engine) -> Frame:
    return features.read(engine, START, END)


@pytest.fixture(scope="module")
def verdicts(frame: Frame) -> Verdicts:
    found = judge(frame, LAST, SEED)
    assert found is not None
    return found


def test_every_feature_is_explained_and_has_words() -> None:
    assert all(one.about and one.why for one in FEATURES)
    assert {one.name for one in FEATURES} == PHRASES.keys()


def test_a_kept_model_judges_as_the_one_that_was_grown(frame: Frame, verdicts: Verdicts) -> None:
    loaded = models.load(*models.save(verdicts.model))
    told = loaded.opinions(frame, verdicts.peers, verdicts.rows)
    assert np.array_equal(told.features, verdicts.features)
    calibrated = loaded.calibrated(told.scores)
    assert np.allclose(calibrated, verdicts.opinions, atol=2e-6)


def test_the_same_days_give_the_same_bytes(frame: Frame, verdicts: Verdicts) -> None:
    again = judge(frame, LAST, SEED)
    assert again is not None
    assert models.save(again.model) == models.save(verdicts.model)


def test_a_card_says_what_the_model_was_made_of(verdicts: Verdicts) -> None:
    card = json.loads(models.save(verdicts.model)[1])
    assert card["seed"] == SEED
    assert card["features"] == [one.name for one in FEATURES]
    assert card["trained_on"][1] < card["calibrated_on"][0] < str(END.date())
    assert card["training_rows"] == len(verdicts.trained)
    assert {"numpy", "scikit-learn", "ctanalytics"} <= card["versions"].keys()


def test_another_models_card_is_refused(verdicts: Verdicts) -> None:
    packed, card = models.save(verdicts.model)
    with pytest.raises(ValueError, match="card"):
        models.load(packed + b" ", card)


def test_a_pickle_among_the_arrays_is_refused(verdicts: Verdicts) -> None:
    _, card = models.save(verdicts.model)
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as file:
        content = io.BytesIO()
        np.lib.format.write_array(content, np.array([{"a": 1}], object), allow_pickle=True)
        file.writestr("held_out.npy", content.getvalue())
    told = json.loads(card) | {"npz_sha256": hashlib.sha256(evil.getvalue()).hexdigest()}
    with pytest.raises(ValueError, match="allow_pickle"):
        models.load(evil.getvalue(), json.dumps(told).encode())


def test_plain_arrays_score_as_scikit_learn_does() -> None:
    from sklearn.ensemble import IsolationForest

    random = np.random.default_rng(1)
    values = random.exponential(1.0, (3_000, 9)).astype(np.float32)
    grown = forests.grow(values, SEED)
    theirs = IsolationForest(
        n_estimators=forests.TREES, max_samples=750, random_state=SEED, contamination="auto"
    ).fit(values)
    kept = forests.from_arrays(grown.arrays())
    expected = -100.0 * theirs.score_samples(values[:500])
    assert np.allclose(grown.scores(values[:500]), expected, atol=1e-3)
    assert np.array_equal(kept.scores(values[:500]), grown.scores(values[:500]))


def test_the_forest_tells_what_isolates_a_row() -> None:
    random = np.random.default_rng(2)
    values = random.exponential(1.0, (2_000, 9)).astype(np.float32)
    odd = np.ones(9, np.float32)
    odd[4] = 60
    parts = forests.grow(values, SEED).contributions(odd)
    assert parts.argmax() == 4


def test_a_week_adds_up_and_its_history_ends_before_it(frame: Frame) -> None:
    weeks = features.weeks(frame)
    assert len(weeks.day) == len(frame.day)
    who = weeks.rows["principal_key"] == someone(4)
    place = int(np.flatnonzero(who.to_numpy() & (weeks.day == LAST))[0])
    own = frame.rows.filter(
        (pl.col("principal_key") == someone(4)) & pl.col("day").is_between(LAST - 6, LAST)
    )
    for name in ("calls", "new_apis", "active_slots"):
        assert weeks.rows[name][place] == own[name].sum()
    assert weeks.rows["apis"][place] == own["apis"].max()
    past = weeks.day[weeks.past[place] : weeks.today[place]]
    assert (past.min(), past.max()) == (LAST - 32, LAST - 7)


def test_slow_reconnaissance_shows_in_the_week(frame: Frame) -> None:
    found = judge(features.weeks(frame), LAST, SEED, like=frame, forest=False)
    assert found is not None
    keys = frame.rows["principal_key"].gather(found.rows).to_list()
    assert keys[int(found.scores.argmax())] == someone(4)


def test_marked_days_are_not_learned_from_and_an_incident_leaves_the_past(frame: Frame) -> None:
    marked = frame.rows.with_columns(
        ((pl.col("principal_key") == someone(4)) & (pl.col("day") > LAST - 5)).alias("is_marked"),
        ((pl.col("principal_key") == someone(4)) & (pl.col("day") > LAST - 5)).alias(
            "is_confirmed"
        ),
    ).drop("weekend", "day", "hour_distance", "age_days", "account_age_days")
    other = features.frame(marked)
    found, plain = judge(other, LAST, SEED), judge(frame, LAST, SEED)
    assert found is not None
    assert plain is not None
    assert len(plain.model.held_out) - len(found.model.held_out) == 4
    own = int(np.flatnonzero(other.rows["principal_key"].gather(found.rows) == someone(4))[0])
    column = [one.name for one in FEATURES].index("read_apis")
    assert found.features[own, column] > plain.features[own, column]


def test_days_cut_at_noon_hold_what_happened_over_midnight(engine: Engine, frame: Frame) -> None:
    half = features.read(engine, START, END, shift_hours=12)
    assert half.rows["calls"].sum() == frame.rows["calls"].sum()
    first = half.rows["event_date"].min()
    assert first == START.date()  # what comes after noon bears the next day's date
    assert half.rows["event_date"].max() == (START + dt.timedelta(days=DAYS - 2)).date()


def test_stability_and_ranks() -> None:
    random = np.random.default_rng(3)
    values = random.normal(0, 1, 5_000)
    assert drift.psi(values, values[::2]) < 0.02
    assert drift.psi(values, values + 1) > 0.5
    assert drift.psi(np.zeros(9), np.zeros(4)) == 0
    assert drift.rank_correlation(values, np.exp(values)) == 1
    assert drift.rank_correlation(values, -values) == -1
    assert drift.rank_correlation(np.zeros(3), np.arange(3.0)) == 1


def test_what_is_kept_goes_by_the_newest_complete_day(
    engine: Engine, frame: Frame, verdicts: Verdicts, tmp_path: Path
) -> None:
    before = judge(frame, LAST - 1, SEED)
    assert before is not None
    kept = drift.kept(engine, frame, [(LAST - 1, before), (LAST, verdicts)], END)
    date = (END - dt.timedelta(days=3)).date()
    assert [part.get("file") for part in kept[:2]] == [
        f"models/behaviour/{date}.npz",
        f"models/behaviour/{date}.json",
    ]
    rows = {(row["measure"], row["feature"]): row["value"] for row in kept[2]["rows"]}
    assert len(rows) == len(FEATURES) + 2
    assert rows["rank_correlation", "forest"] > 0.5
    assert drift.kept(engine, frame, [], END) == []

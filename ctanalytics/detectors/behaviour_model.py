"""What normal days look like, as plain arrays: spreads, pools, a forest, and held-out days.

Kept in the lake as an .npz of arrays and a card in JSON, never as a pickle, which would run what
somebody wrote into it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors import behaviour_calibration, behaviour_forest
from ctanalytics.detectors.behaviour_calibration import POWERS
from ctanalytics.detectors.behaviour_features import FAMILIES, FEATURES, Floats, Frame, Ints
from ctanalytics.detectors.behaviour_forest import Families, Forest
from ctanalytics.detectors.behaviour_peers import MIN_PEERS, Peers
from ctanalytics.detectors.calibration import MIN_POOL, surprise

FORMAT: Final = 1
TOP: Final = 3

_CAP: Final = 12.0
_SHRINK: Final = 1
_LEAST_TAIL: Final = 0.5
"""Scale of a feature's tail in spreads, however still its pool is: what nobody ever did is graded
by how much of it was done. Without it the rare habits of a few fill the top of the list."""
_MOST_POOL: Final = 20_000
"""Values of a pool that are kept: of more, as many quantiles."""
_MICRO: Final = 1_000_000
_EVERYBODY: Final = "everybody"
_STEPS: Final = np.array([feature.step for feature in FEATURES])
_MEMBERS: Final = [
    np.array([place for place, one in enumerate(FEATURES) if one.family == family])
    for family in FAMILIES
]
_DATE: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Opinions:
    """What a model says of rows.

    Attributes:
        features: (rows, features) surprise of each: -log10 p, 0 to 12.
        families: (rows, families) what the forest saw.
        scores: (rows, opinions): the three most surprising families together; the forest, if any.
    """

    features: Floats
    families: Families
    scores: Floats


@dataclass(frozen=True)
class Model:
    """What was learned for one day.

    Attributes:
        medians, spreads: by group's name, of each feature.
        pools: by group's name, (2, values, features) sorted: deviations from the peers, and from
            the own past.
        held_out: scores of days that it did not learn from, (rows, opinions).
        card: what it was made of; see `fit`.
    """

    medians: Mapping[str, Floats]
    spreads: Mapping[str, Floats]
    pools: Mapping[str, Floats]
    forest: Forest | None
    held_out: Floats
    card: Mapping[str, Any]

    def opinions(self, frame: Frame, peers: Peers, rows: Ints) -> Opinions:
        """Say how strange rows of a frame are."""
        views = _views(self.medians, self.spreads, frame, peers, rows)
        features = _surprises(self.pools, views, _names(peers, rows))
        families = family_surprises(features)
        return Opinions(features, families, _scores(features, families, self.forest))

    def held_out_on(self, frame: Frame, peers: Peers, rows: Ints) -> Model:
        """Return the same model, whose scores become p-values by other days that it didn't see."""
        return replace(self, held_out=self.opinions(frame, peers, rows).scores)

    def calibrated(self, scores: Floats) -> Floats:
        """Return -log10 p of the scores of rows, each opinion by itself.

        All groups share one pool: surprises are relative to the group already, and the tails of
        small pools would decide which group's strangest day comes first.
        """
        return np.stack(
            [
                behaviour_calibration.surprise(own, pool, power)
                for own, pool, power in zip(scores.T, self.held_out.T, POWERS, strict=False)
            ],
            axis=1,
        )

    def paged(self, opinions: Floats) -> Floats:
        """Return -log10 p of rows by all their opinions (as `calibrated` returns them) together."""
        return behaviour_calibration.together(opinions, self.calibrated(self.held_out))


def fit(
    frame: Frame, peers: Peers, train: Ints, calibrate: Ints, seed: int, *, forest: bool = True
) -> Model:
    """Learn from rows of a frame.

    Args:
        train: rows of normal days.
        calibrate: rows of later normal days, by which scores become p-values.
        forest: also grow a forest, for the second opinion.
    """
    medians, spreads = _scales(frame, peers, train)
    both = np.concatenate([train, calibrate])
    views = _views(medians, spreads, frame, peers, both)
    names = _names(peers, both)
    pools = _pools(views[:, : len(train)], names[: len(train)])
    features = _surprises(pools, views, names)
    families = family_surprises(features)
    grown = behaviour_forest.grow(families[: len(train)], seed) if forest else None
    held = slice(len(train), None)
    scores = _scores(features[held], families[held], grown)
    return Model(
        medians=medians,
        spreads=spreads,
        pools=pools,
        forest=grown,
        held_out=scores,
        card=_card(frame, peers, train, calibrate, seed),
    )


def _scores(features: Floats, families: Families, forest: Forest | None) -> Floats:
    opinions = [top_surprise(features)]
    if forest is not None:
        opinions.append(forest.scores(families))
    return np.stack(opinions, axis=1)


def top_surprise(features: Floats) -> Floats:
    """Sum of the largest surprises of the three most surprising families.

    One of each family: a burst of refusals shows in four numbers and is one thing.
    """
    largest = np.stack([features[:, members].max(axis=1) for members in _MEMBERS], axis=1)
    return np.asarray(np.sort(largest, axis=1)[:, -TOP:].sum(axis=1))


def family_surprises(features: Floats) -> Families:
    """Sum of the two largest surprises of each family."""
    columns = [np.sort(features[:, one], axis=1)[:, -2:].sum(axis=1) for one in _MEMBERS]
    return np.ascontiguousarray(np.stack(columns, axis=1), np.float32)


def _names(peers: Peers, rows: Ints) -> list[str]:
    known = [*peers.names, _EVERYBODY]  # -1 is the last
    return [known[group] for group in peers.group[rows]]


def _scales(frame: Frame, peers: Peers, train: Ints) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Medians and upper spreads of each group, by name; small groups have everybody's."""
    medians, spreads = {}, {}
    groups = peers.group[train]
    for place, name in enumerate([*peers.names, _EVERYBODY]):
        small = name == _EVERYBODY or peers.is_small(place)
        own = train if small else train[groups == place]
        normal = frame.values[own if len(own) >= MIN_PEERS else train]
        median = np.median(normal, axis=0)
        spread = np.maximum(np.quantile(normal, 0.9, axis=0) - median, normal.std(axis=0) / 2)
        medians[name] = median
        spreads[name] = np.maximum(spread, _STEPS)
    return medians, spreads


def _views(
    medians: Mapping[str, Floats],
    spreads: Mapping[str, Floats],
    frame: Frame,
    peers: Peers,
    rows: Ints,
) -> Floats:
    """Deviations of rows from their peers, and from their own past: (2, rows, features)."""
    needed = np.unique(peers.group)
    away: Ints = np.zeros(frame.values.shape, np.int64)
    for group in needed:
        members = peers.group == group
        name = peers.names[group] if group >= 0 else _EVERYBODY
        known = name if name in medians else _EVERYBODY
        found = (frame.values[members] - medians[known]) / spreads[known]
        # Whole millionths add up exactly, so a running total gives the sum of any stretch.
        away[members] = np.round(found * _MICRO).astype(np.int64)
    taught = np.where(frame.is_confirmed[:, None], 0, away)
    total = np.concatenate([np.zeros((1, len(FEATURES)), np.int64), np.cumsum(taught, axis=0)])
    history = (total[frame.today[rows]] - total[frame.past[rows]]) / _MICRO
    counts = (frame.today - frame.past)[rows, None]
    by_peers = away[rows] / _MICRO
    return np.stack([by_peers, by_peers - history / (counts + _SHRINK)])


def _pools(views: Floats, names: list[str]) -> dict[str, Floats]:
    """Sorted deviations by group, where there are enough, and of everybody."""
    labels = np.array(names)
    pools = {_EVERYBODY: _thinned(np.sort(views, axis=1))}
    for name in sorted(set(names)):
        own = labels == name
        if own.sum() >= MIN_POOL:
            pools[name] = _thinned(np.sort(views[:, own], axis=1))
    return pools


def _thinned(ordered: Floats) -> Floats:
    count = ordered.shape[1]
    if count <= _MOST_POOL:
        return ordered
    places = np.round(np.linspace(0, count - 1, _MOST_POOL)).astype(np.int64)
    return np.asarray(ordered[:, places])


def _surprises(pools: Mapping[str, Floats], views: Floats, names: list[str]) -> Floats:
    """-log10 p of each feature: the lesser of its peers' and its own past's view.

    What is usual among peers is no surprise, and neither is what it always did.
    """
    found: Floats = np.zeros((views.shape[1], len(FEATURES)))
    labels = np.array([name if name in pools else _EVERYBODY for name in names])
    for name in sorted(set(labels.tolist())):
        rows = np.flatnonzero(labels == name)
        for column in range(len(FEATURES)):
            both = [
                surprise(
                    views[view, rows, column],
                    pools[name][view, :, column],
                    least_scale=_LEAST_TAIL,
                )
                for view in range(2)
            ]
            found[rows, column] = np.minimum(np.minimum(*both), _CAP)
    return np.round(found, 6)


def _card(frame: Frame, peers: Peers, train: Ints, calibrate: Ints, seed: int) -> dict[str, Any]:
    import sklearn

    from ctanalytics._version import __version__

    def span(rows: Ints) -> list[str]:
        days = np.array([frame.day[rows].min(), frame.day[rows].max()]).astype("datetime64[D]")
        return [str(day) for day in days]

    names = [feature.name for feature in FEATURES]
    return {
        "format": FORMAT,
        "features": names,
        "features_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "families": list(FAMILIES),
        "seed": seed,
        "trees": behaviour_forest.TREES,
        "trained_on": span(train),
        "training_rows": len(train),
        "calibrated_on": span(calibrate),
        "calibration_rows": len(calibrate),
        "groups": dict(zip(peers.names, peers.principals, strict=True)),
        "versions": {
            "ctanalytics": __version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def save(model: Model) -> tuple[bytes, bytes]:
    """Return a model as an .npz and its card as JSON; the same model gives the same bytes."""
    arrays = model.forest.arrays() if model.forest else {}
    arrays["held_out"] = model.held_out
    names = sorted({*model.medians, *model.pools})
    for place, name in enumerate(names):
        if name in model.medians:
            arrays[f"median_{place}"] = model.medians[name]
            arrays[f"spread_{place}"] = model.spreads[name]
        if name in model.pools:
            arrays[f"pool_{place}"] = model.pools[name]
    packed = io.BytesIO()
    # numpy's own writer stamps the time of day into the file.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(arrays[name]))
            file.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), content.getvalue())
    content_of_npz = packed.getvalue()
    card = {
        **model.card,
        "names": names,
        "npz_sha256": hashlib.sha256(content_of_npz).hexdigest(),
    }
    return content_of_npz, (json.dumps(card, indent=1, sort_keys=True) + "\n").encode()


def load(content: bytes, card: bytes) -> Model:
    """Return the model of an .npz and its card.

    Raises:
        ValueError: the two do not belong together, or are of another format or other features.
    """
    told = json.loads(card)
    if told.get("npz_sha256") != hashlib.sha256(content).hexdigest():
        raise ValueError("the model is not the one that its card describes")
    if told["format"] != FORMAT or told["features"] != [one.name for one in FEATURES]:
        raise ValueError("the model is of another format, or of other features")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays: dict[str, npt.NDArray[Any]] = {name: file[name] for name in file.files}
    names: list[str] = told.pop("names")

    def named(kind: str) -> dict[str, Floats]:
        found = ((name, f"{kind}_{place}") for place, name in enumerate(names))
        return {name: arrays[key] for name, key in found if key in arrays}

    told.pop("npz_sha256")
    return Model(
        medians=named("median"),
        spreads=named("spread"),
        pools=named("pool"),
        forest=behaviour_forest.from_arrays(arrays) if "forest_roots" in arrays else None,
        held_out=arrays["held_out"],
        card=told,
    )

"""Days judged by parts: each day's model is learned, and its principals scored, on a worker."""

from __future__ import annotations

import dataclasses
import io
import uuid
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors import behaviour_model as models
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.behaviour_features import Frame
from ctanalytics.detectors.behaviour_peers import peer_groups
from ctanalytics.detectors.behaviour_surprise import Verdicts, judge
from ctanalytics.detectors.spread import Spread
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake.store import Store, store_from

_APART: Final = frozenset(("model", "peers", "looks"))
"""What of verdicts is no array: the others are kept as they are."""


def judged(
    context: Context, frame: Frame, days: Sequence[int], *, like: Frame | None = None
) -> dict[int, Verdicts]:
    """Judge days by themselves, on workers where there is enough to do; those that can't be judged
    are left out.

    Args:
        days: since 1970-01-01, ascending.
        like: single days, where a row of the frame stands for the week that ends with it.
    """
    spread, seed = Spread.of(context), context.settings.seed
    single = like or frame
    is_much = spread.parts(single.rows["event_date"].unique().to_list())
    found: dict[int, Verdicts | None]
    if spread.store is None or len(days) < 2 or not is_much:
        found = {day: judge(frame, day, seed, like=like, forest=like is None) for day in days}
    else:
        path = f"{spread.derived.scratch}days-{uuid.uuid4().hex[:12]}.arrow"
        with spread.store.create(path, durable=False) as file:
            single.rows.write_ipc(file, compression="zstd")
        part = {"store": spread.store.spec(), "scratch": spread.derived.scratch, "rows": path}
        parts = [part | {"day": day, "seed": seed, "weeks": like is not None} for day in days]
        made = {one["day"]: one["path"] for one in spread.executor.map(judge_part, parts)}
        found = {day: _read(spread.store, made[day], frame, day, like) for day in days}
    return {day: verdicts for day, verdicts in found.items() if verdicts is not None}


def judge_part(part: Part) -> Result:
    """Judge the principals of a day; a worker's task, see `engines.executor`.

    Args:
        part: store (its spec), scratch (a folder of the lake), rows (the file of the principal-days),
            day (since 1970-01-01), seed, weeks (whether a row stands for the week up to its day).

    Returns:
        day, path (of the verdicts; empty: there is nobody to judge, or too little to judge by).
    """
    store = store_from(part["store"])
    single = features.frame(pl.read_ipc(store.read(part["rows"])))
    frame, like = (features.weeks(single), single) if part["weeks"] else (single, None)
    found = judge(frame, part["day"], part["seed"], like=like, forest=like is None)
    if found is None:
        return {"day": part["day"], "path": ""}
    packed, card = models.save(found.model)
    arrays: dict[str, Any] = {
        field.name: getattr(found, field.name)
        for field in dataclasses.fields(found)
        if field.name not in _APART
    }
    content = io.BytesIO()
    np.savez(
        content,
        looks=np.array(found.looks),
        model=np.frombuffer(packed, np.uint8),
        card=np.frombuffer(card, np.uint8),
        **arrays,
    )
    path = f"{part['scratch']}verdicts-{uuid.uuid4().hex[:12]}.npz"
    store.write(path, content.getvalue())
    return {"day": part["day"], "path": path}


def _read(store: Store, path: str, frame: Frame, day: int, like: Frame | None) -> Verdicts | None:
    """The verdicts of a worker; who is compared with whom is found again."""
    if not path:
        return None
    with np.load(io.BytesIO(store.read(path)), allow_pickle=False) as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    looks = int(arrays.pop("looks"))
    model = models.load(arrays.pop("model").tobytes(), arrays.pop("card").tobytes())
    return Verdicts(**arrays, looks=looks, model=model, peers=peer_groups(frame, day, like=like))

"""isolation_forest: principals whose day is unlike their own past and unlike their peers' days."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from ctanalytics.detectors import behaviour_evidence as evidence
from ctanalytics.detectors import behaviour_facts as facts
from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.behaviour_facts import Fact
from ctanalytics.detectors.behaviour_features import HISTORY_DAYS, Floats, Frame, Ints
from ctanalytics.detectors.behaviour_surprise import (
    MIN_ACCOUNT_AGE_DAYS,
    MIN_ACTIVE_DAYS,
    MIN_AGE_DAYS,
    MODEL_DAYS,
    Verdicts,
    judge,
)
from ctanalytics.detectors.calibration import threshold
from ctanalytics.detectors.severity import severity
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key

DETECTOR: Final = "isolation_forest"
KIND: Final = "behaviour"

LEAST_THETA: Final = 2.0
"""However few principals a lake has, one day in a hundred of a principal is no page."""

_EPOCH: Final = dt.date(1970, 1, 1)
_STILL_GOING: Final = dt.timedelta(minutes=60)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Flagged:
    """A principal-day above the threshold.

    `peer_rows` are the days of its peers in the model; `margin` is by how much it is above.
    """

    row: int
    day: int
    score: float
    margin: float
    surprises: Floats
    peer_rows: Ints
    peer_count: int


def isolation_forest(context: Context, window: Window) -> DetectorResult:
    """Find principals that did on a day what neither they nor their peers do."""
    if window.since >= window.until:
        return DetectorResult(ANOMALIES.empty_table())
    first = _day(window.since)
    last = _day(window.until - dt.timedelta(microseconds=1))
    # The day before the window too: an episode that goes on keeps the start it was published with.
    frame = features.read(
        context.engine, _midnight(first - 1 - MODEL_DAYS - HISTORY_DAYS), window.until
    )
    flagged: list[Flagged] = []
    idle: list[int] = []
    for day in range(first - 1, last + 1):
        verdicts = judge(frame, day, context.settings.seed)
        if verdicts is not None:
            flagged += _above_threshold(context, frame, day, verdicts)
        elif day >= first:
            idle.append(day)
    rows = [_anomaly(context, window, frame, episode) for episode in _episodes(frame, flagged)]
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    rows.sort(key=lambda row: (row["started_at"], row["series_key"]))
    return DetectorResult(
        pa.Table.from_pylist(rows, ANOMALIES), notes=_notes(frame, first, last, idle)
    )


def _above_threshold(
    context: Context, frame: Frame, day: int, verdicts: Verdicts
) -> Iterator[Flagged]:
    settings = context.settings
    theta = max(threshold(settings.budget, settings.share_behaviour, verdicts.looks), LEAST_THETA)
    key = frame.rows["principal_key"]
    recent = (frame.day >= day - MODEL_DAYS) & (frame.day < day)
    for place in np.flatnonzero(verdicts.scores >= theta):
        row = int(verdicts.rows[place])
        group = int(verdicts.peers.group[row])
        like = np.flatnonzero(recent & verdicts.peers.like(group))
        others = (key.gather(like) != key[row]).to_numpy()
        yield Flagged(
            row=row,
            day=day,
            score=float(verdicts.scores[place]),
            margin=float(verdicts.scores[place]) - theta,
            surprises=verdicts.features[place],
            peer_rows=like[others],
            peer_count=verdicts.peers.count(group),
        )


def _episodes(frame: Frame, flagged: Sequence[Flagged]) -> list[list[Flagged]]:
    """Days in a row of one principal are one episode."""
    key = frame.rows["principal_key"]
    episodes: list[list[Flagged]] = []
    for one in sorted(flagged, key=lambda one: (key[one.row], one.day)):
        newest = episodes[-1][-1] if episodes else None
        if newest and key[newest.row] == key[one.row] and newest.day + 1 == one.day:
            episodes[-1].append(one)
        else:
            episodes.append([one])
    return episodes


def _anomaly(
    context: Context, window: Window, frame: Frame, episode: Sequence[Flagged]
) -> dict[str, Any]:
    told = [_facts(context, frame, one) for one in episode]
    worst = min(range(len(episode)), key=lambda place: (-episode[place].score, place))
    one, its_facts = episode[worst], told[worst]
    who = frame.rows.row(one.row, named=True)
    name = facts.principal_name(who["principal_arn"], who["principal_key"])
    identity = (who["principal_arn"], who["principal_key"])
    days = [
        (_date(other.day), facts.day_condition(found))
        for other, found in zip(episode, told, strict=True)
    ]
    behind = evidence.read(context.engine, evidence.events_sql(*identity, days))
    where = evidence.place(
        context.engine,
        evidence.events_sql(*identity, [(_date(one.day), facts.lead(its_facts).condition)]),
    )
    key = series_key("principal", who["principal_arn"] or who["principal_key"])
    is_open = behind.last >= window.until - _STILL_GOING
    return {
        "anomaly_id": anomaly_id(DETECTOR, KIND, key, behind.first),
        "state": "open" if is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": DETECTOR,
        "kind": KIND,
        "severity": severity(behind.impact, one.margin),
        "score": one.score,
        "p_value": round(10.0**-one.score, 12),
        "started_at": behind.first,
        "ended_at": None if is_open else behind.last + dt.timedelta(seconds=1),
        "account_id": behind.account_id,
        "aws_region": behind.aws_region,
        "event_source": None,
        "event_name": None,
        "error_code": None,
        "principal_arn": who["principal_arn"],
        "series_key": key,
        "title": facts.title(its_facts, name),
        "explanation": facts.sentence(
            its_facts, name, where, min(int(who["age_days"]), HISTORY_DAYS), one.peer_count
        ),
        "evidence": json.dumps(
            {
                "event_ids": behind.event_ids,
                "events": behind.events,
                "sql": behind.sql,
                "features": facts.kept(its_facts, one.peer_count),
            }
        ),
        "insight": None,
        "detected_at": context.now,
    }


def _facts(context: Context, frame: Frame, one: Flagged) -> list[Fact]:
    who = frame.rows.row(one.row, named=True)
    seen = facts.touched(
        context.engine, who["principal_key"], who["history_key"], who["event_date"]
    )
    return facts.facts(frame, one.row, one.surprises, one.peer_rows, seen)


def _notes(frame: Frame, first: int, last: int, idle: Sequence[int]) -> list[str]:
    """Say who and what could not be judged in the window, and until when."""
    if not len(frame.day):
        return ["no calls by people or roles: no behaviour to judge"]
    inside = pl.Series(frame.day >= first)
    begun = (
        frame.rows.group_by("account_id")
        .agg(pl.col("day").min())
        .filter(pl.col("day") > last - MIN_ACCOUNT_AGE_DAYS)
        .sort("account_id")
    )
    notes = [
        f"account {account}: behaviour is judged from {_date(day + MIN_ACCOUNT_AGE_DAYS)} on, "
        f"{MIN_ACCOUNT_AGE_DAYS} days after its first logs"
        for account, day in begun.head(_NAMED).iter_rows()
    ]
    if len(begun) > _NAMED:
        notes.append(f"{len(begun) - _NAMED} more accounts have less than that")
    young = frame.rows.filter(
        inside & pl.Series((frame.age_days < MIN_AGE_DAYS) | (frame.active_days < MIN_ACTIVE_DAYS))
    )["principal_key"].n_unique()
    if young:
        notes.append(
            f"{young} principal{'s' if young != 1 else ''} had days without enough history to judge "
            f"({MIN_AGE_DAYS} days, {MIN_ACTIVE_DAYS} of them active)"
        )
    if idle:
        notes.append(
            f"behaviour is not judged on {len(idle)} of {last - first + 1} days: too few "
            "principals, or too few days before them to learn from"
        )
    return notes


def _day(time: dt.datetime) -> int:
    return (time.astimezone(dt.UTC).date() - _EPOCH).days


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=day)


def _midnight(day: int) -> dt.datetime:
    return dt.datetime.combine(_date(day), dt.time(), dt.UTC)

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

from ctanalytics.detectors import behaviour_drift as drift
from ctanalytics.detectors import behaviour_evidence as evidence
from ctanalytics.detectors import behaviour_facts as facts
from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors import located
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.behaviour_evidence import Span
from ctanalytics.detectors.behaviour_facts import Fact
from ctanalytics.detectors.behaviour_features import (
    FAMILIES,
    HISTORY_DAYS,
    WEEK_DAYS,
    Floats,
    Frame,
    Ints,
)
from ctanalytics.detectors.behaviour_parts import judged
from ctanalytics.detectors.behaviour_peers import MODEL_DAYS
from ctanalytics.detectors.behaviour_surprise import (
    MIN_ACCOUNT_AGE_DAYS,
    MIN_ACTIVE_DAYS,
    MIN_AGE_DAYS,
    Verdicts,
    judge_by,
)
from ctanalytics.detectors.behaviour_told import Told, gather
from ctanalytics.detectors.by_date import ByDate
from ctanalytics.detectors.calibration import threshold
from ctanalytics.detectors.severity import severity
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key

DETECTOR: Final = "isolation_forest"
KIND: Final = "behaviour"

LEAST_THETA: Final = 2.0
"""However few principals a lake has, one day in a hundred of a principal is no page."""
WEEK_SHARE: Final = 0.2
"""Of the budget, for the rows of seven days; the rest is for those of one."""

_EPOCH: Final = dt.date(1970, 1, 1)
_DAY: Final = dt.timedelta(days=1)
_STILL_GOING: Final = dt.timedelta(minutes=60)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """A frame, and by how many hours its days begin before midnight UTC."""

    frame: Frame
    shift_hours: int

    def span(self, day: int) -> tuple[dt.datetime, dt.datetime]:
        """Return when a row of a day begins and ends."""
        end = _midnight(day + 1) - dt.timedelta(hours=self.shift_hours)
        return end - self.frame.span_days * _DAY, end


@dataclass(frozen=True, slots=True)
class Flagged:
    """A row above the threshold.

    `peer_rows` are those of its peers in the model; `margin` is by how much it is above;
    `families` is how much each does to isolate it in the forest.
    """

    rows: Rows
    row: int
    start: dt.datetime
    end: dt.datetime
    score: float
    margin: float
    opinions: Floats
    surprises: Floats
    families: dict[str, float]
    peer_rows: Ints
    peer_count: int

    @property
    def who(self) -> dict[str, Any]:
        """The row's own columns."""
        return self.rows.frame.rows.row(self.row, named=True)

    def told(self) -> Told:
        """Who it is about, and when."""
        who = self.who
        return Told(who["principal_key"], who["history_key"], self.start, self.end)


def isolation_forest(context: Context, window: Window) -> DetectorResult:
    """Find principals that did on a day, or in a week, what neither they nor their peers do."""
    if window.since >= window.until:
        return DetectorResult(ANOMALIES.empty_table())
    first, last = _day(window.since), _day(window.until - dt.timedelta(microseconds=1))
    since = _midnight(first - 1 - 2 * WEEK_DAYS - MODEL_DAYS - HISTORY_DAYS)
    located.register(context, since, window.until)
    cuts = context.settings.behaviour_rows
    days = _read(context, since, window, 0)
    whole = _judged(context, window, days.frame)
    flagged: list[Flagged] = []
    for day, one in whole.items():
        flagged += _above_threshold(context, days, day, one, 1 - WEEK_SHARE, cuts)
    for shift in range(24 // cuts, 24, 24 // cuts):
        rows = _read(context, since, window, shift)
        for day, before in whole.items():
            verdicts = judge_by(before, rows.frame, day + 1)
            if verdicts is not None:
                flagged += _above_threshold(context, rows, day + 1, verdicts, 1 - WEEK_SHARE, cuts)
    weeks = Rows(features.weeks(days.frame), 0)
    for day, one in _judged(context, window, weeks.frame, like=days.frame).items():
        flagged += _above_threshold(context, weeks, day, one, WEEK_SHARE, 1)
    gather(ByDate.of(context), [one.told() for one in flagged])
    found = [_anomaly(context, window, episode) for episode in _episodes(flagged)]
    found = [row for row in found if row["ended_at"] is None or row["ended_at"] > window.since]
    found.sort(key=lambda row: (row["started_at"], row["series_key"]))
    complete = [(day, one) for day, one in whole.items() if _midnight(day + 1) <= window.until]
    idle = [day for day in range(first, last + 1) if day not in whole]
    return DetectorResult(
        pa.Table.from_pylist(found, ANOMALIES),
        notes=_notes(days.frame, first, last, idle),
        state=drift.kept(context.engine, days.frame, complete, context.now),
    )


def _read(context: Context, since: dt.datetime, window: Window, shift_hours: int) -> Rows:
    frame = features.read(ByDate.of(context), since, window.until, shift_hours=shift_hours)
    return Rows(frame, shift_hours)


def _judged(
    context: Context, window: Window, frame: Frame, *, like: Frame | None = None
) -> dict[int, Verdicts]:
    """Judge the days of a window, and the one before: an episode keeps its first start."""
    last = _day(window.until - dt.timedelta(microseconds=1))
    return judged(context, frame, range(_day(window.since) - 1, last + 1), like=like)


def _above_threshold(
    context: Context, rows: Rows, day: int, verdicts: Verdicts, share: float, cuts: int
) -> Iterator[Flagged]:
    settings = context.settings
    looks = verdicts.looks * cuts
    part = settings.share_behaviour * share
    theta = max(threshold(settings.budget, part, looks), LEAST_THETA)
    frame = rows.frame
    key = frame.rows["principal_key"]
    recent = (frame.day >= day - MODEL_DAYS) & (frame.day < day)
    start, end = rows.span(day)
    for place in np.flatnonzero(verdicts.scores >= theta):
        row = int(verdicts.rows[place])
        group = int(verdicts.peers.group[row])
        like = np.flatnonzero(recent & verdicts.peers.like(group))
        others = (key.gather(like) != key[row]).to_numpy()
        yield Flagged(
            rows=rows,
            row=row,
            start=start,
            end=end,
            score=float(verdicts.scores[place]),
            margin=float(verdicts.scores[place]) - theta,
            opinions=verdicts.opinions[place],
            surprises=verdicts.features[place],
            families=_isolated_by(verdicts, int(place)),
            peer_rows=like[others],
            peer_count=verdicts.peers.count(group),
        )


def _isolated_by(verdicts: Verdicts, place: int) -> dict[str, float]:
    """How much each family does to isolate a row in the forest; empty without a forest."""
    forest = verdicts.model.forest
    if forest is None:
        return {}
    parts = forest.contributions(verdicts.families[place])
    return dict(zip(FAMILIES, parts.tolist(), strict=True))


def _episodes(flagged: Sequence[Flagged]) -> list[list[Flagged]]:
    """Rows of one principal that touch or overlap are one episode."""
    episodes: list[list[Flagged]] = []
    reach: dict[str, dt.datetime] = {}
    for one in sorted(flagged, key=lambda one: (one.who["principal_key"], one.start, one.end)):
        key = one.who["principal_key"]
        if key in reach and one.start <= reach[key]:
            episodes[-1].append(one)
        else:
            episodes.append([one])
            reach[key] = one.end
        reach[key] = max(reach[key], one.end)
    return episodes


def _anomaly(context: Context, window: Window, episode: Sequence[Flagged]) -> dict[str, Any]:
    told = [_facts(context, one) for one in episode]
    worst = min(range(len(episode)), key=lambda place: (-episode[place].score, place))
    one, its_facts = episode[worst], told[worst]
    who = one.who
    identity = (who["principal_arn"], who["principal_key"])
    name = facts.principal_name(*identity)
    spans = [
        Span(other.start, other.end, facts.day_condition(found))
        for other, found in zip(episode, told, strict=True)
    ]
    behind = evidence.read(context.engine, evidence.events_sql(*identity, spans))
    lead = Span(one.start, one.end, facts.lead(its_facts).condition)
    where = evidence.place(context.engine, evidence.events_sql(*identity, [lead]))
    key = series_key("principal", who["principal_arn"] or who["principal_key"])
    is_open = behind.last >= window.until - _STILL_GOING
    explanation = facts.sentence(
        its_facts,
        name,
        where,
        min(int(who["age_days"]), HISTORY_DAYS),
        one.peer_count,
        span_days=one.rows.frame.span_days,
    )
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
        "explanation": explanation,
        "evidence": json.dumps(
            {
                "event_ids": behind.event_ids,
                "events": behind.events,
                "sql": behind.sql,
                "features": facts.kept(its_facts, one.peer_count),
                "span_days": one.rows.frame.span_days,
                "opinions": dict(zip(drift.OPINIONS, one.opinions.tolist(), strict=False)),
                "forest": one.families,
            }
        ),
        "insight": None,
        "detected_at": context.now,
    }


def _facts(context: Context, one: Flagged) -> list[Fact]:
    who = one.who
    seen = facts.touched(
        context.engine, who["principal_key"], who["history_key"], one.start, one.end
    )
    return facts.facts(one.rows.frame, one.row, one.surprises, one.peer_rows, seen)


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

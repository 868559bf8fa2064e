"""A plan carried out: days into log files, in any number of processes, then digests and labels."""

from __future__ import annotations

import copy
import dataclasses
import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from ctanalytics.engines.executor import Executor, Part, Result
from ctanalytics.simulator import config_history
from ctanalytics.simulator.activity import Activity, calls_of, scale_for
from ctanalytics.simulator.attacks import attacks
from ctanalytics.simulator.background import activities
from ctanalytics.simulator.calls import Calls
from ctanalytics.simulator.delivery import DeliveredFile, Delivery
from ctanalytics.simulator.digests import write_digests
from ctanalytics.simulator.episodes import Episode
from ctanalytics.simulator.noise import NOISE
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rendering import Renderer
from ctanalytics.simulator.sessions import open_sessions

LABELS_FILE: Final = "labels.jsonl"

_CALLS_AT_ONCE: Final = 60_000
"""Records that are held as text at a time; about 80 MB."""
_OPENING_SHARE: Final = 1.08
"""Records for each call of an activity: opening a session leaves some of its own."""


@dataclass(frozen=True)
class Totals:
    """What was written."""

    records: int
    files: int
    digests: int
    size_bytes: int
    content_bytes: int
    episodes: int
    attacks: int
    config_files: int = 0


class _DayResult(msgspec.Struct):
    files: list[DeliveredFile]
    seen: dict[int, tuple[list[str], int, int]]
    """Episode -> its event ids, first and last event time."""
    changes: list[config_history.Change]
    """What AWS Config would record, where its files are asked for."""


def run(
    plan: Plan, out: Path, executor: Executor, done: Callable[[int], None] | None = None
) -> Totals:
    """Write a simulation's log files, digest files, public keys and labels into a folder.

    Args:
        done: told how many days are written, after each.
    """
    work = out / ".simulate"
    work.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = [
        {
            "plan": msgspec.to_builtins(plan),
            "place": place,
            "out": str(out),
            "result": str(work / f"{place}.json"),
        }
        for place in range(plan.day_count)
    ]
    try:
        for days_done, _ in enumerate(executor.map(write_day, parts), 1):
            if done:
                done(days_done)
        days = [
            msgspec.json.decode(Path(part["result"]).read_bytes(), type=_DayResult)
            for part in parts
        ]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    files = [file for day in days for file in day.files]
    digests = list(write_digests(plan, files, out))
    labels = _labels(plan, days)
    changes = [change for day in days for change in day.changes]
    config_files = config_history.write(plan, changes, out) if plan.config_history else 0
    (out / LABELS_FILE).write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in labels))
    return Totals(
        records=sum(file.records for file in files),
        files=len(files),
        digests=len(digests),
        size_bytes=sum(f.size_bytes for f in files) + sum(d.size_bytes for d in digests),
        content_bytes=sum(file.content_bytes for file in files),
        episodes=len(labels),
        attacks=sum(bool(label["malicious"]) for label in labels),
        config_files=config_files,
    )


def write_day(part: Part) -> Result:
    """Write the log files of one day; what is known of them goes to the file `part["result"]`."""
    plan = msgspec.convert(part["plan"], Plan)
    delivery = Delivery(plan, part["place"], Path(part["out"]))
    result = _DayResult([], {}, [])
    renderer = Renderer(plan)
    calls = day_calls(plan, part["place"])
    organization = plan.organization
    opened, opening = open_sessions(organization, plan.day(part["place"]), calls)
    calls = list(_within(plan, calls + opening))
    for until in _stops(calls):
        for each in calls:
            times, each.times = _split(each.times, until)
            if not len(times):
                continue
            records = renderer.render(each, times, opened)
            delivery.add(records)
            if plan.config_history:
                result.changes += config_history.changes(each, records)
            if each.episode is not None:
                _note(result, each.episode, list(records.event_ids), times)
        result.files += delivery.write(until)
    Path(part["result"]).write_bytes(msgspec.json.encode(result))
    return {"place": part["place"], "files": len(result.files)}


def day_calls(plan: Plan, place: int) -> list[Calls]:
    """All calls of a day but those that open sessions: background, noise and attacks."""
    setting = _setting(plan)
    day = plan.day(place)
    calls = [
        each
        for activity in setting.activities
        for each in calls_of(plan.organization, activity, day, setting.scale)
    ]
    for number, episode in enumerate(setting.episodes):
        if plan.day_of(episode.started_at) == place:
            made = _fresh([*episode.calls, *episode.aside])
            calls += [
                dataclasses.replace(each, episode=number) for each in made[: len(episode.calls)]
            ]
            calls += made[len(episode.calls) :]
    return calls


def _fresh(calls: list[Calls]) -> list[Calls]:
    """Copy calls with their generators: the episodes are kept for the next simulation."""
    copies = {id(each.rng): copy.deepcopy(each.rng) for each in calls}
    return [dataclasses.replace(each, rng=copies[id(each.rng)]) for each in calls]


@dataclass(frozen=True)
class _Setting:
    activities: tuple[Activity, ...]
    scale: float
    episodes: tuple[Episode, ...]


@functools.lru_cache(maxsize=2)
def _setting(plan: Plan) -> _Setting:
    done = activities(plan.organization)
    scale = scale_for(done, plan.events_per_day / _OPENING_SHARE)
    return _Setting(done, scale, tuple(episodes(plan)))


def episodes(plan: Plan) -> list[Episode]:
    """Everything labelled that happens in a plan: its attacks first, then the noise by day."""
    noise = [
        episode
        for place in range(plan.day_count)
        for make in NOISE
        for episode in make(plan, plan.day(place))
    ]
    return attacks(plan) + [e for e in noise if plan.begin <= e.started_at < plan.end]


def _within(plan: Plan, calls: list[Calls]) -> Iterator[Calls]:
    """Leave out what lies outside the simulation or in a silence."""
    silences = [e.silence for e in _setting(plan).episodes if e.silence]
    for each in calls:
        times = each.times
        keep = (times >= plan.begin) & (times < plan.end)
        for silence in silences:
            if (each.actor.account_id, each.region, each.api) == (
                silence.account_id,
                silence.region,
                silence.api,
            ):
                keep &= (times < silence.since) | (times >= silence.until)
        if keep.any():
            yield dataclasses.replace(each, times=times[keep])


def _stops(calls: list[Calls]) -> list[int | None]:
    """Times up to which records are made in one go, the last one open."""
    if not calls:
        return []
    times = np.sort(np.concatenate([each.times for each in calls]))
    marks = times[_CALLS_AT_ONCE::_CALLS_AT_ONCE]
    return [*np.unique(marks).tolist(), None]


def _split(times: Any, until: int | None) -> tuple[Any, Any]:
    if until is None:
        return times, times[:0]
    place = int(np.searchsorted(times, until))
    return times[:place], times[place:]


def _note(result: _DayResult, episode: int, event_ids: list[str], times: Any) -> None:
    first, last = int(times[0]), int(times[-1])
    known = result.seen.get(episode)
    if known:
        event_ids = known[0] + event_ids
        first, last = min(first, known[1]), max(last, known[2])
    result.seen[episode] = (event_ids, first, last)


def _labels(plan: Plan, days: list[_DayResult]) -> list[dict[str, object]]:
    seen = {number: what for day in days for number, what in day.seen.items()}
    labels = []
    for number, episode in enumerate(_setting(plan).episodes):
        if number in seen:
            event_ids, first, last = seen[number]
            labels.append(episode.label(event_ids, first, last + 1))
        elif not episode.calls:
            labels.append(episode.label([], episode.started_at, episode.ended_at))
    return sorted(labels, key=lambda label: (str(label["started_at"]), str(label["kind"])))

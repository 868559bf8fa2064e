"""Compares scores of principal-days on simulated events with labelled attacks.

python -m benchmarks.detection.behaviour                      5 seeds, 400 principals
python -m benchmarks.detection.behaviour --logs DIR           also real attack logs (a file a technique)

PyOD's detectors run in an environment of their own (`make bench-behaviour` makes it).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from benchmarks.detection.behaviour_attacks import KINDS, TEST_DAYS
from benchmarks.detection.behaviour_logs import inject
from benchmarks.detection.behaviour_people import DAYS, START
from benchmarks.detection.behaviour_simulation import World, simulate
from ctanalytics.detectors import behaviour_features as features
from ctanalytics.detectors.behaviour_features import Frame
from ctanalytics.detectors.behaviour_surprise import Verdicts, judge
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.layout import TABLES
from ctanalytics.places import PLACES
from ctanalytics.records.schema import EVENTS

Floats = npt.NDArray[np.float64]
SEED = 20130
SLOW = KINDS[-1]
EPOCH = dt.date(1970, 1, 1)
FIRST_DAY = (START.date() - EPOCH).days
TEST = range(FIRST_DAY + DAYS - TEST_DAYS, FIRST_DAY + DAYS)
PEERS = ("ECOD", "COPOD", "LODA", "HBOS")


@dataclass(frozen=True)
class Scored:
    """Scores of the rows of the test days, and their labels; an empty label is normal life."""

    scores: Floats
    labels: npt.NDArray[np.str_]


def lake(world: pa.Table, home: Path) -> Engine:
    """An engine over events in one file a day."""
    files = []
    for day in range(DAYS):
        date = (START + dt.timedelta(days=day)).date()
        part = world.filter(pc.equal(world["event_date"], pa.scalar(date)))
        folder = home / f"event_date={date}"
        folder.mkdir(parents=True, exist_ok=True)
        files.append(str(folder / "0.parquet"))
        pq.write_table(part.drop_columns(["event_date"]), files[-1], row_group_size=50_000)
    return engine_over(files)


def engine_over(files: list[str]) -> Engine:
    """An engine on two cores, whose events lie in files of hive folders."""
    tables = {name: TableFiles(spec.schema, (), spec.partition) for name, spec in TABLES.items()}
    tables["events"] = TableFiles(EVENTS, files, "event_date")
    engine = Engine(tables, threads=2)
    engine.register("address_places", PLACES.empty_table())
    return engine


def frame_of(engine: Engine) -> Frame:
    """The principal-days of all events."""
    return features.read(engine, START, START + dt.timedelta(days=DAYS))


def labelled(frame: Frame, world: World) -> npt.NDArray[np.str_]:
    """The label of each row of a frame."""
    known = {
        (attack.principal, (attack.day - EPOCH).days + step): attack.kind
        for attack in world.attacks
        for step in range(attack.days)
    }
    keys = zip(frame.rows["principal_key"].to_list(), frame.day.tolist(), strict=True)
    return np.array([known.get(key, "") for key in keys])


def without(frame: Frame, labels: npt.NDArray[np.str_]) -> Frame:
    """The same days, from the attacks among which nothing is learned.

    20 attacks a week among 400 principals is no life to measure what is normal by; the others are
    trained on days before the first attack. Attacks stay in the past of their victims.
    """
    own = frame.rows.drop("weekend", "day", "hour_distance", "age_days", "account_age_days")
    return features.frame(own.with_columns(pl.Series("is_marked", labels != "")))


def ours(frame: Frame, labels: npt.NDArray[np.str_]) -> dict[str, Scored]:
    """Each opinion of ours, as -log10 p, on the test days."""
    judged = [found for day in TEST if (found := judge(frame, day, SEED)) is not None]
    rows = np.concatenate([one.rows for one in judged])
    opinions = np.concatenate([one.opinions for one in judged])
    return {
        "ours: page": Scored(np.concatenate([one.scores for one in judged]), labels[rows]),
        "ours: three families": Scored(opinions[:, 0], labels[rows]),
        "ours: forest": Scored(opinions[:, 1], labels[rows]),
    }


def plain(frame: Frame, labels: npt.NDArray[np.str_], peers: str | None) -> dict[str, Scored]:
    """What others make of the same numbers, trained on the 30 days before the test."""
    usable = (frame.age_days >= 7) & (frame.active_days >= 3)
    train = usable & (frame.day < TEST[0]) & (frame.day >= TEST[0] - 30)
    test = usable & (frame.day >= TEST[0])
    before, now = frame.values[train], frame.values[test]
    found = {}
    for samples in (256, 4096):
        forest = IsolationForest(n_estimators=200, max_samples=samples, random_state=0)
        scores = -forest.fit(before).score_samples(now)
        found[f"IsolationForest, raw, {samples}"] = Scored(scores, labels[test])
    if peers:
        with tempfile.TemporaryDirectory() as home:
            given, answer = Path(home) / "given.npz", Path(home) / "answer.npz"
            np.savez(given, train=before, test=now)
            here = Path(__file__).with_name("behaviour_peers.py")
            subprocess.run([peers, str(here), str(given), str(answer), *PEERS], check=True)
            with np.load(answer, allow_pickle=False) as scores_of:
                found |= {f"{name}, raw": Scored(scores_of[name], labels[test]) for name in PEERS}
    return found


def figures(one: Scored) -> tuple[float, float, dict[str, float]]:
    """Average precision, recall at a false-positive rate of 1e-3, and the same by kind of attack.

    Days of slow reconnaissance are neither: they are judged by the week.
    """
    keep = one.labels != SLOW
    scores, bad = one.scores[keep], one.labels[keep] != ""
    normal = np.sort(scores[~bad])[::-1]
    limit = normal[int(1e-3 * len(normal))]
    kinds = {
        kind: float((one.scores[one.labels == kind] > limit).mean())
        for kind in KINDS
        if (one.labels == kind).any()
    }
    return (
        float(average_precision_score(bad, scores)),
        float((scores[bad] > limit).mean()),
        kinds,
    )


def weekly(frame: Frame, world: World) -> tuple[int, int]:
    """Campaigns of slow reconnaissance found at one false alarm a week, and how many there were.

    An alarm is a principal whose seven-day rows are above the threshold, days in a row counted once.
    """
    weeks = features.weeks(frame)
    judged: list[Verdicts] = []
    for day in TEST:
        one = judge(weeks, day, SEED, like=frame, forest=False)
        if one is not None:
            judged.append(one)
    best: dict[tuple[str, bool], float] = defaultdict(float)
    slow = {a.principal: (a.day - EPOCH).days for a in world.attacks if a.kind == SLOW}
    others = {a.principal for a in world.attacks if a.kind != SLOW}
    for one in judged:
        keys = weeks.rows["principal_key"].gather(one.rows).to_list()
        for key, day, score in zip(keys, weeks.day[one.rows], one.opinions[:, 0], strict=True):
            begun = slow.get(key)
            during = begun is not None and begun <= day < begun + 2 * 7 - 1
            if key not in others:
                best[key, during] = max(best[key, during], float(score))
    normal = sorted((score for (_, during), score in best.items() if not during), reverse=True)
    limit = normal[TEST_DAYS // 7]  # so many lie above it: one a week
    caught = sum(best.get((key, True), 0.0) > limit for key in slow)
    return caught, len(slow)


def calibration(scored: Sequence[Scored]) -> dict[float, tuple[int, float]]:
    """Normal rows whose p is under a nominal one, and how many should be."""
    normal = np.concatenate([one.scores[one.labels == ""] for one in scored])
    return {
        nominal: (int((normal >= -np.log10(nominal)).sum()), nominal * len(normal))
        for nominal in (1e-2, 1e-3)
    }


def surfaced(principals: int, logs: Path) -> Iterator[tuple[str, int, int]]:
    """Yield each technique of real logs with its victim's rank on its day, and how many are ranked."""
    world = simulate(99, principals, per_kind=0)
    events, victims = inject(world.events, logs, TEST_DAYS)
    with tempfile.TemporaryDirectory() as home, lake(events, Path(home)) as engine:
        frame = frame_of(engine)
    for technique, principal, day in victims:
        found = judge(frame, FIRST_DAY + day, SEED)
        if found is None:
            continue
        keys = frame.rows["principal_key"].gather(found.rows).to_list()
        own = [score for key, score in zip(keys, found.scores, strict=True) if key == principal]
        rank = int((found.scores > own[0]).sum()) + 1 if own else 0
        yield technique, rank, len(keys)


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--principals", type=int, default=400)
    parser.add_argument("--peers-python", default="build/peers/bin/python", help="which has pyod")
    parser.add_argument("--logs", type=Path, help="a folder of log files, each of one technique")
    asked = parser.parse_args()
    peers = asked.peers_python if Path(asked.peers_python).exists() else None
    by_name: dict[str, list[Scored]] = defaultdict(list)
    slow = []
    for seed in asked.seeds:
        world = simulate(seed, asked.principals)
        with tempfile.TemporaryDirectory() as home, lake(world.events, Path(home)) as engine:
            frame = frame_of(engine)
        labels = labelled(frame, world)
        frame = without(frame, labels)
        for name, one in (ours(frame, labels) | plain(frame, labels, peers)).items():
            by_name[name].append(one)
        slow.append(weekly(frame, world))
        page = figures(by_name["ours: page"][-1])
        print(f"seed {seed}: AP {page[0]:.3f}, recall {page[1]:.2f}, weeks {slow[-1]}", flush=True)
    if asked.seeds:
        _print(by_name, slow)
    if asked.logs:
        ranks = sorted(surfaced(asked.principals, asked.logs), key=lambda one: one[1])
        for technique, rank, count in ranks:
            print(f"| {technique} | {rank} of {count} |")
        print(f"in the top 10: {sum(1 <= rank <= 10 for _, rank, _ in ranks)} of {len(ranks)}")


def _print(by_name: dict[str, list[Scored]], slow: Sequence[tuple[int, int]]) -> None:
    print("\n| score | average precision | recall at FPR 1e-3 |")
    print("|---|---|---|")
    kinds: dict[str, dict[str, float]] = {}
    for name, scored in by_name.items():
        each = [figures(one) for one in scored]
        kinds[name] = {kind: float(np.mean([one[2][kind] for one in each])) for kind in KINDS}
        columns = [
            f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"
            for values in ([one[0] for one in each], [one[1] for one in each])
        ]
        print(f"| {name} | {columns[0]} | {columns[1]} |")
    print(
        "\n"
        + json.dumps({name: kinds[name] for name in kinds if name.startswith("ours")}, indent=1)
    )
    print(
        f"slow reconnaissance by the week: {sum(c for c, _ in slow)} of {sum(n for _, n in slow)}"
    )
    for name in ("ours: three families", "ours: forest", "ours: page"):
        for nominal, (actual, expected) in calibration(by_name[name]).items():
            print(
                f"{name}: p < {nominal:g}: {actual} rows, {expected:.1f} expected, {actual / expected:.2f}"
            )


if __name__ == "__main__":
    main()

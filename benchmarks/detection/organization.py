"""Pages and recall on an organization of many accounts, by budget, after incidents are merged.

python -m benchmarks.detection.organization [--accounts 400] [--series 10] [--seeds 61] [--json]

Every account has some series of made-up calls (`rate_simulation`), one owner to each, and the labelled
incidents of these. On top come attacks (one principal, three APIs of one account within half an
hour) and roll-outs, which are benign (one role, the same API in a quarter of all accounts within 45
minutes). The detectors page by the budget of the whole lake, as `detect` does; the anomalies are
grouped and merged by the product's own code (detectors/groups.py, incidents/linking.py). A page is
an incident; it is false when nothing in it touches a label. No governor raises thresholds here, and
pages of every severity count.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.detection.rate_scores import EARLIER_DAYS, as_history
from benchmarks.detection.rate_simulation import DAY, DAYS, TEST_FROM, Calls, Incident, simulate
from ctanalytics.detectors import rates, surges
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.fewer import Fewer
from ctanalytics.detectors.groups import grouped
from ctanalytics.detectors.history import History
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.incidents.linking import Group, groups
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Detect, Incidents

BUDGETS: Final = (1.0, 7.0, 50.0)
"""False pages a lake-week."""

_ATTACKS: Final = 40
_ROLLOUTS: Final = 3
_AFTER: Final = DAY
_ATTACKER: Final = "arn:aws:iam::{account}:user/contractor"
_ROLLOUT: Final = "arn:aws:iam::{account}:role/stacksets-exec-{number}"


@dataclass(frozen=True)
class World:
    """An organization's calls, and what of them is meant to be found."""

    calls: Calls
    accounts: list[str]
    """Of each series."""
    apis: list[str]
    doers: list[tuple[int, int, int, str]]
    """Series, start, end, principal: who did it where it was not the owner."""
    attacks: list[list[Incident]]
    """Of several series each."""

    def doer(self, series: int, start: int, end: int) -> str:
        """Who made the calls of a span."""
        for number, begin, after, principal in self.doers:
            if number == series and begin < end and start < after:
                return principal
        return f"arn:aws:iam::{self.accounts[series]}:role/owner-{series}"


def organization(accounts: int, each: int, seed: int) -> World:
    """Make the calls of an organization."""
    calls = simulate(accounts * each, seed)
    rng = np.random.default_rng(seed + 1_000_000)
    own = [f"{111122220000 + number // each:012d}" for number in range(calls.count)]
    apis = [f"{kind.title()}{number % each:02d}" for number, kind in enumerate(calls.kinds)]
    bursts: list[np.ndarray[Any, Any]] = []
    doers: list[tuple[int, int, int, str]] = []
    attacks = [
        _attack(account, own[account * each], each, rng, bursts, doers)
        for account in rng.choice(accounts, min(_ATTACKS, accounts), replace=False).tolist()
    ]
    for number in range(_ROLLOUTS):
        _rollout(number, calls, own, rng, bursts, doers)
    return World(_with(calls, bursts), own, apis, doers, attacks)


def _attack(
    account: int,
    name: str,
    each: int,
    rng: np.random.Generator,
    bursts: list[np.ndarray[Any, Any]],
    doers: list[tuple[int, int, int, str]],
) -> list[Incident]:
    """Bursts on three APIs of an account by one principal."""
    begin = int(rng.integers(TEST_FROM * DAY, (DAYS - 2) * DAY))
    made = []
    for place in rng.choice(each, min(3, each), replace=False).tolist():
        series, start = account * each + place, begin + int(rng.integers(0, 30))
        length = int(rng.integers(5, 31))
        bursts.append(_burst(series, start, length, int(rng.integers(20, 201)), rng))
        doers.append((series, start, start + length, _ATTACKER.format(account=name)))
        made.append(Incident(series, "attack", start, start + length))
    return made


def _rollout(
    number: int,
    calls: Calls,
    own: list[str],
    rng: np.random.Generator,
    bursts: list[np.ndarray[Any, Any]],
    doers: list[tuple[int, int, int, str]],
) -> None:
    """A burst on a deploying API of a quarter of all accounts."""
    begin = int(rng.integers(TEST_FROM * DAY, (DAYS - 2) * DAY))
    deploys = [series for series, kind in enumerate(calls.kinds) if kind == "deploy"]
    first: dict[str, int] = {}
    for series in deploys:
        first.setdefault(own[series], series)
    chosen = rng.permutation(sorted(first.values()))[: len(set(own)) // 4]
    for series in chosen.tolist():
        start = begin + int(rng.integers(0, 45))
        bursts.append(_burst(series, start, 20, 400, rng))
        role = _ROLLOUT.format(account=own[series], number=number)
        doers.append((series, start, start + 20, role))


def _burst(
    series: int, start: int, length: int, count: int, rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    minute, calls = np.unique(start + rng.integers(0, length, count), return_counts=True)
    return np.stack([np.full(len(minute), series), minute, calls])


def _with(calls: Calls, bursts: Sequence[np.ndarray[Any, Any]]) -> Calls:
    """Add calls to those of the series."""
    more = np.concatenate(bursts, axis=1)
    place = np.concatenate((calls.series, more[0])) * DAYS * DAY
    place += np.concatenate((calls.minute, more[1]))
    known, at = np.unique(place, return_inverse=True)
    total = np.bincount(at, np.concatenate((calls.calls, more[2]))).astype(np.int64)
    return replace(calls, series=known // (DAYS * DAY), minute=known % (DAYS * DAY), calls=total)


def alarms(found: History, judged: surges.Judged, budget: float) -> list[Surge | Stop | Drop]:
    """What pages by a budget of the whole lake, before any merging."""
    settings = Detect()
    # Calls and errors share the part of surges evenly; here they are together.
    up = rates.thetas(budget, settings.share_surge, rates.looks([found], surges.LOOKS))
    fewer = Fewer.of(found)
    alone, gaps = fewer.found(rates.thetas(budget, settings.share_stop, fewer.looks))
    together = [stop for gap in gaps for stop in gap.stops]
    return [*surges.find(judged, up), *alone, *together]


def rows(world: World, found: History, told: Sequence[Surge | Stop | Drop]) -> list[dict[str, Any]]:
    """Alarms as anomalies, grouped by who made the calls."""
    made, callers = [], []
    for number, one in enumerate(told):
        start, end = (minute - EARLIER_DAYS * DAY for minute in (one.start, one.end))
        doer = world.doer(one.series, start, end)
        callers.append({"userIdentityArn": doer} if isinstance(one, Surge) else {})
        made.append(
            {
                "anomaly_id": f"{number:08d}",
                "started_at": found.axis.time(one.start),
                "ended_at": found.axis.time(max(one.end, one.start + 1)),
                "account_id": world.accounts[one.series],
                "event_source": f"{world.calls.kinds[one.series]}.amazonaws.com",
                "event_name": world.apis[one.series],
                "error_code": None,
                "kind": type(one).__name__.lower(),
                "severity": "medium",
                "evidence": json.dumps({"event_ids": []}),
                "alarm": one,
                "doer": doer,
            }
        )
    return sorted(grouped(made, callers), key=lambda row: (row["started_at"], row["anomaly_id"]))


def merged(anomalies: list[dict[str, Any]], now: dt.datetime) -> list[Group]:
    """The incidents that the product makes of anomalies."""
    traits = [
        {"anomaly_id": row["anomaly_id"], "trait": trait, "value": value}
        for row in anomalies
        for trait, value in (
            ("read", ""),
            ("principal", row["doer"]),
            ("role_name", _role(row["doer"])),
        )
        if value is not None
    ]
    schema = pa.schema([(name, pa.string()) for name in ("anomaly_id", "trait", "value")])
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(str(Path(folder) / "lake"))
        with lake.engine(threads=2) as engine:
            return groups(
                engine,
                anomalies,
                pa.Table.from_pylist(traits, schema),
                incident_of={},
                settings=Incidents(),
                now=now,
            )


def _role(doer: str) -> str | None:
    """The name of a role that many accounts have; what differs between them is left out."""
    name = doer.rpartition("/")[2]
    return "stacksets-exec" if name.startswith("stacksets-exec") else None


def judge(
    world: World, anomalies: list[dict[str, Any]], pages: list[Group], weeks: float
) -> dict[str, Any]:
    """Compare pages with the labels."""
    labels = [[incident] for incident in world.calls.incidents] + world.attacks
    by_series: dict[int, list[tuple[int, Incident]]] = {}
    for number, parts in enumerate(labels):
        for part in parts:
            by_series.setdefault(part.series, []).append((number, part))
    found: set[int] = set()
    true = [False] * len(anomalies)
    for place, row in enumerate(anomalies):
        one = row["alarm"]
        start, end = (minute - EARLIER_DAYS * DAY for minute in (one.start, one.end))
        for number, part in by_series.get(one.series, ()):
            true[place] |= start <= part.end + _AFTER and part.start <= end
            if start <= part.end and part.start <= end:
                found.add(number)
    kinds = [parts[0].kind for parts in labels]
    return {
        "anomalies_per_week": round(len(anomalies) / weeks, 2),
        "false_anomalies_per_week": round(true.count(False) / weeks, 2),
        "pages_per_week": round(len(pages) / weeks, 2),
        "false_pages_per_week": round(
            sum(not any(true[number] for number in page.numbers) for page in pages) / weeks, 2
        ),
        "recall": round(len(found) / len(labels), 3),
        "recall_by_kind": {
            kind: round(sum(kinds[number] == kind for number in found) / kinds.count(kind), 3)
            for kind in sorted(set(kinds))
        },
    }


def measure(accounts: int, each: int, seed: int) -> dict[str, Any]:
    """Make an organization, and page by each budget."""
    world = organization(accounts, each, seed)
    found = as_history(world.calls, world.accounts)
    judged = surges.judge(found)
    weeks = (DAYS - TEST_FROM) / 7
    by_budget = {}
    for budget in BUDGETS:
        anomalies = rows(world, found, alarms(found, judged, budget))
        pages = merged(anomalies, found.axis.time(found.end_minute))
        by_budget[f"{budget:g}"] = judge(world, anomalies, pages, weeks)
    return {
        "accounts": accounts,
        "series": world.calls.count,
        "seed": seed,
        "incidents": len(world.calls.incidents) + len(world.attacks),
        "budgets": by_budget,
    }


def show(found: dict[str, Any]) -> None:
    """Print a table."""
    print(
        f"{found['accounts']} accounts, {found['series']:,} series, seed {found['seed']}, "
        f"{found['incidents']} incidents in two weeks"
    )
    for budget, row in found["budgets"].items():
        kinds = ", ".join(f"{kind} {share:.2f}" for kind, share in row["recall_by_kind"].items())
        print(
            f"  budget {budget:>3} a week: recall {row['recall']:.2f}, pages {row['pages_per_week']}, "
            f"false {row['false_pages_per_week']} (anomalies {row['anomalies_per_week']}, false "
            f"{row['false_anomalies_per_week']})\n      {kinds}"
        )


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--series", type=int, default=10, help="of each account")
    parser.add_argument("--seeds", default="61")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    told = []
    for seed in flags.seeds.split(","):
        told.append(measure(flags.accounts, flags.series, int(seed)))
        print(f"seed {seed} done", file=sys.stderr)
    if flags.json:
        print(json.dumps(told, indent=2))
        return
    for one in told:
        show(one)


if __name__ == "__main__":
    main()

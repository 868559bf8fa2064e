"""Rate detectors compared on simulated calls per minute with labelled incidents.

python -m benchmarks.detection.rates [--series N] [--seeds 11,12,...] [--detectors NAME ...] [--json]

Every detector scores minutes of the last 14 days; alarms of one series within 60 minutes are one
episode. An episode that touches an incident, or comes within the day after it, is no false alarm;
the incident is found when a firing minute lies inside. Each detector gets the threshold at which it
raises just 0.07, 0.5 or 2 false alarms per 1,000 series-days (an oracle: the same favour to all).
Recall is over all incidents of all seeds. For ours the table of nominal against actual false alarms
follows, at thresholds that no one tuned.

The peers are written from public descriptions: mean and standard deviation of seven days as
CloudTrail Insights describes its baseline, a negative binomial tail, the ratio to the largest of 28
days, and the hourly median and its deviation (seasonal hybrid ESD).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.detection import rate_peers, rate_scores
from benchmarks.detection.rate_simulation import DAY, DAYS, TEST_FROM, Calls, simulate

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BUDGETS: Final = (0.07, 0.5, 2.0)
"""False alarms per 1,000 series-days."""

_MERGE_MINUTES: Final = 60
_AFTER_MINUTES: Final = DAY
_LATE_MINUTES: Final = 5
_NOMINAL: Final = (3.0, 4.0)

DETECTORS: Final[dict[str, Callable[[Calls], rate_scores.Scores]]] = {
    "ours": rate_scores.ours,
    "ours, surges alone": rate_scores.surges_alone,
    "mean + k sd, 1 min": rate_peers.mean_deviation_1,
    "mean + k sd, 5 min": rate_peers.mean_deviation_5,
    "negative binomial, 5 min": rate_peers.negative_binomial,
    "ratio to 28-day maximum": rate_peers.maximum_ratio,
    "hourly median and MAD": rate_peers.hourly_median,
}


@dataclass(frozen=True)
class Judged:
    """Alarms of one detector on one seed, at one threshold."""

    false_alarms: int
    delays: dict[int, int]
    """Minutes from the start of each found incident to its first firing minute."""


def judge(calls: Calls, scores: rate_scores.Scores, threshold: float) -> Judged:
    """Merge firing minutes to episodes, and compare them with the labels."""
    fires = scores.score >= threshold
    series, minute = scores.series[fires], scores.minute[fires]
    labels: dict[int, list[tuple[int, int, int]]] = {}
    for number, incident in enumerate(calls.incidents):
        labels.setdefault(incident.series, []).append((number, incident.start, incident.end))
    begins = np.ones(len(series), np.bool_)
    begins[1:] = (series[1:] != series[:-1]) | (minute[1:] - minute[:-1] > _MERGE_MINUTES)
    starts = np.flatnonzero(begins).tolist()
    false_alarms, delays = 0, {}
    for first, after in zip(starts, [*starts[1:], len(series)][: len(starts)], strict=True):
        inside = minute[first:after]
        touched = False
        for number, start, end in labels.get(int(series[first]), ()):
            if inside[-1] < start or inside[0] > end + _AFTER_MINUTES:
                continue
            touched = True
            hits = inside[(inside >= start) & (inside <= end + _LATE_MINUTES)]
            if len(hits):
                delays[number] = min(delays.get(number, DAY * DAYS), int(hits[0]) - start)
        false_alarms += not touched
    return Judged(false_alarms, delays)


def at_budget(
    runs: list[tuple[Calls, rate_scores.Scores]], false_alarms: float
) -> tuple[float, list[Judged]]:
    """The lowest threshold that stays within a number of false alarms over all seeds."""
    top = max(float(scores.score.max(initial=0.0)) for _, scores in runs)
    low, high = 0.0, top + 1e-9
    for _ in range(24):
        middle = (low + high) / 2
        judged = [judge(calls, scores, middle) for calls, scores in runs]
        if sum(found.false_alarms for found in judged) > false_alarms:
            low = middle
        else:
            high = middle
    return high, [judge(calls, scores, high) for calls, scores in runs]


def series_days(runs: Iterable[Calls]) -> int:
    """How many series-days are judged."""
    return sum(calls.count for calls in runs) * (DAYS - TEST_FROM)


def measure(seeds: list[int], count: int, names: list[str]) -> dict[str, Any]:
    """Run the detectors on all seeds."""
    scored: dict[str, list[tuple[Calls, rate_scores.Scores]]] = {name: [] for name in names}
    for seed in seeds:
        calls = simulate(count, seed)
        for name in names:
            scored[name].append((calls, DETECTORS[name](calls)))
            print(f"seed {seed}: {name}", file=sys.stderr)
    worlds = [calls for calls, _ in scored[names[0]]]
    days = series_days(worlds)
    found: dict[str, Any] = {
        "series": count,
        "seeds": seeds,
        "series_days": days,
        "incidents": _kinds(worlds),
        "detectors": {
            name: [_row(runs, budget, days) for budget in BUDGETS] for name, runs in scored.items()
        },
    }
    if "ours, surges alone" in scored:
        runs = scored["ours, surges alone"]
        found["nominal"] = [_nominal(runs, theta, days) for theta in _NOMINAL]
    return found


def _kinds(worlds: list[Calls]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for calls in worlds:
        for incident in calls.incidents:
            counts[incident.kind] = counts.get(incident.kind, 0) + 1
    return dict(sorted(counts.items()))


def _row(runs: list[tuple[Calls, rate_scores.Scores]], budget: float, days: int) -> dict[str, Any]:
    threshold, judged = at_budget(runs, budget * days / 1_000)
    by_kind: dict[str, list[int | None]] = {}
    recalls = []
    for (calls, _), found in zip(runs, judged, strict=True):
        recalls.append(len(found.delays) / max(len(calls.incidents), 1))
        for number, incident in enumerate(calls.incidents):
            by_kind.setdefault(incident.kind, []).append(found.delays.get(number))
    every = [delay for delays in by_kind.values() for delay in delays]
    return {
        "budget": budget,
        "threshold": round(threshold, 3),
        "recall": round(sum(delay is not None for delay in every) / max(len(every), 1), 3),
        "lowest": round(min(recalls), 3),
        "highest": round(max(recalls), 3),
        "kinds": {kind: _kind(delays) for kind, delays in sorted(by_kind.items())},
    }


def _kind(delays: list[int | None]) -> dict[str, Any]:
    known = [delay for delay in delays if delay is not None]
    return {
        "recall": round(len(known) / len(delays), 3),
        "median_delay_minutes": statistics.median(known) if known else None,
    }


def _nominal(
    runs: list[tuple[Calls, rate_scores.Scores]], theta: float, days: int
) -> dict[str, Any]:
    expected = 10**-theta * rate_scores.LOOKS * days
    actual = sum(judge(calls, scores, theta).false_alarms for calls, scores in runs)
    return {
        "theta": theta,
        "nominal": round(expected, 1),
        "actual": actual,
        "ratio": round(actual / expected, 3),
    }


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    total = sum(found["incidents"].values())
    print(
        f"{found['series']:,} series, seeds {found['seeds']}, {found['series_days']:,} series-days, "
        f"{total} incidents"
    )
    print(f"\n{'recall at false alarms per 1,000 series-days':46}", *BUDGETS, sep="  ")
    for name, rows in found["detectors"].items():
        cells = [f"{row['recall']:.2f} ({row['lowest']:.2f}-{row['highest']:.2f})" for row in rows]
        print(f"  {name:30}", *cells)
    for name in ("ours",):
        for row in found["detectors"].get(name, []):
            kinds = ", ".join(
                f"{kind} {cell['recall']:.2f} ({cell['median_delay_minutes']} min)"
                for kind, cell in row["kinds"].items()
            )
            print(f"\n{name} at {row['budget']} (threshold {row['threshold']:.2f}): {kinds}")
    for row in found.get("nominal", []):
        print(
            f"\ntheta {row['theta']}: {row['nominal']} false surge alarms nominal, "
            f"{row['actual']} actual, ratio {row['ratio']:.2f}"
        )


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--series", type=int, default=2_000)
    parser.add_argument("--seeds", default="11,12,13,14,15")
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    chosen = [name for name in DETECTORS if name in flags.detectors]
    found = measure([int(seed) for seed in flags.seeds.split(",")], flags.series, chosen)
    if flags.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    main()

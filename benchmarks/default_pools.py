"""Normal days of simulated organizations: the calibration pools of lakes that have too few.

python benchmarks/default_pools.py [--write]

Simulates organizations without an incident, and takes from each what a day's largest deviation is:
u of each surge window, for write calls and for errors, and y of silences; u of drops comes from
simulated rates (benchmarks/detection). Each pool is kept as 400
evenly spaced quantiles. Prints them in short; with --write also rewrites
ctanalytics/detectors/data/pools.json, which the detectors add to a pool of fewer than 300 values.

They are as true to life as the simulator is: real organizations may be louder. A lake leaves them
behind as soon as it has 300 values of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.detection.rate_scores import as_history
from benchmarks.detection.rate_simulation import simulate as simulate_rates
from ctanalytics.app.ingest import ingest
from ctanalytics.app.simulate import simulate
from ctanalytics.detectors import drops, own_record, stops
from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.history import load
from ctanalytics.detectors.series import SURGE_WINDOWS
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

SEEDS = (101, 102, 103)
DAYS = 42
EVENTS_PER_DAY = 1_500
VALUES = 400
START = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
FILE = Path(__file__).parent.parent / "ctanalytics" / "detectors" / "data" / "pools.json"


def deviations(lake: Path) -> dict[str, np.ndarray]:
    """The daily deviations of all series of a lake, by pool."""
    until = START + dt.timedelta(days=DAYS - 1)
    found: dict[str, list[np.ndarray]] = {}
    with Lake.open(str(lake)).engine() as engine:
        context = Context(engine, LocalExecutor(1), Settings().detect, until)
        window = Window(until - dt.timedelta(days=7), until)
        for kind in ("writes", "errors"):
            loaded = load(context, window, kind)
            for place, minutes in enumerate(SURGE_WINDOWS):
                daily = own_record.of_window(loaded, place).normal
                found.setdefault(f"surge_{minutes}", []).append(daily.ravel())
            if kind == "writes":
                found["stop"] = [stops.daily(loaded).ravel()]
    return {name: np.concatenate(parts) for name, parts in found.items()}


def steady_series(seed: int) -> dict[str, np.ndarray]:
    """Deviations of drops: organizations as simulated have hardly an API that never pauses."""
    calls = simulate_rates(1_000, seed)
    history = as_history(calls)
    quiet = np.setdiff1d(np.arange(history.count), [found.series for found in calls.incidents])
    return {
        f"drop_{minutes}": drops.daily(history, place)[quiet].ravel()
        for place, minutes in enumerate(drops.WINDOWS)
    }


def organization(seed: int) -> dict[str, np.ndarray]:
    """Simulate one, ingest it, and take its deviations."""
    with tempfile.TemporaryDirectory() as folder:
        logs, lake = Path(folder) / "logs", Path(folder) / "lake"
        simulate(
            logs,
            days=DAYS,
            events_per_day=EVENTS_PER_DAY,
            seed=seed,
            incidents=["none"],
            digests="none",
            workers=1,
        )
        ingest([str(logs)], str(lake))
        return deviations(lake)


def main() -> None:
    parts = [organization(seed) | steady_series(seed) for seed in SEEDS]
    pools = {}
    for name in sorted(parts[0]):
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        steps = (np.arange(VALUES) + 0.5) / VALUES
        pools[name] = np.round(np.quantile(values, steps), 4).tolist()
        middle, body, tail = np.quantile(values, (0.5, 0.95, 0.995))
        print(f"{name:>12}  {len(values):>7,} values  {middle:7.3f} {body:7.3f} {tail:7.3f}")
    if "--write" in sys.argv[1:]:
        made = {"made_by": "python benchmarks/default_pools.py --write", "pools": pools}
        FILE.write_text(json.dumps(made, indent=None, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()

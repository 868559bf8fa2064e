"""How many sparse minutes a second the five windows of all series take, beside pandas and polars.

python -m benchmarks.detection.rates_throughput [--rows N] [--series N] [--repeats N] [--json]
python -m benchmarks.detection.rates_throughput --memory [--series 100000] [--days 30] [--judge 1]
    [--block SERIES]

Every side gets the same minutes (series, minute, calls) in memory, sorted, in a process of its own,
and gives for each series and day the largest deviation of five windows: calls of the window against
what the stretch before it had, logarithm, maximum. A row is one minute of a series with a call,
looked at in all five windows. Ours also looks up the seasonal expectation, tells which looks could
page, and the most calls, which the others are spared. Reading the minutes is not in the time; the
time of the clock is the median of the repeats, that of the processors their least. pandas knows one
thread; it is taken from build/peers, where `make bench-ingest` puts it, or left out.

--memory brings the state of 100,000 series up to date for 30 days and judges the last by call_rate,
and prints the most memory that took; the lake with their minutes is made by another process. With
--block the series are judged by parts of about so many, in one other process: what it takes is told
apart from what the driver takes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from ctanalytics.detectors.expectation import Expected
from ctanalytics.detectors.peaks import LOCAL, PSEUDO, surge_peaks
from ctanalytics.detectors.series import DAY, SURGE_WINDOWS, Minutes
from ctanalytics.engines.executor import Part, Result

THREADS: Final = 2
_PEERS: Final = Path(__file__).parents[2] / "build" / "peers" / "bin" / "python"
_DAYS: Final = 7
_START: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

_PANDAS: Final = """
import json, sys, time
import numpy as np, pandas as pd
rows = pd.read_parquet(sys.argv[1])
windows, local, pseudo, repeats = json.loads(sys.argv[2])
seconds, cpu = [], []
for _ in range(repeats):
    started, used = time.perf_counter(), time.process_time()
    rows["at"] = pd.to_datetime(rows["minute"], unit="m")
    series = rows.set_index("at").groupby("series")["calls"]
    day = rows["minute"].to_numpy() // 1440
    found = {}
    for window in windows:
        span = local[str(window)]
        sums = series.rolling(f"{window}min").sum().to_numpy()
        before = series.rolling(f"{window + span}min").sum().to_numpy() - sums
        y = np.log((sums + pseudo) / (before * (window / span) + pseudo))
        found[window] = pd.Series(y).groupby([rows["series"].to_numpy(), day]).max()
    seconds.append(time.perf_counter() - started)
    cpu.append(time.process_time() - used)
told = {window: float(one.sum()) for window, one in found.items()}
print(json.dumps({"seconds": seconds, "cpu": cpu, "told": told}))
"""


_COUNT: Final = """
select count(*) as rows
from lake.series_minute
where kind = 'writes'
"""


def minutes(rows: int, series: int, days: int, seed: int = 1) -> Minutes:
    """Sparse minutes of series whose rates differ by a thousand, sorted."""
    rng = np.random.default_rng(seed)
    weight = 10 ** rng.uniform(0, 3, series)
    counts = np.maximum(rng.multinomial(int(rows * 1.1), weight / weight.sum()), 1)
    number = np.repeat(np.arange(series), counts)
    place = np.unique(number * days * DAY + rng.integers(0, days * DAY, len(number)))
    calls = rng.geometric(0.5, len(place))
    return Minutes(place // (days * DAY), place % (days * DAY), calls, days)


def ours(found: Minutes, threads: int) -> Callable[[], dict[int, float]]:
    """The code that makes the state's peaks."""
    count = int(found.series.max()) + 1
    season = Expected(0, np.full((count, found.days, 24), 0.0))

    def run() -> dict[int, float]:
        fresh = Minutes(found.series, found.minute, found.calls, found.days)
        surge = surge_peaks(fresh, season, 0, threads=threads)[3]
        return {
            window: float(surge[:, place].sum() * 1e-9)
            for place, window in enumerate(SURGE_WINDOWS)
        }

    return run


def polars(found: Minutes, threads: int) -> Callable[[], dict[int, float]]:
    """Rolling sums by polars' own means, in a process whose POLARS_MAX_THREADS says how many."""
    rows = pl.DataFrame({"series": found.series, "minute": found.minute, "calls": found.calls})
    assert pl.thread_pool_size() == threads

    def run() -> dict[int, float]:
        sums = rows.lazy().with_columns(
            pl.col("calls")
            .rolling_sum_by("minute", window_size=f"{width}i")
            .over("series")
            .alias(f"s{width}")
            for window in SURGE_WINDOWS
            for width in (window, window + LOCAL[window])
        )
        y = sums.select(
            "series",
            (pl.col("minute") // DAY).alias("day"),
            *(_deviation(window).alias(str(window)) for window in SURGE_WINDOWS),
        )
        daily = y.group_by("series", "day").agg(pl.all().max()).collect()
        return {window: float(daily[str(window)].sum()) for window in SURGE_WINDOWS}

    return run


def _deviation(window: int) -> pl.Expr:
    sums, wide = pl.col(f"s{window}"), pl.col(f"s{window + LOCAL[window]}")
    before = (wide - sums) * (window / LOCAL[window])
    return ((sums + PSEUDO) / (before + PSEUDO)).log()


SIDES: Final = {"ours": ours, "polars": polars}


def timed(side: str, file: str, threads: int, repeats: int) -> dict[str, Any]:
    """Seconds of each repeat, by the clock and of the processors, and what came out."""
    rows = pl.read_parquet(file)
    series, minute, calls = (rows[name].to_numpy() for name in ("series", "minute", "calls"))
    run = SIDES[side](Minutes(series, minute, calls, _DAYS), threads)
    seconds, cpu = list[float](), list[float]()
    told: dict[int, float] = {}
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        told = run()
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    return {"seconds": seconds, "cpu": cpu, "told": told}


def _run(command: list[str], threads: int) -> dict[str, Any]:
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _commands(file: str, repeats: int) -> Iterator[tuple[str, int, list[str]]]:
    """Side, threads, command."""
    here = [sys.executable, "-m", "benchmarks.detection.rates_throughput"]
    for side in SIDES:
        for threads in (1, THREADS):
            flags = ["--side", side, "--file", file, "--threads", str(threads)]
            yield side, threads, [*here, *flags, "--repeats", str(repeats)]
    if _PEERS.exists():
        local = {str(window): span for window, span in LOCAL.items()}
        flags = [file, json.dumps([list(SURGE_WINDOWS), local, PSEUDO, min(repeats, 2)])]
        yield "pandas", 1, [str(_PEERS), "-c", _PANDAS, *flags]


def compare(rows: int, series: int, repeats: int) -> dict[str, Any]:
    """Time all sides on the same minutes."""
    found = minutes(rows, series, _DAYS)
    count = len(found.series)
    sides: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "rows.parquet")
        frame = pl.DataFrame({"series": found.series, "minute": found.minute, "calls": found.calls})
        frame.write_parquet(file)
        wanted: dict[str, float] = {}
        for side, threads, command in _commands(file, repeats):
            told = _run(command, threads)
            wanted = wanted or told["told"]
            sides[f"{side}, {threads} thread{'s' * (threads > 1)}"] = {
                "rows_per_second": round(count / statistics.median(told["seconds"])),
                "rows_per_cpu_second": round(count / min(told["cpu"])),
                "agrees": _agree(wanted, told["told"]),
            }
    return {
        "rows": count,
        "series": series,
        "load": round(os.getloadavg()[0], 1),
        "sides": sides,
    }


def _agree(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(abs(one[key] - other[key]) <= 1e-6 * abs(one[key]) + 1e-3 for key in one)


class OneWorker:
    """An executor whose parts are all done by one other process."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawn)
        self.parts: Counter[str] = Counter()
        self._before = _cpu(resource.RUSAGE_CHILDREN)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield results in the order of the parts."""
        some = list(parts)
        self.parts[function.__name__] += len(some)
        return self._pool.map(function, some)

    def spent(self) -> dict[str, Any]:
        """End the process; return what it took."""
        self._pool.shutdown()
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return {
            "worker_cpu_seconds": round(_cpu(resource.RUSAGE_CHILDREN) - self._before, 1),
            "worker_most_mib": round(most / 1024),
            "parts": ", ".join(f"{count} {name}" for name, count in self.parts.items()),
        }


def _cpu(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def memory(series: int, days: int, judge: int, block: int) -> dict[str, Any]:
    """Make the state of many series in a lake, judge days by `call_rate`, and tell the most memory
    it took. The lake is made in another process.

    Args:
        judge: how many of the last days.
        block: series of a part; 0: as `detect` does in one process.
    """
    from ctanalytics.detectors import series_blocks
    from ctanalytics.detectors.base import Context, Window
    from ctanalytics.detectors.call_rate import call_rate
    from ctanalytics.engines.local import LocalExecutor
    from ctanalytics.lake.derived import Derived
    from ctanalytics.lake.lake import Lake
    from ctanalytics.settings import Detect

    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "lake")
        _apart("counted_lake", place, series, days)
        lake = Lake.open(place)
        worker = OneWorker() if block else None
        series_blocks.MOST_SERIES = block or series
        started, used = time.perf_counter(), time.process_time()
        with lake.engine(threads=THREADS) as engine:
            until = _START + dt.timedelta(days=days)
            executor = worker or LocalExecutor(1)
            context = Context(engine, executor, Detect(), until, derived=Derived.open(lake))
            found = call_rate(context, Window(until - dt.timedelta(days=judge), until))
            (rows,) = engine.sql(_COUNT)["rows"].to_pylist()
        return {
            "series": series,
            "days": days,
            "rows": rows,
            "anomalies": found.anomalies.num_rows,
            "files": len(found.state),
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - used, 1),
            "most_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "load": round(os.getloadavg()[0], 1),
            **(worker.spent() if worker else {}),
        }


def _apart(name: str, *values: Any) -> None:
    """Run a function of this module in a process whose use of memory and CPU is nobody's here."""
    code = f"from benchmarks.detection import rates_throughput as it; it.{name}(*{values!r})"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True).wait()


def counted_lake(place: str, series: int, days: int) -> None:
    """Make a lake with minutes as if they were counted from events that have expired since."""
    import pyarrow as pa

    from ctanalytics.lake.derived import Derived, hash_of
    from ctanalytics.lake.lake import Lake

    lake = Lake.create(place)
    names = np.array([f"Call{number:06d}" for number in range(series)])
    for day in range(days):
        derived, date = Derived.open(lake), (_START + dt.timedelta(days=day)).date()
        made = minutes(series * 10, series, 1, seed=day)
        text = [
            pa.repeat(pa.scalar(value), len(made.series))
            for value in ("writes", "111122223333", "eu-west-1", "ec2.amazonaws.com")
        ]
        nothing = pa.nulls(len(made.series), pa.string())
        columns = dict(zip(("kind", "account_id", "aws_region", "event_source"), text, strict=True))
        table = pa.table(
            columns
            | {
                "event_name": pa.array(names[made.series]),
                "error_code": nothing,
                "principal_arn": nothing,
                "minute": pa.array(made.minute, pa.int32()),
                "calls": made.calls,
            }
        )
        derived.put("series_minute", date, "writes", hash_of(day), table)
        hours = {
            "kind": ["all"] * 24,
            "minute": pa.array(range(0, DAY, 60), pa.int32()),
            "calls": [series] * 24,
        }
        blank = {
            name: pa.nulls(24, pa.string())
            for name in ("event_source", "event_name", "error_code", "principal_arn")
        }
        where = {"account_id": ["111122223333"] * 24, "aws_region": ["eu-west-1"] * 24}
        derived.put("series_minute", date, "all", hash_of(day), pa.table(hours | blank | where))
        derived.commit(derived.take())


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--series", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--judge", type=int, default=1)
    parser.add_argument("--block", type=int, default=0)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=THREADS, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    if flags.side:
        print(json.dumps(timed(flags.side, flags.file, flags.threads, flags.repeats)))
        return
    found = (
        memory(flags.series or 100_000, flags.days, flags.judge, flags.block)
        if flags.memory
        else compare(flags.rows, flags.series or 5_000, flags.repeats)
    )
    if flags.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if name != "sides":
            print(f"{name}: {value:,}" if not isinstance(value, str) else f"{name}: {value}")
    for name, side in found.get("sides", {}).items():
        told = ", ".join(f"{key} {value:,}" for key, value in side.items())
        print(f"  {name:17} {told}")


if __name__ == "__main__":
    main()

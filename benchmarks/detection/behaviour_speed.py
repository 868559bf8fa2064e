"""Times the numbers and scores of 100,000 principal-days in a lake of 36 M events, and a million rows.

python -m benchmarks.detection.behaviour_speed --place DIR       makes the lake there, once

The lake is one simulated organization of 60 days, copied in SQL: 14 times in time, under six sets of
names. Seconds are of the clock and, beside them, of CPU: on a busy machine only these can be compared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.detection.behaviour import SEED, TEST, engine_over, frame_of
from benchmarks.detection.behaviour_people import DAYS, START
from benchmarks.detection.behaviour_simulation import simulate
from ctanalytics.detectors import behaviour_forest
from ctanalytics.detectors.behaviour_surprise import judge
from ctanalytics.records.schema import EVENTS

NAMES = 6
_MAKE_DAY = """
copy (
    select * exclude (copy) replace (
        case when copy % {names} = 0 then principal_arn
             else concat(principal_arn, '-', copy % {names}) end as principal_arn,
        case when copy % {names} = 0 then actor
             else concat(actor, '-', copy % {names}) end as actor,
        event_time + to_seconds(copy // {names}) as event_time,
        concat(event_id, '-', copy) as event_id
    )
    from (select {columns} from part) cross join range({copies}) as copies(copy)
) to '{target}' (format parquet, compression zstd, row_group_size 122880)
"""


def make(place: Path, principals: int, copies: int) -> list[str]:
    """Write the days that are not there yet, and return all files."""
    targets = {
        date: place / f"event_date={date}" / "0.parquet"
        for date in ((START + dt.timedelta(days=day)).date() for day in range(DAYS))
    }
    if not all(target.exists() for target in targets.values()):
        world = simulate(1, principals, per_kind=0).events
        columns = ", ".join(name for name in EVENTS.names if name != "event_date")
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'; set threads = 2; set memory_limit = '3GB'")
        connection.execute("set preserve_insertion_order = false")
        for date, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = world.filter(pc.equal(world["event_date"], pa.scalar(date)))
            connection.register("part", part)
            connection.execute(
                _MAKE_DAY.format(names=NAMES, columns=columns, copies=copies, target=target)
            )
    return [str(target) for target in targets.values()]


@contextmanager
def timed(what: Callable[[], str]) -> Iterator[None]:
    """Print how long a block took, by the clock and in CPU."""
    clock, used = time.monotonic(), time.process_time()
    yield
    print(
        f"{what()}: {time.monotonic() - clock:.1f} s, {time.process_time() - used:.1f} s of CPU",
        flush=True,
    )


def main() -> None:
    """Make the lake where asked, and time what a nightly run does with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--place", type=Path, required=True, help="folder of the lake")
    parser.add_argument("--principals", type=int, default=400)
    parser.add_argument("--copies", type=int, default=14)
    asked = parser.parse_args()
    files = make(asked.place, asked.principals, asked.copies)
    with engine_over(files) as engine:
        count = engine.sql("select count(*) as n from lake.events")["n"][0].as_py()
        with timed(lambda: f"{count:,} events, {len(frame.day):,} principal-days: their numbers"):
            frame = frame_of(engine)
    with timed(lambda: "the model of a day, and that day's scores"):
        found = judge(frame, TEST[-1], SEED)
    if found is None:
        sys.exit("nobody was judged")
    rows = np.arange(len(frame.day))
    with timed(lambda: f"scores of all {len(rows):,}"):
        found.model.calibrated(found.model.opinions(frame, found.peers, rows).scores)
    many = np.random.default_rng(0).exponential(1.0, (1_000_000, 9)).astype(np.float32)
    forest = behaviour_forest.grow(many[:20_000], SEED)
    with timed(lambda: "the forest on 1,000,000 x 9"):
        forest.scores(many)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory of the process: {peak:.1f} GiB")


if __name__ == "__main__":
    main()

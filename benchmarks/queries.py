"""Questions over a month of 1, 3, 10 and 30 M events: the lake beside hive folders and raw logs.

The lakes are made by shifting times and ids of one simulated lake in SQL; see query_suite.ladder. The
hive peer is DuckDB over one Parquet file for each account, region, day and group, rows in no order;
the raw peer is DuckDB over the simulated .json.gz files themselves, so it stands at the first rung
alone, is asked once, and is stopped after --patience seconds.

    python benchmarks/queries.py --rungs 4

Also investigates the busiest key over 30 days, and tells the timeline of a resource; the peer of the
first is the least that it takes: all calls of that key, whole.
"""

from __future__ import annotations

import argparse
import datetime as dt
import ipaddress
import os
import random
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from query_suite.asking import Took, median, once
from query_suite.ladder import Rung, RungLake, make
from query_suite.questions import largest, of_key, questions, raw

from ctanalytics import settings
from ctanalytics.app.hunt import _hits
from ctanalytics.app.indicators import Indicator
from ctanalytics.app.ingest import ingest
from ctanalytics.app.investigate import investigate
from ctanalytics.app.simulate import simulate
from ctanalytics.app.timeline import timeline
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.lake import Lake

RUNS = 5
SPAN = dt.timedelta(days=30)
PATIENCE = 60.0


def main() -> None:
    """Make the rungs that are not there yet, ask, and print a table for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lake", help="a simulated lake of a month; else one is made")
    parser.add_argument("--logs", type=Path, help="the log files that it was made of")
    parser.add_argument("--rungs", type=int, default=2, help="1 to 4: the lake 1, 3, 11, 32 times")
    parser.add_argument("--only", type=int, help="only this rung")
    parser.add_argument("--work", type=Path, default=Path("build/bench-queries"))
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the middle one counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=PATIENCE)
    parser.add_argument("--hunt", action="store_true", help="also hunt for 100,000 indicators")
    chosen = parser.parse_args()
    if chosen.lake is None:
        chosen.lake, chosen.logs = simulated(chosen.work)
    lake = Lake(chosen.lake)
    for number, rung in enumerate(make(lake, chosen.work, chosen.rungs), 1):
        if chosen.only in (None, number):
            logs = chosen.logs if number == 1 else None
            one_rung(rung, RungLake(chosen.lake, rung.lake), logs, chosen)


def simulated(work: Path) -> tuple[str, Path]:
    """Simulate a month of 1 M events and ingest it, unless that was done."""
    logs, lake = work / "logs", work / "lake"
    if not (lake / "lake.json").exists():
        shutil.rmtree(logs, ignore_errors=True)
        simulate(logs, days=31, accounts=6, events_per_day=32_300, digests="2", file_minutes=60)
        ingest([str(logs)], str(lake))
    return str(lake), logs


def one_rung(rung: Rung, lake: RungLake, logs: Path | None, chosen: Any) -> None:
    """Ask one rung and its peers."""
    hive = duckdb.connect()
    hive.execute(f"set timezone = 'UTC'; set threads = {chosen.threads}")
    hive_events = f"read_parquet({rung.hive}, hive_partitioning = true)"
    with lake.engine(threads=chosen.threads) as engine:
        total = engine.sql("select count(*) as n from events").to_pylist()[0]["n"]
        print(
            f"\n{total:,} events, {len(rung.lake)} files, hive {len(rung.hive)} files, "
            f"{chosen.threads} threads, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        day, principal, key, resource = subjects(engine, rung)
        for question in questions(day, principal):
            ours = median(
                lambda sql=question.sql: engine.sql(sql.format(events="events")), chosen.runs
            )
            theirs = median(
                lambda sql=question.sql: hive.sql(sql.format(events=hive_events)).to_arrow_table(),
                chosen.runs,
            )
            line(question.name, ours, question.bar, theirs)
            if logs is not None:
                of_raw(hive, question.sql, logs, chosen.patience, ours)
        if chosen.hunt:
            hunt(engine)
        newest = engine.sql("select max(event_time) as t from events").to_pylist()[0]["t"]
    asked = settings.Settings(query=settings.Query(threads=chosen.threads))
    span = {"since": newest - SPAN, "until": newest}
    few = min(chosen.runs, 3)
    ours = median(lambda: investigate(lake, kind="key", value=key, settings=asked, **span), few)
    sql = of_key(key).format(events=hive_events)
    line("investigate a busy key", ours, 15.0, median(lambda: hive.sql(sql).to_arrow_table(), 1))
    if logs is not None:
        of_raw(hive, of_key(key), logs, chosen.patience, ours)
    ours = median(lambda: timeline(resource, lake, settings=asked, **span), few)
    line("timeline of a resource", ours, 5.0)


def subjects(engine: Engine, rung: Rung) -> tuple[str, str, str, str]:
    """A day in the middle, its busiest role, the busiest long-lived key, and a resource."""
    days = sorted({Path(file).parent.name for file in rung.lake})
    day = days[len(days) // 2].removeprefix("event_date=")
    (role,) = engine.sql(
        "select principal_arn as p from events where event_date = $1::date "
        "and principal_type = 'role' group by 1 order by count(*) desc, 1 limit 1",
        [day],
    ).to_pylist()
    (key,) = engine.sql(
        "select access_key_id as k, count(*) as n from events "
        "where starts_with(access_key_id, 'AKIA') group by 1 order by 2 desc, 1 limit 1"
    ).to_pylist()
    (changed,) = engine.sql(
        "select arn as r from (select unnest(resource_arns) as arn from events "
        "where event_date = $1::date and not read_only and not is_error and management_event) "
        "group by 1 order by count(*), 1 limit 1",
        [day],
    ).to_pylist()
    print(f"day {day}, role {role['p']}, key with {key['n']:,} calls, {changed['r']}")
    return day, role["p"], key["k"], changed["r"]


def line(name: str, ours: Took, bar: float, theirs: Took | None = None) -> None:
    """Print one question: ours against the bar and the hive folders."""
    ratio = f"  hive {theirs}  {theirs.seconds / ours.seconds:5.1f}x" if theirs else ""
    print(f"{name:24} {ours}  bar {bar:g} s{ratio}", flush=True)


def of_raw(
    connection: duckdb.DuckDBPyConnection, sql: str, logs: Path, patience: float, ours: Took
) -> None:
    """Ask the raw logs once, and print the ratio or that it was stopped."""
    took = once(connection, sql.format(events=raw(logs, largest(logs) + 1)), patience)
    if took is None:
        print(
            f"{'':24} raw logs: stopped after {patience:g} s, over {patience / ours.seconds:,.0f}x"
        )
    else:
        print(f"{'':24} raw logs {took}  {took.seconds / ours.seconds:,.0f}x", flush=True)


def hunt(engine: Engine) -> None:
    """Hunt for 100,000 indicators beside the same join in plain SQL, which may be stopped."""
    rng = random.Random(5)
    networks = [
        f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.0/24"
        for _ in range(60_000)
    ]
    keys = [f"AKIA{rng.getrandbits(64):016X}" for _ in range(39_990)]
    wanted = [Indicator("network", one) for one in dict.fromkeys([*networks, "198.51.100.0/24"])]
    wanted += [Indicator("key", one) for one in keys]
    table = []
    for one in wanted:
        net = ipaddress.ip_network(one.text) if one.kind == "network" else None
        table.append(
            {
                "kind": one.kind,
                "text": one.text,
                "low": int(net.network_address) if net else None,
                "high": int(net.broadcast_address) if net else None,
            }
        )
    engine.register("iocs", pa.Table.from_pylist(table))
    ours = _hits(engine, wanted)
    # Once, and not for ever: a range join of 60,000 networks with all events takes minutes.
    timer = threading.Timer(PATIENCE, engine.interrupt)
    timer.start()
    began = time.perf_counter()
    try:
        theirs = engine.connection.execute(_PLAIN).fetchall()
        if {row["indicator"] for row in ours.to_pylist()} != {row[0] for row in theirs}:
            sys.exit("the two sides found different indicators")
    except duckdb.InterruptException:
        print(f"plain SQL was stopped after {PATIENCE:g} s", flush=True)
    timer.cancel()
    plain = time.perf_counter() - began
    took = median(lambda: _hits(engine, wanted), 3)
    print(f"hunt, 100,000 indicators {took}  plain SQL {plain:.1f} s  {plain / took.seconds:.1f}x")


_PLAIN = """
    select iocs.text, count(*), min(event_time), max(event_time), count(distinct account_id),
        count(distinct coalesce(principal_arn, actor)), arg_min(event_id, event_time, 3)
    from (
        select *,
            cast(split_part(source_ip_address, '.', 1) as ubigint) * 16777216
            + cast(split_part(source_ip_address, '.', 2) as ubigint) * 65536
            + cast(split_part(source_ip_address, '.', 3) as ubigint) * 256
            + cast(split_part(source_ip_address, '.', 4) as ubigint) as address
        from events where source_ip_kind = 'ipv4'
    ) as events
    inner join iocs on events.address >= iocs.low and events.address <= iocs.high
    where iocs.kind = 'network' group by iocs.text
    union all
    select iocs.text, count(*), min(event_time), max(event_time), count(distinct account_id),
        count(distinct coalesce(principal_arn, actor)), arg_min(event_id, event_time, 3)
    from events inner join iocs on iocs.text = events.access_key_id
    where iocs.kind = 'key' group by iocs.text
"""


if __name__ == "__main__":
    main()

"""Questions over a month of many events: the lake beside DuckDB on hive folders and on raw logs.

The month is made by shifting times and ids of a simulated lake in SQL, so that every copy has its
own events, keys and times. The hive layout is one file for account, region and day, rows in the
order in which they came; raw logs are the simulated .json.gz files themselves, once: their figure
is for 1/copies of the events, and is not multiplied.

    python benchmarks/queries.py --copies 31 --work build/bench-queries
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from ctanalytics.app.hunt import _hits
from ctanalytics.app.indicators import Indicator
from ctanalytics.engines.duckdb import Engine, TableFiles
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.records.schema import EVENTS

RUNS = 5
PATIENCE_SECONDS = 60
MAKE_DAY = """
copy (
    select * exclude (copy) replace (
        event_time + to_seconds((copy * 97) % 3600 - 1800) as event_time,
        concat(substr(md5(event_id || copy), 1, 8), substr(event_id, 9)) as event_id,
        case
            when access_key_id is not null
                then concat(substr(access_key_id, 1, 4), upper(substr(md5(access_key_id || copy), 1, 9)), 'EXAMPLE')
        end as access_key_id
    )
    from (from {source}) cross join range({copies}) as copies(copy)
    order by {order}
) to {target} (format parquet, compression zstd, row_group_size 122880)
"""


def make(lake: Lake, work: Path, copies: int) -> tuple[list[str], list[str]]:
    """Write the month twice: sorted by time in a file a day, and in hive folders as it came."""
    done = work / "done.json"
    if done.exists():
        return tuple(json.loads(done.read_text()))  # type: ignore[return-value]
    sorted_files, hive_files = [], []
    by_day: dict[str, list[str]] = {}
    for file in lake.files("events"):
        by_day.setdefault(Path(file).parent.name, []).append(file)
    columns = ", ".join(name for name in EVENTS.names if name != "event_date")
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
    for day, files in sorted(by_day.items()):
        source = f"(select {columns} from read_parquet({files}, hive_partitioning = false))"
        target = work / "sorted" / day / "a.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        sql = MAKE_DAY.format(
            copies=copies, source=source, order="event_time", target=f"'{target}'"
        )
        connection.execute(sql)
        sorted_files.append(str(target))
        places = connection.execute(
            f"select distinct account_id, aws_region from read_parquet('{target}')"
        ).fetchall()
        for account, region in places:
            folder = work / "hive" / f"account_id={account}" / f"aws_region={region}" / day
            folder.mkdir(parents=True, exist_ok=True)
            connection.execute(
                f"copy (select * exclude (account_id, aws_region) from read_parquet('{target}') "
                f"where account_id = '{account}' and aws_region = '{region}' order by hash(event_id)) "
                f"to '{folder}/a.parquet' (format parquet, compression zstd)"
            )
            hive_files.append(f"{folder}/a.parquet")
        print(f"made {day}", file=sys.stderr)
    done.write_text(json.dumps([sorted_files, hive_files]))
    return sorted_files, hive_files


def median(run: Callable[[], Any], runs: int = RUNS) -> float:
    """Seconds of the middle run; the first one, which warms the caches of files, is not counted."""
    run()
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def questions(day: str, principal: str) -> dict[str, tuple[str, float | None]]:
    """Name -> SQL over a relation {events} with event_date, and the bar in seconds."""
    on = f"event_date = date '{day}'"
    hour = f"event_time >= timestamptz '{day} 10:00:00+00' and event_time < timestamptz '{day} 11:00:00+00'"
    return {
        "principal's day": (
            "select event_time, event_source, event_name, error_code, source_ip_address, event_id "
            f"from {{events}} where {on} and principal_arn = '{principal}' order by event_time",
            0.3,
        ),
        "one-hour window": (
            "select event_source, event_name, count(*) from {events} "
            f"where {on} and {hour} group by all",
            0.2,
        ),
        "count by API over all": (
            "select event_source, event_name, count(*) from {events} group by all",
            2.0,
        ),
    }


RAW = """
(select
    record.eventTime::timestamptz as event_time,
    record.eventTime::timestamptz::date as event_date,
    record.eventSource as event_source,
    record.eventName as event_name,
    record.errorCode as error_code,
    record.sourceIPAddress as source_ip_address,
    record.eventID as event_id,
    coalesce(record.userIdentity.sessionContext.sessionIssuer.arn, record.userIdentity.arn) as principal_arn
from (
    select unnest(Records) as record
    from read_json('{logs}/AWSLogs/*/CloudTrail/**/*.json.gz', maximum_object_size = 200000000, columns = {{
        Records: 'STRUCT(eventTime VARCHAR, eventSource VARCHAR, eventName VARCHAR, errorCode VARCHAR, sourceIPAddress VARCHAR, eventID VARCHAR, userIdentity STRUCT(arn VARCHAR, sessionContext STRUCT(sessionIssuer STRUCT(arn VARCHAR))))[]'
    }})
))
"""


def hunting(engine: Engine) -> tuple[float, float, int]:
    """Seconds of a hunt for 100,000 indicators, of the same join in plain SQL, and the hits."""
    rng = random.Random(5)
    networks = [
        f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.0/24"
        for _ in range(60_000)
    ]
    keys = [f"AKIA{rng.getrandbits(64):016X}" for _ in range(39_990)]
    wanted = [Indicator("network", one) for one in dict.fromkeys([*networks, "198.51.100.0/24"])]
    wanted += [Indicator("key", one) for one in keys]
    rows = [(one.kind, one.text) for one in wanted]
    run = engine.connection.execute
    run("create or replace temp table iocs (kind varchar, text varchar, low ubigint, high ubigint)")
    import ipaddress

    import pyarrow as pa

    table = []
    for kind, text in rows:
        net = ipaddress.ip_network(text) if kind == "network" else None
        table.append(
            {
                "kind": kind,
                "text": text,
                "low": int(net.network_address) if net else None,
                "high": int(net.broadcast_address) if net else None,
            }
        )
    engine.register("given", pa.Table.from_pylist(table))
    run("insert into iocs select kind, text, low, high from given")
    plain = """
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
    ours = _hits(engine, wanted)
    # Once, and not for ever: a range join of 60,000 networks with all events takes minutes.
    timer = threading.Timer(PATIENCE_SECONDS, engine.interrupt)
    timer.start()
    began = time.perf_counter()
    try:
        theirs = run(plain).fetchall()
        assert {row["indicator"] for row in ours.to_pylist()} == {row[0] for row in theirs}
    except duckdb.InterruptException:
        print(f"plain SQL was stopped after {PATIENCE_SECONDS} s", flush=True)
    timer.cancel()
    plain_seconds = time.perf_counter() - began
    return median(lambda: _hits(engine, wanted), 3), plain_seconds, ours.num_rows


def main() -> None:
    """Make the month once, ask, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lake", required=True, help="a simulated lake of a month")
    parser.add_argument("--logs", help="the log files that it was made of")
    parser.add_argument("--copies", type=int, default=31)
    parser.add_argument("--work", type=Path, default=Path("build/bench-queries"))
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    sorted_files, hive_files = make(Lake(chosen.lake), chosen.work, chosen.copies)
    tables = {name: TableFiles(spec.schema, (), spec.partition) for name, spec in TABLES.items()}
    tables["events"] = TableFiles(EVENTS, sorted_files, "event_date")
    with Engine(tables, threads=chosen.threads) as engine:
        total = engine.sql("select count(*) as n from events").to_pylist()[0]["n"]
        day = Path(sorted_files[len(sorted_files) // 2]).parent.name.removeprefix("event_date=")
        principal = engine.sql(
            "select principal_arn as p from events where event_date = $1::date and principal_type = 'role' "
            "group by 1 order by count(*) desc limit 1",
            [day],
        ).to_pylist()[0]["p"]
        print(f"{total:,} events in {len(sorted_files)} files, {chosen.threads} threads")
        hive = duckdb.connect()
        hive.execute(f"set timezone = 'UTC'; set threads = {chosen.threads}")
        hive_events = f"read_parquet({hive_files}, hive_partitioning = true)"
        for name, (sql, bar) in questions(day, principal).items():
            ours = median(lambda sql=sql: engine.sql(sql.format(events="events")))
            theirs = median(
                lambda sql=sql: hive.sql(sql.format(events=hive_events)).to_arrow_table()
            )
            line = f"{name:24} {ours:7.3f} s (bar {bar} s)  hive {theirs:7.3f} s  {theirs / ours:5.1f}x"
            if chosen.logs:
                began = time.perf_counter()
                hive.sql(sql.format(events=RAW.format(logs=chosen.logs))).to_arrow_table()
                raw = time.perf_counter() - began
                line += (
                    f"  raw, 1/{chosen.copies} of the events, once {raw:7.1f} s  {raw / ours:6.0f}x"
                )
            print(line, flush=True)
        ours, theirs, hits = hunting(engine)
        print(
            f"hunt, 100,000 indicators {ours:7.2f} s  plain SQL {theirs:7.2f} s  {theirs / ours:5.1f}x  ({hits} met)"
        )
        for view in ("role_chains", "sessions"):
            took = median(lambda view=view: engine.sql(f"select count(*), sum(hop) from {view}"), 1)
            print(f"{view} of all, unfiltered {took:6.1f} s")


if __name__ == "__main__":
    main()

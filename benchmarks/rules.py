"""How fast 200 rules run together over 2 million events, beside each rule's SQL on its own.

python benchmarks/rules.py [--events N] [--rules N] [--rounds N] [--json]

The rules are the packaged ones and, up to the number asked for, rules on the APIs that the lake
has most of, with conditions on JSON parameters, programs and callers, as users write them. The
lake is a simulated organization's, made larger by shifting dates and ids in SQL, in Parquet files
by date as ingest leaves them; two threads.

- together: `sigma.running.run`, from parsed rules to all hits as an Arrow table.
- one by one: for each plain rule its statement over the view `events`, for each correlation a run
  of it alone; also to Arrow. It is the best that can be done without sharing: columns are pruned,
  files and row groups are skipped, nothing is mended.

Both find the same events, which is checked. Rounds take turns; figures are medians.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.app.ingest import ingest
from ctanalytics.app.simulate import simulate
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.settings import Rules
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import packaged, placeholders
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import only, run, statement
from ctanalytics.sigma.span import EVENT, Span

DAYS = 31
PER_DAY = 6_500
THREADS = 2
SPAN = Span(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC))


def small_lake(folder: Path) -> Lake:
    """A simulated organization with all incidents, ingested."""
    simulate(
        folder / "logs",
        days=DAYS,
        events_per_day=PER_DAY,
        seed=11,
        digests="none",
        file_minutes=60,
        workers=1,
    )
    ingest([str(folder / "logs")], str(folder / "lake"))
    return Lake(folder / "lake")


def large_lake(lake: Lake, folder: Path, events: int) -> Engine:
    """The same again and again, each time a month later and under other ids."""
    with lake.engine() as engine:
        known = engine.sql("select count(*) as events from events")["events"][0].as_py()
        copies = -(-events // known)
        for copy in range(copies):
            engine.connection.execute(
                f"copy (select * replace (event_time + interval '{DAYS * copy} days' as event_time, "
                f"cast(event_date + interval '{DAYS * copy} days' as date) as event_date, "
                f"concat(event_id, '-{copy}') as event_id) from events order by event_time) "
                f"to '{folder}' (format parquet, partition_by (event_date), compression zstd, "
                f"filename_pattern 'copy-{copy}-{{i}}', overwrite_or_ignore true)"
            )
    files = sorted(str(file) for file in folder.rglob("*.parquet"))
    tables = {
        name: TableFiles(spec.schema, files if name == "events" else (), spec.partition)
        for name, spec in TABLES.items()
    }
    return Engine(tables, threads=THREADS)


def rules_for(engine: Engine, folder: Path, count: int) -> list[Rule]:
    """The packaged rules, and further ones on the lake's commonest APIs."""
    known = placeholders(Rules(), None)
    found = load([packaged()], known)
    common = engine.sql(
        "select event_source, event_name, mode(user_agent) as agent, mode(identity_arn) as arn, "
        "min(json_keys(request_parameters)[1]) as key from events "
        "where request_parameters is not null group by event_source, event_name "
        f"order by count(*) desc limit {max(count - len(found), 0)}"
    ).to_pylist()
    for number, api in enumerate(common):
        rule = {
            "title": f"{api['event_name']} by somebody else",
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "logsource": {"product": "aws", "service": "cloudtrail"},
            "level": "low",
            "detection": {
                "call": {"eventSource": api["event_source"], "eventName": api["event_name"]},
                "what": {f"requestParameters.{api['key']}|contains": ["a7", "prod", "orders"]},
                "usual": {"userAgent": api["agent"], "userIdentity.arn": api["arn"]},
                "failed": {"errorCode|exists": True},
                "condition": "call and (what or failed) and not usual",
            },
        }
        (folder / f"{number:03d}.yml").write_text(json.dumps(rule), "utf-8")
    return [*found, *load([folder], known)][:count]


def together(engine: Engine, rules: list[Rule]) -> pa.Table:
    """All rules in shared scans: rule, event_id."""
    return run(engine, rules, SPAN).hits.select(["rule", "event_id"])


def one_by_one(engine: Engine, rules: list[Rule]) -> pa.Table:
    """Each rule for itself; the same columns."""
    found = []
    for place, rule in enumerate(rules):
        if rule.correlation is None:
            found.append(engine.sql(statement(rule, SPAN, f"{place} as rule, {EVENT} as event_id")))
        else:
            hits = run(engine, only(rules, place), SPAN).hits.select(["rule", "event_id"])
            found.append(hits.filter(pc.equal(hits["rule"], place)))
    return pa.concat_tables(found)


def by_rule(hits: pa.Table) -> dict[int, set[str]]:
    """The events of each rule."""
    found: dict[int, set[str]] = {}
    for rule, event in zip(hits["rule"].to_pylist(), hits["event_id"].to_pylist(), strict=True):
        found.setdefault(rule, set()).add(event)
    return found


def main() -> None:
    """Measure, print, and fail when the results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules").mkdir()
        (folder / "events").mkdir()
        with large_lake(small_lake(folder), folder / "events", asked.events) as engine:
            events = engine.sql("select count(*) as events from events")["events"][0].as_py()
            rules = rules_for(engine, folder / "rules", asked.rules)
            times: dict[str, list[float]] = {"together": [], "one by one": []}
            results: dict[str, Any] = {}
            for _ in range(asked.rounds):
                for side, work in (("together", together), ("one by one", one_by_one)):
                    started = time.perf_counter()
                    results[side] = work(engine, rules)
                    times[side].append(time.perf_counter() - started)
    results = {side: by_rule(hits) for side, hits in results.items()}
    same = results["together"] == results["one by one"]
    medians = {side: statistics.median(found) for side, found in times.items()}
    told = {
        "events": events,
        "rules": len(rules),
        "threads": THREADS,
        "rules_with_hits": len(results["together"]),
        "events_found": sum(map(len, results["together"].values())),
        "seconds": {side: round(found, 2) for side, found in medians.items()},
        "times_faster": round(medians["one by one"] / medians["together"], 1),
        "same_results": same,
    }
    print(
        json.dumps(told, indent=2)
        if asked.json
        else "\n".join(f"{k}: {v}" for k, v in told.items())
    )
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()

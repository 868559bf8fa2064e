"""One plan of an ingest, run to its end: decode its objects, merge their rows, put the result."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.app import ingest_memory
from ctanalytics.app.ingest_part import decode_part
from ctanalytics.app.ingest_staged import source_of
from ctanalytics.engines.executor import Executor
from ctanalytics.lake import forgotten, plans, replacing, staging, treatment
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import PARTITION, TABLES
from ctanalytics.lake.merge import merge, shares, write
from ctanalytics.records import object_key, schema
from ctanalytics.settings import Ingest, Settings

_FULL: Final = 0.9
"""Of the bytes that a part may have: the rest is room for objects that are larger than others."""


@dataclass
class PlanDone:
    """What a plan came to."""

    parts: list[dict[str, Any]]
    """Results of `decode_part`, in the order of the parts."""
    adds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    repeats: list[str] = field(default_factory=list)
    """Staged files that tell which objects duplicates came from."""
    won: bool = True
    """False when another process ended the plan first: then its result counts, not this."""

    @property
    def set_aside(self) -> bool:
        """Whether something is in quarantine, or an object waits for another try."""
        again = any(ledgers.AGAIN & part["states"].keys() for part in self.parts)
        return again or bool(self.adds.get("quarantine"))

    def _add(self, result: dict[str, Any]) -> None:
        for name, found in result["adds"].items():
            self.adds.setdefault(name, []).extend(found)
        for name, count in result["rows"].items():
            self.rows[name] = self.rows.get(name, 0) + count
        self.duplicates += result["duplicates"]
        if result["repeats"]:
            self.repeats.append(result["repeats"])

    def _write_duplicates(self, lake: Lake, plan_id: int) -> None:
        """Join what all dates tell about duplicates to one file."""
        if not self.repeats:
            return
        rows = staging.read(lake.store, sorted(self.repeats), schema.DUPLICATES)
        rows = rows.append_column("plan_id", pa.array([plan_id] * len(rows), pa.int64()))
        columns = TABLES["duplicates"].file_schema()
        rows = rows.select(columns.names).cast(columns)
        self.adds["duplicates"] = [write(lake.store, "duplicates", rows, None, plan_id)]


def run(
    plan: plans.Plan,
    lake: Lake,
    executor: Executor,
    settings: Settings,
    seen: Callable[[dict[str, Any]], None],
) -> PlanDone:
    """Run a plan whose lease is held, and carry its result into the tables.

    Args:
        seen: is told each part's result as it comes.

    Raises:
        SourceError: the plan's source can't be read here; nothing is committed.
    """
    source_of(plan["source"], lake.store)
    limits = ingest_memory.within(settings.ingest)
    how = {
        "limits": msgspec.to_builtins(limits),
        "treatment": treatment.spec(settings, forgotten.entries(lake.store)),
        # Of who does the work: the plan may be of a process with other settings.
        "settings_hash": treatment.digest(settings),
    }
    parts = []
    for part in executor.map(decode_part, _decode_parts(plan, lake, limits, how)):
        seen(part)
        parts.append(part)
    done = PlanDone(sorted(parts, key=lambda part: int(part["number"])))
    plan_id = plan["plan_id"]
    try:
        replaced = _replaced(plan, lake, done.parts)
        spared = replacing.spared(lake.store) if replaced else frozenset()
        for result in executor.map(
            merge, _merge_parts(plan_id, lake, done.parts, limits, (replaced, spared))
        ):
            done._add(result)
        done._write_duplicates(lake, plan_id)
    except FileNotFoundError:
        # Staged rows are gone when somebody took the plan over, because our lease ran out.
        if plans.version(lake) < plan_id:
            raise
        done.won = False
        return done
    for found in done.adds.values():
        found.sort(key=lambda add: (add["partition"] or "", add["path"]))
    result = {"plan_id": plan_id, "adds": done.adds, "rows": done.rows}
    if replaced:
        result |= {"replaced": sorted(replaced), "spared": sorted(spared)}
    done.won = plans.conclude(lake, plan_id, result)
    return done


def defer(plan: plans.Plan, lake: Lake, reason: str) -> None:
    """Close a dead plan whose source can't be opened here; its objects are tried again."""
    plan_id, now = plan["plan_id"], dt.datetime.now(dt.UTC)
    rows = [
        ledgers.row(found, plan_id, now, state="deferred", reason=reason)
        for found in plan["objects"]
    ]
    table = pa.Table.from_pylist(rows, schema.LOG_FILES)
    add = write(lake.store, "log_files", table, None, plan_id)
    plans.conclude(lake, plan_id, {"plan_id": plan_id, "adds": {"log_files": [add]}})


def _decode_parts(
    plan: plans.Plan, lake: Lake, limits: Ingest, how: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    shared = how | {
        "store": lake.store.spec(),
        "source": plan["source"],
        "plan_id": plan["plan_id"],
        "now": dt.datetime.now(dt.UTC).isoformat(),
    }
    groups = balanced(plan["objects"], limits.part_bytes, limits.part_objects)
    for number, objects in enumerate(groups):
        yield {**shared, "number": number, "objects": objects}


def _merge_parts(
    plan_id: int,
    lake: Lake,
    done: list[dict[str, Any]],
    limits: Ingest,
    replacement: tuple[frozenset[str], frozenset[str]],
) -> Iterator[dict[str, Any]]:
    """Yield the parts of all dates.

    Args:
        replacement: objects whose older rows go, and tables in which they stay all the same.
    """
    replaced, spared = replacement
    names = f"{staging.folder(plan_id)}replaced.arrow" if replaced else None
    if names:
        replacing.save(lake.store, names, replaced)
    staged: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    sizes: dict[tuple[str, str | None], int] = {}
    for result in done:
        for manifest in result["staged"]:
            place = (manifest["table"], manifest["date"])
            staged.setdefault(place, []).append(manifest)
            sizes[place] = sizes.get(place, 0) + manifest["bytes"]
    dates = sorted({date for _, date in staged if date})
    existing = {name: _existing(lake, name, dates) for name in {table for table, _ in staged}}
    existing["event_conflicts"] = _existing(lake, "event_conflicts", dates)
    spec = lake.store.spec()
    # The largest first: then all workers end at about the same time.
    for place in sorted(staged, key=lambda place: (-sizes[place], str(place))):
        table, date = place
        count = shares(table, sizes[place], limits.merge_bytes)
        for number in range(count):
            yield {
                "store": spec,
                "plan_id": plan_id,
                "table": table,
                "date": date,
                "staged": staged[place],
                "merge_bytes": limits.merge_bytes,
                "share": (number, count),
                "replaced": None if table in spared else names,
                "existing": existing[table].get(date, []),
                "conflicts": existing["event_conflicts"].get(date, []) if date else [],
            }


def _replaced(plan: plans.Plan, lake: Lake, done: list[dict[str, Any]]) -> frozenset[str]:
    """Objects of a reingest whose new rows take the place of the old ones.

    An object that can't be read now, or has other content than before, keeps its old rows: log
    files never change, and who changes one shall not change what the lake says.
    """
    if not plan.get("reingest"):
        return frozenset()
    known = {
        f"{found['bucket']}/{found['key']}": found.get("known_sha256") for found in plan["objects"]
    }
    paths = [
        manifest["path"]
        for part in done
        for manifest in part["staged"]
        if manifest["table"] == "log_files"
    ]
    rows = staging.read(lake.store, paths, schema.LOG_FILES).to_pylist()
    read = {f"{row['bucket']}/{row['key']}": row for row in rows}
    return frozenset(
        name
        for name, row in read.items()
        if row["state"] in ledgers.READ and known.get(name) in (None, row["sha256"])
    )


def balanced(
    objects: list[dict[str, Any]], size_limit: int, count_limit: int
) -> Iterator[list[dict[str, Any]]]:
    """Objects in parts of about the same work, by the day of their delivery.

    An object's work is its share of the bytes and of the number that a part may have: a request
    costs something whatever comes back. What one part holds of one day shares more texts, and fewer
    files are staged for each day: 4 % less CPU than in the order of the listing.

    Args:
        size_limit, count_limit: bytes and objects that no part exceeds, but one of a single object.
    """
    size = sum(found["size_bytes"] for found in objects)
    parts = math.ceil(max(size / size_limit / _FULL, len(objects) / count_limit))
    share = (size / size_limit + len(objects) / count_limit) / max(parts, 1)
    group: list[dict[str, Any]] = []
    held, done, carried = 0, 0.0, 0.0
    for found in sorted(objects, key=_delivery_date):
        work = found["size_bytes"] / size_limit + 1 / count_limit
        is_full = held + found["size_bytes"] > size_limit or len(group) >= count_limit
        if group and (is_full or carried + done + work / 2 > share):
            yield group
            # What this part has too much or too little, the next one has the other way round.
            carried = min(max(carried + done - share, -share / 2), work / 2)
            group, held, done = [], 0, 0.0
        group.append(found)
        held += found["size_bytes"]
        done += work
    if group:
        yield group


def _delivery_date(found: dict[str, Any]) -> dt.date:
    # Members of one archive stay in its order: they are read forwards, see `sources.archives`.
    date = None if found.get("locator") else object_key.parse(found["key"]).delivery_date
    return date or dt.date.min


def _existing(lake: Lake, name: str, dates: list[str]) -> dict[str | None, list[dict[str, Any]]]:
    """A table's files by date, with the span of their times; of a partitioned one those of dates."""
    spec = TABLES[name]
    if not (spec.partitioned or spec.keyed):
        return {}
    time = staging.time_column(spec.schema)
    actions = pa.table(lake.table(name).get_add_actions(flatten=True))
    if spec.partitioned:
        # Of years of dates a plan touches a few: 100,000 files as Python objects take a second.
        wanted = pa.array(map(dt.date.fromisoformat, dates), pa.date32())
        actions = actions.filter(pc.is_in(actions[f"partition.{PARTITION}"], wanted))
    found: dict[str | None, list[dict[str, Any]]] = {}
    for action in actions.to_pylist():
        since, until = action.get(f"min.{time}"), action.get(f"max.{time}")
        date = action[f"partition.{PARTITION}"].isoformat() if spec.partitioned else None
        found.setdefault(date, []).append(
            {
                "path": action["path"],
                "since": since.isoformat() if since else None,
                "until": until.isoformat() if until else None,
            }
        )
    return found

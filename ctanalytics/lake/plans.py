"""Plans: what an ingest set out to do, so that anyone can finish it after a crash.

`plans/N.json` is put once: it claims the number. `plans/N.result.json` is put once: it defines
what plan N adds to every table. Whoever finds a result carries it into the tables; plan N+1
begins when all tables have plan N.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ctanalytics.errors import LakeError, LakeNewer
from ctanalytics.lake import replacing, staging
from ctanalytics.lake.lake import CREATE_LEASE, Lake
from ctanalytics.lake.layout import INGEST_TABLES

PLAN_FORMAT: Final = 1
_KEYS: Final = frozenset(("plan_id", "source", "objects", "settings_hash"))

Plan = dict[str, Any]
PlanResult = dict[str, Any]


def plan_path(plan_id: int) -> str:
    """Return where a plan lies."""
    return f"plans/{plan_id:012d}.json"


def result_path(plan_id: int) -> str:
    """Return where a plan's result lies."""
    return f"plans/{plan_id:012d}.result.json"


def lease_name(plan_id: int) -> str:
    """Return the lease of whoever runs a plan."""
    return f"plan-{plan_id:012d}"


def version(lake: Lake) -> int:
    """Return the last plan that any table has."""
    return max(lake.ingest_version(name) for name in INGEST_TABLES)


def roll_forward(lake: Lake) -> int:
    """Carry every result into all tables, and return the number of the next plan."""
    for path in sorted(lake.store.list("plans/")):
        if path.endswith(".result.json"):
            fold(lake, int(path.removeprefix("plans/").partition(".")[0]))
    done = version(lake)
    for path in list(lake.store.list("plans/")):
        plan_id = int(path.removeprefix("plans/").partition(".")[0])
        if plan_id <= done:
            forget(lake, plan_id)
    return done + 1


def fold(lake: Lake, plan_id: int) -> None:
    """Commit a plan's files to the tables that lack them; `events` last."""
    try:
        result: PlanResult = json.loads(lake.store.read(result_path(plan_id)))
    except FileNotFoundError:
        return  # somebody else folded it
    for name in INGEST_TABLES:
        spared = name in result.get("spared", ())
        replaced = frozenset(() if spared else result.get("replaced", ()))
        replacing.commit(lake, name, plan_id, result["adds"].get(name, []), replaced)
    forget(lake, plan_id)


def forget(lake: Lake, plan_id: int) -> None:
    """Remove what a plan leaves behind once all tables have it."""
    # The plan goes first: without it, nobody starts the work again. The result goes last: while it
    # is there, whoever finds it does this once more.
    lake.store.delete(plan_path(plan_id))
    lake.store.delete_tree(staging.folder(plan_id))
    lake.store.delete(result_path(plan_id))


def sweep(lake: Lake) -> None:
    """Remove staged rows and leases of plans that are done: a killed ingest could not do it."""
    done = version(lake)
    folders = {path[: len(staging.folder(0))] for path in lake.store.list("staging/")}
    for folder in sorted(folders):
        if folder <= staging.folder(done):
            lake.store.delete_tree(folder)
    for path in list(lake.store.list("leases/")):
        of_plan = path.startswith("leases/plan-") and path <= f"leases/{lease_name(done)}.json"
        if of_plan or path == f"leases/{CREATE_LEASE}.json":
            lake.store.delete(path)


def claim(lake: Lake, plan: Plan) -> bool:
    """Put a plan under its number; False when another ingest has the number.

    Args:
        plan: plan_id, owner (of the lease: no two plans have the same bytes), source, objects,
            settings_hash.
    """
    plan = plan | {"format_version": PLAN_FORMAT}
    plan_id = plan["plan_id"]
    if not lake.store.put_once(plan_path(plan_id), json.dumps(plan).encode()):
        return False
    if version(lake) >= plan_id:
        # The number was used, folded and removed between our look and our put.
        lake.store.delete(plan_path(plan_id))
        return False
    return True


def pending(lake: Lake, plan_id: int) -> Plan | None:
    """Return a plan that is not done; None when there is none of this number."""
    try:
        data = lake.store.read(plan_path(plan_id))
    except FileNotFoundError:
        return None
    try:
        plan: Plan = json.loads(data)
        newer = plan["format_version"] > PLAN_FORMAT
        if not newer and not (plan["plan_id"] == plan_id and plan.keys() >= _KEYS):
            raise KeyError("it lacks some of its parts")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(
            f"an unfinished plan can't be read: {error}",
            where=f"{lake.uri}/{plan_path(plan_id)}",
            mend="remove that file; its objects are then read anew",
        ) from error
    if newer:
        raise LakeNewer(
            "a newer ctanalytics has left an ingest unfinished",
            where=f"{lake.uri}/{plan_path(plan_id)}",
            mend="finish it with that version: run its `ctanalytics ingest` again",
        )
    return plan


def conclude(lake: Lake, plan_id: int, result: PlanResult) -> bool:
    """Put a plan's result and fold it; False when another process's result came first."""
    won = lake.store.put_once(result_path(plan_id), json.dumps(result).encode())
    fold(lake, plan_id)
    return won

"""What is left of work that did not end: plans, staged rows, leases; and who may read the lake."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctanalytics.lake import lease, plans, staging
from ctanalytics.lake.check_files import Flaw
from ctanalytics.lake.compact import SPILL
from ctanalytics.lake.layout import INGEST_TABLES
from ctanalytics.lake.maintenance import LEASE, Snapshot

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

_PLAN: Final = re.compile(r"plans/(\d{12})\.(result\.)?json")
_LEASE: Final = re.compile(r"leases/(.+)\.json")
_NEXT_INGEST: Final = "run `ctanalytics ingest` again: every ingest first ends what was left"


def state_flaws(lake: Lake, seen: Mapping[str, Snapshot]) -> Iterator[Flaw]:
    """Yield what does not belong to a lake at which nobody works.

    What belongs to a process that is alive is no flaw.
    """
    alive = set(_alive(lake))
    plan_ids = sorted(_plans(lake))
    at_work = any(plans.lease_name(plan_id) in alive for plan_id in plan_ids)
    yield from _version_flaws(lake, seen, at_work=at_work)
    done = max(seen[name].ingested for name in INGEST_TABLES)
    for plan_id in plan_ids:
        if plans.lease_name(plan_id) not in alive:
            what = f"plan {plan_id} of an ingest has not come to its end, and nobody is at it"
            yield Flaw("plan", "", plans.plan_path(plan_id), what, _NEXT_INGEST)
    folders = {path.split("/")[1] for path in lake.store.list("staging/")}
    for name in sorted(folders):
        yield from _staging_flaws(name, plan_ids, done, alive)
    for name in sorted(_leases(lake) - alive):
        what = "a lease of a process that is gone"
        mend = "nothing: whoever needs it takes it over"
        yield Flaw("lease", "", f"leases/{name}.json", what, mend)
    yield from _mode_flaws(lake)


def _version_flaws(lake: Lake, seen: Mapping[str, Snapshot], *, at_work: bool) -> Iterator[Flaw]:
    versions = {name: seen[name].ingested for name in INGEST_TABLES}
    if len(set(versions.values())) == 1 or at_work:
        return
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield Flaw("plan", "", lake.uri, f"tables have different ingest plans: {told}", _NEXT_INGEST)


def _staging_flaws(name: str, plan_ids: list[int], done: int, alive: set[str]) -> Iterator[Flaw]:
    path = f"staging/{name}/"
    if path.startswith(SPILL):
        if LEASE not in alive:
            what = "what a compaction left that was stopped"
            yield Flaw("staging", "", path, what, "run `ctanalytics lake compact`")
        return
    waiting = {staging.folder(plan_id) for plan_id in plan_ids if plan_id > done}
    at_work = f"plan-{name}" in alive
    if path not in waiting and not at_work:
        what = "staged rows that no plan needs"
        yield Flaw("staging", "", path, what, _NEXT_INGEST)


def _mode_flaws(lake: Lake) -> Iterator[Flaw]:
    if not lake.store.is_local:
        return
    mode = stat.S_IMODE(Path(lake.uri).stat().st_mode)
    if mode & 0o077:
        what = f"other users may enter the lake (mode {mode:04o}), and logs name people and secrets"
        yield Flaw("access", "", lake.uri, what, "chmod 700 that folder")


def _plans(lake: Lake) -> set[int]:
    found = (_PLAN.fullmatch(path) for path in lake.store.list("plans/"))
    return {int(match[1]) for match in found if match}


def _leases(lake: Lake) -> set[str]:
    found = (_LEASE.fullmatch(path) for path in lake.store.list("leases/"))
    return {match[1] for match in found if match}


def _alive(lake: Lake) -> Iterator[str]:
    for name in _leases(lake):
        held = _lease(lake, name)
        try:
            if lease.alive(held["holder"], held["expires_at"]):
                yield name
        except (KeyError, TypeError, ValueError, AttributeError):
            continue


def _lease(lake: Lake, name: str) -> dict[str, Any]:
    try:
        found = json.loads(lake.store.read(f"leases/{name}.json"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

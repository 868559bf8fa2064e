"""Every side by its name, and what a process of the benchmark does to be one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest_suite import peers, s3_part, steps

OURS = "ctanalytics"


def ours(source: str, out: str, workers: int, **options: Any) -> dict[str, Any]:
    """Ingest into a new lake; what was written, and what it took in requests.

    Args:
        options: endpoint_url (of a source in S3), and settings of `[ingest]`.
    """
    from ctanalytics.app.ingest import ingest
    from ctanalytics.settings import Aws, Ingest, Settings

    endpoint = options.pop("endpoint_url", "")
    dry_run = options.pop("dry_run", False)
    settings = Settings(
        ingest=Ingest(workers=workers, **options), source_aws=Aws(endpoint_url=endpoint)
    )
    result = ingest(
        [source], out, settings=settings, since=_EPOCH if endpoint else None, dry_run=dry_run
    )
    if not result.complete:
        raise SystemExit(f"not all was ingested: {result}")
    return {
        "rows": result.records_written + result.records_duplicate,
        "objects": result.objects_listed,
        "lists": result.list_requests,
        "gets": result.get_requests,
        "seconds": result.seconds,
    }


def _epoch() -> Any:
    import datetime as dt

    return dt.datetime(2013, 11, 13, tzinfo=dt.UTC)


_EPOCH = _epoch()


def _peer(name: str) -> Callable[..., dict[str, Any]]:
    def run(source: str, out: str, workers: int, **options: Any) -> dict[str, Any]:
        return {"rows": peers.PEERS[name](Path(source), Path(out), workers, **options)}

    return run


SIDES: dict[str, Callable[..., dict[str, Any]]] = {
    OURS: ours,
    "steps": steps.ours_by_step,
    "floors": steps.floors,
    "listing": s3_part.list_all,
    **{name: _peer(name) for name in peers.PEERS},
}


_WITH_PANDAS = ("chdb", "spark")
"""Sides that can't do without. It comes into the environment with them, and libraries of the
others load it when they find it, which costs 0.25 s at each start that a user does not have."""


def be(request: str) -> None:
    """Be one side: do the work, and print what it came to."""
    asked = json.loads(request)
    if asked["side"] not in _WITH_PANDAS:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    print(json.dumps(SIDES[asked.pop("side")](**asked)))

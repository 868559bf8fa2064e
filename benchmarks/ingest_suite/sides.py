"""Our sides by their names, and what a process of the benchmark does to be one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ingest_suite import s3_part, steps

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


SIDES: dict[str, Callable[..., dict[str, Any]]] = {
    OURS: ours,
    "steps": steps.ours_by_step,
    "floors": steps.floors,
    "listing": s3_part.list_all,
}


def be(request: str) -> None:
    """Be one side: do the work, and print what it came to."""
    asked = json.loads(request)
    print(json.dumps(SIDES[asked.pop("side")](**asked)))

"""A worker's share of an ingest: fetch a group of objects, decode them, stage their rows."""

from __future__ import annotations

import datetime as dt
import gc
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pyarrow as pa

from ctanalytics.app.ingest_seen import Seen
from ctanalytics.app.ingest_staged import StagedSource, source_of
from ctanalytics.lake import ledger, staging, treatment
from ctanalytics.lake.config_rows import Spill
from ctanalytics.lake.decode import Decoder, Fault, Limits, Outcome
from ctanalytics.lake.store import store_from
from ctanalytics.lake.treatment import Treatment
from ctanalytics.records import object_key, schema
from ctanalytics.sources.base import FAULTS, Fetched, LogObject, Source, Unread

_PROBE_FILE: Final = "ConfigWritabilityCheckFile"


def listed(obj: LogObject) -> dict[str, Any]:
    """An object of a listing as a plan has it."""
    return {
        "bucket": obj.bucket,
        "key": obj.key,
        "etag": obj.etag,
        "size_bytes": obj.size_bytes,
        "last_modified": obj.last_modified.isoformat(),
        "storage_class": obj.storage_class,
        "version_id": obj.version_id,
        "restored": obj.restored,
        "archived": obj.archived,
        "locator": obj.locator,
        "refused": [obj.refused.reason, obj.refused.detail] if obj.refused else None,
    }


def log_object(found: dict[str, Any]) -> LogObject:
    """Return the object that `listed` described."""
    return LogObject(
        bucket=found["bucket"],
        key=found["key"],
        etag=found["etag"],
        size_bytes=found["size_bytes"],
        last_modified=dt.datetime.fromisoformat(found["last_modified"]),
        storage_class=found["storage_class"],
        version_id=found["version_id"],
        restored=found["restored"],
        locator=found.get("locator"),
        refused=Unread(*found["refused"]) if found.get("refused") else None,
    )


def decode_part(part: dict[str, Any]) -> dict[str, Any]:
    """Decode one group of objects; a worker's task, see `engines.executor`.

    Args:
        part: store and source (their specs), plan_id, number (of the part), objects (as `listed`
            makes them, with `known_sha256`), limits (settings.Ingest as a dict), treatment (its
            spec), settings_hash, now (ISO text).

    Returns:
        staged (manifests), states (count by state), filtered_by_rule, and counts: records,
        records_quarantined, records_filtered, bytes_read, bytes_decompressed, gets, rewritten (objects with other content than when read before).
    """
    # Thousands of records live until the part ends; looking for cycles among them is lost time.
    gc.disable()
    try:
        return _decode_part(part)
    finally:
        gc.enable()


def _decode_part(part: dict[str, Any]) -> dict[str, Any]:
    limits = part["limits"]
    now = dt.datetime.fromisoformat(part["now"])
    source = source_of(part["source"], part["store"])
    treated = treatment.from_spec(part["treatment"])
    seen = Seen()
    rows: list[dict[str, Any]] = []
    staged: list[dict[str, Any]] = []

    def spill(items: pa.Table) -> None:
        seen.add_items(items)
        staged.extend(_stage(part, {"config_items": items}))

    decoder = _decoder(part, treated, spill)
    states: dict[str, int] = {}
    bytes_read = waiting = rewritten = 0
    for found, fetched in _fetched(source, part["objects"], limits):
        if isinstance(fetched, bytes):
            bytes_read += len(fetched)
        columns = _outcome(decoder, found, fetched)
        columns["settings_hash"] = part["settings_hash"]
        row = ledger.row(found, part["plan_id"], now, **columns)
        states[row["state"]] = states.get(row["state"], 0) + 1
        rows.append(row)
        rewritten += _is_rewritten(found, row["sha256"])
        waiting += row["bytes_decompressed"] or 0
        # Who can call an API with a long text of one letter can make files that unpack a
        # thousandfold: rows leave memory by the size of what was unpacked, not of what was read.
        if waiting >= limits["part_unpacked_bytes"]:
            staged += _staged(part, decoder, [], seen)
            decoder, waiting = _decoder(part, treated, spill), 0
    staged += _staged(part, decoder, rows, seen)
    return {
        "number": part["number"],
        "staged": staged,
        "states": states,
        "records": sum(row["records"] or 0 for row in rows),
        "records_quarantined": sum(row["records_quarantined"] or 0 for row in rows),
        "records_filtered": seen.filtered.total(),
        "filtered_by_rule": dict(seen.by_rule),
        "bytes_read": bytes_read,
        "bytes_decompressed": sum(row["bytes_decompressed"] or 0 for row in rows),
        "gets": source.requests.gets,
        "rewritten": rewritten,
    }


def _decoder(part: dict[str, Any], treated: Treatment, spill: Spill) -> Decoder:
    limits = part["limits"]
    return Decoder(
        limits=Limits(limits["max_decompressed_bytes"], limits["max_expansion"]),
        now=dt.datetime.fromisoformat(part["now"]),
        plan_id=part["plan_id"],
        treatment=treated,
        spill=spill,
    )


def _staged(
    part: dict[str, Any], decoder: Decoder, files: list[dict[str, Any]], seen: Seen
) -> list[dict[str, Any]]:
    decoded = decoder.finish()
    seen.add(decoded)
    seen.note(files)
    now = dt.datetime.fromisoformat(part["now"])
    tables = {
        "events": decoded.events,
        "aws_insights": decoded.insights,
        "aggregated_events": decoded.aggregated,
        "config_items": decoded.config_items,
        "quarantine": _quarantine(decoded.faults, part["plan_id"], now),
        "log_files": pa.Table.from_pylist(files, schema.LOG_FILES),
    }
    return _stage(part, tables)


def _stage(part: dict[str, Any], tables: dict[str, pa.Table]) -> list[dict[str, Any]]:
    name = f"part-{part['number']:06d}-{uuid.uuid4().hex[:12]}"
    return staging.stage(store_from(part["store"]), part["plan_id"], name, tables)


def _fetched(
    source: Source | StagedSource, objects: list[dict[str, Any]], limits: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], Fetched | None]]:
    """Objects with their bytes, in order; from S3 several requests are under way at a time."""

    def read(found: dict[str, Any]) -> Fetched | None:
        is_marker = found["etag"] and not found["size_bytes"]
        if found["archived"] or is_marker or found["key"].endswith(_PROBE_FILE):
            return None
        return source.read(log_object(found), limits["max_object_bytes"])

    if not objects or objects[0]["bucket"] == "file":
        for found in objects:
            yield found, read(found)
        return
    ahead = limits["requests_in_flight"]
    waiting: deque[tuple[dict[str, Any], Future[Fetched | None]]] = deque()
    with ThreadPoolExecutor(ahead) as threads:
        held = 0
        for found in objects:
            # Decoding is slower than a fast network: what waits is bounded by number and by bytes.
            while waiting and (
                len(waiting) >= 2 * ahead or held + found["size_bytes"] > limits["max_object_bytes"]
            ):
                first, future = waiting.popleft()
                held -= first["size_bytes"]
                yield first, future.result()
            waiting.append((found, threads.submit(read, found)))
            held += found["size_bytes"]
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _outcome(decoder: Decoder, found: dict[str, Any], fetched: Fetched | None) -> dict[str, Any]:
    """The ledger's columns about what became of an object."""
    parsed = object_key.parse(found["key"])
    columns: dict[str, Any] = {
        "kind": parsed.kind,
        "account_id": parsed.account_id,
        "aws_region": parsed.aws_region,
        "delivery_date": parsed.delivery_date,
        "delivered_at": parsed.stamp,
        "records": 0,
        "records_quarantined": 0,
    }
    if fetched is None:
        return columns | _not_fetched(found)
    if isinstance(fetched, Unread):
        state = "quarantined" if fetched.reason in FAULTS else fetched.reason
        if state == "quarantined":
            decoder.faults.append(
                Fault(
                    found["bucket"], found["key"], None, None, fetched.reason, fetched.detail, None
                )
            )
        return columns | {"state": state, "reason": fetched.detail}
    outcome: Outcome = decoder.add(found["bucket"], found["key"], fetched)
    reason = outcome.reason
    if _is_rewritten(found, outcome.sha256):
        changed = "its content is another than when it was read before; the old rows stay"
        reason = f"{reason}; {changed}" if reason else changed
    return columns | {
        "kind": outcome.kind,
        "state": outcome.state,
        "reason": reason,
        "records": outcome.records,
        "records_quarantined": outcome.records_quarantined,
        "bytes_decompressed": outcome.bytes_decompressed,
        "sha256": outcome.sha256,
    }


def _is_rewritten(found: dict[str, Any], sha256: str | None) -> bool:
    """Whether an object was read before and had other content: log files never change."""
    known = found.get("known_sha256")
    return bool(known and sha256 and known != sha256)


def _not_fetched(found: dict[str, Any]) -> dict[str, Any]:
    if found["archived"]:
        reason = f"storage class {found['storage_class']}: restore it first"
        return {"state": "archived", "reason": reason}
    return {"state": "skipped", "reason": "a marker without content"}


def _quarantine(faults: list[Fault], plan_id: int, now: dt.datetime) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "bucket": fault.bucket,
                "key": fault.key,
                "record": fault.record,
                "json_path": fault.json_path,
                "reason": fault.reason,
                "detail": fault.detail[:2_000],
                "content": fault.content,
                "plan_id": plan_id,
                "quarantined_at": now,
            }
            for fault in faults
        ],
        schema.QUARANTINE,
    )

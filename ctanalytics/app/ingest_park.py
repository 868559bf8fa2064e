"""A plan of messages that can't be understood: kept whole in the lake, then deletable."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from ctanalytics.app.ingest_plan import PlanDone
from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake import plans
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.merge import write
from ctanalytics.records import schema


def run(plan: plans.Plan, lake: Lake) -> PlanDone:
    """Run a plan of such messages: each becomes a row of the quarantine, with its body.

    Args:
        plan: its `parked` are dicts with bucket ("sqs"), key (queue and message id), etag,
            size_bytes, last_modified, version_id, storage_class (None), reason, body.
    """
    plan_id, now = plan["plan_id"], dt.datetime.now(dt.UTC)
    files, faults = [], []
    for found in plan["parked"]:
        reason = found["reason"]
        files.append(
            ledgers.row(found, plan_id, now, kind="message", state="quarantined", reason=reason)
        )
        faults.append(
            dict.fromkeys(schema.QUARANTINE.names)
            | {
                "bucket": found["bucket"],
                "key": found["key"],
                "reason": "message",
                "detail": reason,
                "content": found["body"].encode("utf-8", "backslashreplace"),
                "plan_id": plan_id,
                "quarantined_at": now,
            }
        )
    tables = {
        "log_files": pa.Table.from_pylist(files, schema.LOG_FILES),
        "quarantine": pa.Table.from_pylist(faults, schema.QUARANTINE),
    }
    done = PlanDone([])
    for name, rows in tables.items():
        done.adds[name] = [write(lake.store, name, rows, None, plan_id)]
        done.rows[name] = len(rows)
    result = {"plan_id": plan_id, "adds": done.adds, "rows": done.rows}
    done.won = plans.conclude(lake, plan_id, result)
    return done

"""Snapshots of the account that is set up well, with some answers of AWS changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from ctanalytics.posture import CHECKS
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.seen import Seen
from ctanalytics.posture.snapshot import Read, Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from tests.posture import account

NOW = dt.datetime.now(dt.UTC)


def ago(**spans: float) -> str:
    return (NOW - dt.timedelta(**spans)).isoformat()


def changed(
    snapshot: Snapshot, api: str, change: Callable[[Any], None], about: str = ""
) -> Snapshot:
    """Change the answers of an API, all of them or those whose request names something."""
    reads = []
    for read in snapshot.reads.values():
        if read.ask.api == api and about in json.dumps(dict(read.ask.request)):
            answer = json.loads(json.dumps(read.answer if read.answer is not None else {}))
            change(answer)
            reads.append(Read(read.ask, answer=answer))
    assert reads, f"no such read: {api} {about}"
    return snapshot.with_reads(reads)


def put(**values: Any) -> Callable[[Any], None]:
    return lambda answer: answer.update(values)


def one(
    name: str,
    snapshot: Snapshot,
    resource: str = "",
    *,
    expected: Expected = account.EXPECTED,
    seen: Seen | None = None,
) -> Finding:
    """The finding of a check on one resource, the gravest when several."""
    found = run(View(snapshot, expected, seen), [(name, CHECKS[name])])
    chosen = [each for each in found if resource in each.resource]
    return sorted(chosen, key=lambda each: ("fail", "unknown", "pass").index(each.status))[0]


def policy(bucket: str, change: Callable[[list[Any]], Any]) -> Callable[[Any], None]:
    """Change the statements of a bucket's policy."""

    def apply(answer: Any) -> None:
        found = json.loads(answer["Policy"])
        change(found["Statement"])
        answer["Policy"] = json.dumps(found)

    return apply


def drop(operator: str, key: str) -> Callable[[list[Any]], None]:
    def apply(rows: list[Any]) -> None:
        rows[:] = [row for row in rows if key not in row.get("Condition", {}).get(operator, {})]

    return apply


def rewrite(old: str, new: str) -> Callable[[Any], None]:
    return lambda answer: answer.update(Policy=answer["Policy"].replace(old, new))

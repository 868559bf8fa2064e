"""What a setting may be, beyond its type."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterator

from ctanalytics.settings.sections import Care, Rules, Settings


def out_of_range(settings: Settings) -> Iterator[str]:
    """Say of each setting that can't be used which it is and what it must be."""
    for name in (
        "plan_bytes",
        "plan_objects",
        "part_bytes",
        "part_objects",
        "part_unpacked_bytes",
        "merge_bytes",
        "memory_bytes",
        "requests_in_flight",
    ):
        if getattr(settings.ingest, name) < 1:
            yield f"ingest.{name}: must be at least 1"
    for name in ("ask_above", "sweep_days", "queue_hidden_seconds", "follow_seconds"):
        if getattr(settings.ingest, name) < 1:
            yield f"ingest.{name}: must be at least 1"
    if not 0 <= settings.ingest.queue_wait_seconds <= 20:
        yield "ingest.queue_wait_seconds: must be 0 to 20"
    if settings.ingest.restore_tier not in ("Bulk", "Standard", "Expedited"):
        yield "ingest.restore_tier: must be Bulk, Standard or Expedited"
    if settings.ingest.workers < 0:
        yield "ingest.workers: must be 0 (one for each core) or more"
    yield from _care_out_of_range(settings.care)
    for name in ("timeout_seconds", "memory_bytes", "threads"):
        if getattr(settings.query, name) < 0:
            yield f"query.{name}: must be 0 (no limit of ours) or more"
    for name in settings.lookups:
        if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", name):
            yield f"lookups.{name}: a table's name is lower-case letters, digits and _"
    if not settings.detect.budget > 0:
        yield "detect.budget: must be more than 0 (false pages per week)"
    yield from _rules_out_of_range(settings.rules)
    if settings.emit.min_severity not in ("info", "low", "medium", "high", "critical"):
        yield "emit.min_severity: must be info, low, medium, high or critical"
    if settings.log_format not in ("text", "json"):
        yield "log_format: must be text or json"


def _care_out_of_range(care: Care) -> Iterator[str]:
    for name in ("file_bytes", "group_rows", "open_files", "late_files", "memory_bytes"):
        if getattr(care, name) < 1:
            yield f"care.{name}: must be at least 1"
    for name in ("workers", "closes_after_hours", "late_share", "retention_hours"):
        if not getattr(care, name) >= 0:
            yield f"care.{name}: must be 0 or more"
    if not 1 <= care.zstd_level <= 22:
        yield "care.zstd_level: must be from 1 to 22"
    if not care.sort:
        yield "care.sort: must name at least one column of events"


def _rules_out_of_range(rules: Rules) -> Iterator[str]:
    if rules.group_hours < 1 or 24 % rules.group_hours:
        yield "rules.group_hours: must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24"
    for number, exception in enumerate(rules.exceptions, start=1):
        where = f"rules.exceptions, entry {number}"
        if not exception.rule or not exception.reason:
            yield f"{where}: needs a rule and a reason"
        try:
            if exception.network:
                ipaddress.ip_network(exception.network, strict=False)
            if exception.until:
                dt.datetime.fromisoformat(exception.until)
        except ValueError as error:
            yield f"{where}: {error}"

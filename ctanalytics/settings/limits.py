"""What a setting may be, beyond its type."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import zoneinfo
from collections.abc import Iterator, Sequence

from ctanalytics.settings.sections import (
    Allow,
    Care,
    Detect,
    Emit,
    Incidents,
    Nightly,
    Route,
    RuleException,
    Rules,
    Settings,
    TargetOptions,
)

_SEVERITIES = ("info", "low", "medium", "high", "critical")
_LANGUAGES = ("en", "ja")
_SERIES = ("writes", "errors", "reads", "data", "network")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


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
    if settings.execution.part_bytes < 1:
        yield "execution.part_bytes: must be at least 1"
    yield from _care_out_of_range(settings.care)
    for name in ("timeout_seconds", "memory_bytes", "threads"):
        if getattr(settings.query, name) < 0:
            yield f"query.{name}: must be 0 (no limit of ours) or more"
    for name in settings.lookups:
        if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", name):
            yield f"lookups.{name}: a table's name is lower-case letters, digits and _"
    if not settings.detect.budget > 0:
        yield "detect.budget: must be more than 0 (false pages per week)"
    if settings.detect.behaviour_rows < 1 or 24 % settings.detect.behaviour_rows:
        yield "detect.behaviour_rows: must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24"
    yield from _allow_out_of_range(settings.detect.allow)
    yield from _series_out_of_range(settings.detect)
    yield from _rules_out_of_range(settings.rules)
    yield from _emit_out_of_range(settings.emit)
    yield from _nights_out_of_range(settings.incidents, settings.nightly)
    if not settings.watch.every_seconds > 0 or not settings.watch.hours > 0:
        yield "watch.every_seconds, watch.hours: must be more than 0"
    for name in ("workers", "accounts_at_once", "retention_days", "seen_days"):
        if getattr(settings.audit, name) < 1:
            yield f"audit.{name}: must be at least 1"
    if not 0 <= settings.serve.port <= 65_535:
        yield "serve.port: must be 0 (one that is free) to 65535"
    if not settings.serve.timeout_seconds > 0 or settings.serve.days < 1:
        yield "serve.timeout_seconds: must be more than 0; serve.days: at least 1"
    if settings.report.language not in _LANGUAGES:
        yield f"report.language: must be {_one_of(_LANGUAGES)}"
    if not _is_zone(settings.report.timezone):
        yield "report.timezone: must be a time zone such as Asia/Tokyo"
    if settings.log_format not in ("text", "json"):
        yield "log_format: must be text or json"


def _nights_out_of_range(incidents: Incidents, nightly: Nightly) -> Iterator[str]:
    for name in ("actor_minutes", "near_minutes", "closes_after_hours"):
        if not getattr(incidents, name) >= 0:
            yield f"incidents.{name}: must be 0 or more"
    for name in ("accounts", "common_network"):
        if getattr(incidents, name) < 2:
            yield f"incidents.{name}: must be at least 2"
    if not incidents.longest_days > 0:
        yield "incidents.longest_days: must be more than 0"
    if nightly.again_days < 0 or not nightly.vacuum_days >= 0:
        yield "nightly.again_days, nightly.vacuum_days: must be 0 or more"


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
        yield from _entry_out_of_range(where, exception)


def _allow_out_of_range(entries: list[Allow]) -> Iterator[str]:
    for number, entry in enumerate(entries, start=1):
        where = f"detect.allow, entry {number}"
        if not entry.reason:
            yield f"{where}: needs a reason"
        if not (entry.principal or entry.api or entry.network or entry.account):
            yield f"{where}: covers everything; name a principal, api, network or account"
        if entry.api and ":" not in entry.api:
            yield f"{where}: api is eventSource:eventName, such as iam.amazonaws.com:Create*"
        yield from _entry_out_of_range(where, entry)


def _series_out_of_range(detect: Detect) -> Iterator[str]:
    if not set(detect.series) <= set(_SERIES) or not detect.series:
        yield f"detect.series: must be of {_one_of(_SERIES)}"
    if detect.governor_since and not _is_date(detect.governor_since):
        yield "detect.governor_since: must be a date such as 2026-11-20"
    for number, calendar in enumerate(detect.calendars, start=1):
        where = f"detect.calendars, entry {number}"
        if not calendar.account and not calendar.ou:
            yield f"{where}: name an account or an ou"
        if not set(calendar.weekend) <= set(_DAYS):
            yield f"{where}: weekend must be of {_one_of(_DAYS)}"
        if wrong := [text for text in calendar.holidays if not _is_date(text)]:
            yield f"{where}: {wrong[0]!r} is no date such as 2026-12-25"
        if not _is_zone(calendar.timezone):
            yield f"{where}: timezone must be a name such as Europe/Berlin"


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _entry_out_of_range(where: str, entry: RuleException | Allow) -> Iterator[str]:
    try:
        if entry.network:
            ipaddress.ip_network(entry.network, strict=False)
        if entry.until:
            dt.datetime.fromisoformat(entry.until)
    except ValueError as error:
        yield f"{where}: {error}"


def _emit_out_of_range(emit: Emit) -> Iterator[str]:
    if emit.min_severity not in ("", *_SEVERITIES):
        yield f"emit.min_severity: must be {_one_of(_SEVERITIES)}"
    for number, route in enumerate(emit.routes, start=1):
        yield from (f"emit.routes, entry {number}: {fault}" for fault in _route_faults(route))
    for target, options in emit.options.items():
        # The address of a webhook is its password.
        name = "webhook:…" if target.startswith("webhook:") else target
        yield from (f"emit.options.{name}: {fault}" for fault in _options_faults(options))


def _route_faults(route: Route) -> Iterator[str]:
    if route.min_severity not in ("", *_SEVERITIES):
        yield f"min_severity must be {_one_of(_SEVERITIES)}"
    if route.urgent not in (*_SEVERITIES, "none"):
        yield f"urgent must be {_one_of((*_SEVERITIES, 'none'))}"
    if route.quiet_hours and not _SPAN.fullmatch(route.quiet_hours):
        yield "quiet_hours must be such as 22:00-07:00"
    if not set(route.quiet_days) <= set(_DAYS):
        yield f"quiet_days must be of {_one_of(_DAYS)}"
    try:
        if route.timezone != "UTC":  # which needs no database of zones
            zoneinfo.ZoneInfo(route.timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        yield "timezone must be a name such as Europe/Berlin"


def _options_faults(options: TargetOptions) -> Iterator[str]:
    if options.min_severity not in ("", *_SEVERITIES):
        yield f"min_severity must be {_one_of(_SEVERITIES)}"
    if options.grain not in ("", "incidents", "anomalies", "both"):
        yield "grain must be incidents, anomalies or both"
    if options.pii not in ("", "full", "masked", "hashed"):
        yield "pii must be full, masked or hashed"
    if options.max_messages < -1 or not options.calls_per_second >= 0:
        yield "max_messages and calls_per_second must be 0 or more"
    if not set(options.dimensions) <= {"account", "region"}:
        yield "dimensions must be of account, region"


def _one_of(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]

"""What a setting may be, beyond its type."""

from __future__ import annotations

import datetime as dt
import ipaddress
import operator
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ctanalytics.settings.sections import (
    Allow,
    Detect,
    Emit,
    Route,
    RuleException,
    Rules,
    Settings,
    TargetOptions,
)

_SEVERITIES = ("info", "low", "medium", "high", "critical")
_SERIES = ("writes", "errors", "reads", "data", "network")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


_LEAST: Final[tuple[tuple[int, str, tuple[str, ...]], ...]] = (
    (
        1,
        "at least 1",
        (
            "ingest.plan_bytes",
            "ingest.plan_objects",
            "ingest.part_bytes",
            "ingest.part_objects",
            "ingest.part_unpacked_bytes",
            "ingest.merge_bytes",
            "ingest.memory_bytes",
            "ingest.requests_in_flight",
            "ingest.ask_above",
            "ingest.sweep_days",
            "ingest.queue_hidden_seconds",
            "ingest.follow_seconds",
            "execution.part_bytes",
            "care.file_bytes",
            "care.group_rows",
            "care.open_files",
            "care.late_files",
            "care.memory_bytes",
            "audit.workers",
            "audit.accounts_at_once",
            "audit.retention_days",
            "audit.seen_days",
            "serve.days",
        ),
    ),
    (2, "at least 2", ("incidents.accounts", "incidents.common_network")),
    (0, "0 (one for each core) or more", ("ingest.workers",)),
    (
        0,
        "0 (no limit of ours) or more",
        ("query.timeout_seconds", "query.memory_bytes", "query.threads"),
    ),
    (
        0,
        "0 or more",
        (
            "care.workers",
            "care.closes_after_hours",
            "care.late_share",
            "care.retention_hours",
            "incidents.actor_minutes",
            "incidents.near_minutes",
            "incidents.closes_after_hours",
            "nightly.again_days",
            "nightly.vacuum_days",
        ),
    ),
)
"""The least that settings may be, how that is said, and which settings."""

_ABOVE_ZERO: Final = {
    "detect.budget": "more than 0 (false pages per week)",
    "incidents.longest_days": "more than 0",
    "watch.every_seconds": "more than 0",
    "watch.hours": "more than 0",
    "serve.timeout_seconds": "more than 0",
}
_BETWEEN: Final = {
    "ingest.queue_wait_seconds": (0, 20, "0 to 20"),
    "care.zstd_level": (1, 22, "1 to 22"),
    "serve.port": (0, 65_535, "0 (one that is free) to 65535"),
}
_CHOICES: Final = {
    "ingest.restore_tier": ("Bulk", "Standard", "Expedited"),
    "report.language": ("en", "ja"),
    "log_format": ("text", "json"),
}
_PARTS_OF_A_DAY: Final = ("detect.behaviour_rows", "rules.group_hours")


def out_of_range(settings: Settings) -> Iterator[str]:
    """Say of each setting that can't be used which it is and what it must be."""
    yield from _numbers_out_of_range(settings)
    for name, choices in _CHOICES.items():
        if _value(settings, name) not in choices:
            yield f"{name}: must be {_one_of(choices)}"
    if not settings.care.sort:
        yield "care.sort: must name at least one column of events"
    if not _is_zone(settings.report.timezone):
        yield "report.timezone: must be a time zone such as Asia/Tokyo"
    for name in settings.lookups:
        if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", name):
            yield f"lookups.{name}: a table's name is lower-case letters, digits and _"
    yield from _allow_out_of_range(settings.detect.allow)
    yield from _series_out_of_range(settings.detect)
    yield from _rules_out_of_range(settings.rules)
    yield from _emit_out_of_range(settings.emit)


def _numbers_out_of_range(settings: Settings) -> Iterator[str]:
    # Written so that NaN, which is neither more nor less than anything, is out of range too.
    for least, said, names in _LEAST:
        for name in names:
            if not _value(settings, name) >= least:
                yield f"{name}: must be {said}"
    for name, said in _ABOVE_ZERO.items():
        if not _value(settings, name) > 0:
            yield f"{name}: must be {said}"
    for name, (least, most, said) in _BETWEEN.items():
        if not least <= _value(settings, name) <= most:
            yield f"{name}: must be {said}"
    for name in _PARTS_OF_A_DAY:
        hours = _value(settings, name)
        if hours < 1 or 24 % hours:
            yield f"{name}: must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24"


def _value(settings: Settings, name: str) -> Any:
    """A setting by its dotted name."""
    return operator.attrgetter(name)(settings)


def _rules_out_of_range(rules: Rules) -> Iterator[str]:
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

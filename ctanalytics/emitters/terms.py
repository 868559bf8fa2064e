"""What a target gets, and when: the settings' routes and options beside what its kind is for."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from ctanalytics.emitters.base import Account, Alert
from ctanalytics.emitters.pii import Pii
from ctanalytics.findings import severity_rank
from ctanalytics.settings import Emit, Route, TargetOptions

Grain = Literal["incidents", "anomalies", "both"]

MESSAGES_FOR_PEOPLE: Final = 20
"""Of one run; nobody reads more."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Habits:
    """What a kind of target is for, as far as nobody says otherwise."""

    calls_per_second: float
    """What the provider takes of one account by default; 0: as fast as it goes."""
    for_people: bool = False
    """Its messages are read one by one: few of them, grave ones, and nobody's name in them."""
    grain: Grain = "incidents"


@dataclass(frozen=True, slots=True)
class Terms:
    """How one target is served."""

    min_severity: str = "medium"
    grain: Grain = "incidents"
    pii: Pii = "full"
    max_messages: int = 0
    calls_per_second: float = 0.0
    routes: tuple[Route, ...] = ()


def terms_of(names: Sequence[str], habits: Habits, emit: Emit, min_severity: str = "") -> Terms:
    """Return how a target is served.

    Args:
        names: its kind, and the target as the user wrote it and as the outbox calls it.
        min_severity: what the command line says, which goes before all settings.
    """
    own = options_of(emit.options, names)
    default = "high" if habits.for_people else "medium"
    most = MESSAGES_FOR_PEOPLE if habits.for_people else 0
    return Terms(
        min_severity=min_severity or own.min_severity or emit.min_severity or default,
        grain=own.grain or habits.grain,  # type: ignore[arg-type]  # settings check the words
        pii=own.pii or ("masked" if habits.for_people else "full"),  # type: ignore[arg-type]  # as well
        max_messages=most if own.max_messages < 0 else own.max_messages,
        calls_per_second=own.calls_per_second or habits.calls_per_second,
        routes=tuple(route for route in emit.routes if not route.to or set(route.to) & set(names)),
    )


def options_of(options: Mapping[str, TargetOptions], names: Iterable[str]) -> TargetOptions:
    """Return what the settings say of a target: of its kind, and of itself, which goes first."""
    merged = TargetOptions()
    for name in names:
        found = options.get(name, TargetOptions())
        merged = TargetOptions(
            min_severity=found.min_severity or merged.min_severity,
            grain=found.grain or merged.grain,
            pii=found.pii or merged.pii,
            max_messages=merged.max_messages if found.max_messages < 0 else found.max_messages,
            calls_per_second=found.calls_per_second or merged.calls_per_second,
            dimensions=found.dimensions or merged.dimensions,
        )
    return merged


def routed(alert: Alert, routes: Sequence[Route], now: dt.datetime) -> Literal["go", "wait", "no"]:
    """Tell whether an alert may go to a target with these routes, or when its quiet hours end."""
    if not routes:
        return "go"
    through = [route for route in routes if _matches(alert, route)]
    if not through:
        return "no"
    if any(not is_quiet(route, now) or _is_urgent(alert, route) for route in through):
        return "go"
    return "wait"


def _matches(alert: Alert, route: Route) -> bool:
    accounts: Sequence[Account | None] = alert.accounts or (None,)
    return (
        severity_rank(alert.severity) >= severity_rank(route.min_severity or "info")
        and any(_among(route.detector, (name,)) for name in alert.detectors)
        and any(_is_meant(account, route) for account in accounts)
    )


def _is_meant(account: Account | None, route: Route) -> bool:
    """Tell whether a route means an account; one that nobody knows only `*` and `!` speak of."""
    known = account or Account("")
    return (
        _among(route.account, (known.account_id, known.account_name))
        and _among(route.ou, (known.ou, known.ou_path))
        and _among(route.environment, (known.environment,))
    )


def _among(patterns: Sequence[str], names: Iterable[str | None]) -> bool:
    """Tell whether one of the names fits the patterns, and none fits one that begins with `!`."""
    given = [name or "" for name in names]
    literal = [pattern.replace("[", "[[]") for pattern in patterns]
    wanted = [pattern for pattern in literal if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in literal if pattern.startswith("!")]
    if any(fnmatchcase(name, pattern) for name in given for pattern in unwanted):
        return False
    return not wanted or any(fnmatchcase(name, pattern) for name in given for pattern in wanted)


def _is_urgent(alert: Alert, route: Route) -> bool:
    if route.urgent == "none":
        return False
    return severity_rank(alert.severity) >= severity_rank(route.urgent)


def is_quiet(route: Route, now: dt.datetime) -> bool:
    """Tell whether a route's quiet hours or days hold."""
    # UTC needs no database of zones, which a small container may lack.
    zone = dt.UTC if route.timezone == "UTC" else zoneinfo.ZoneInfo(route.timezone)
    here = now.astimezone(zone)
    if _DAYS[here.weekday()] in route.quiet_days:
        return True
    if not route.quiet_hours:
        return False
    start, end = (dt.time.fromisoformat(text) for text in route.quiet_hours.split("-"))
    time = here.time()
    return start <= time < end if start <= end else time >= start or time < end

"""Search: what a reader looks for, and a page of the events that are it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.app.serve.fields import Fields
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake

ROWS: Final = 50
MOST_SKIPPED: Final = 100_000
_STEPS: Final = (60, 300, 900, 3_600, 10_800, 86_400, 604_800)
_MOST_STEPS: Final = 200
TEXTS: Final = ("principal", "api", "account", "region", "ip", "error")
KINDS: Final = ("reads", "writes")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for in since <= t < until; none: anything.

    A text may hold * for any characters, and its case does not matter. A principal needs to hold it
    only; an access key id is one too. An API is Name, service:Name or service:*.
    """

    since: dt.datetime
    until: dt.datetime
    principal: str | None = None
    api: str | None = None
    account: str | None = None
    region: str | None = None
    ip: str | None = None
    error: str | None = None
    kind: str | None = None
    """reads or writes."""
    skip: int = 0

    @property
    def step_seconds(self) -> int:
        """How long a step of the chart is."""
        seconds = (self.until - self.since).total_seconds()
        fitting = (step for step in _STEPS if seconds / step <= _MOST_STEPS)
        return next(fitting, int(seconds / _MOST_STEPS) + 1)

    def fields(self, **others: object) -> dict[str, str]:
        """Return it as the fields of a link, some of them others; none leaves a field out."""
        values: dict[str, object] = {
            "since": self.since,
            "until": self.until,
            **{name: getattr(self, name) for name in (*TEXTS, "kind")},
            "skip": self.skip or None,
            **others,
        }
        return {name: _shown(value) for name, value in values.items() if value not in (None, "")}


def search_of(fields: Fields, *, newest: dt.datetime) -> Search:
    """Read a search; without times it is the day up to the newest event.

    Raises:
        UsageError: a field can't be understood.
    """
    until = fields.moment("until")
    since = fields.moment("since")
    if until is None:
        last = newest.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
        until = max(last, since + dt.timedelta(days=1)) if since and since >= last else last
    since = since or until - dt.timedelta(days=1)
    if not since < until:
        raise UsageError("the span is empty", where="since", mend="it must lie before until")
    return Search(
        since,
        until,
        **{name: fields.text(name) for name in TEXTS},
        kind=fields.one_of("kind", KINDS),
        skip=fields.number("skip", most=MOST_SKIPPED),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of events."""

    rows: list[dict[str, Any]]
    """The newest first; see sql/serve/events.sql."""
    steps: list[dict[str, Any]]
    """Of the whole span: start, calls, failed; only those that have any."""

    @property
    def events(self) -> int:
        """How many there are in all."""
        return sum(step["calls"] for step in self.steps)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(step["failed"] for step in self.steps)


def find(lake: Lake, wanted: Search) -> Found:
    """Return the page of events that a search is at."""
    source, name = _api(wanted.api)
    with lake.engine(since=wanted.since, until=wanted.until) as engine:
        rows = engine.run(
            "serve/events",
            since=wanted.since,
            until=wanted.until,
            step_seconds=wanted.step_seconds,
            rows=ROWS,
            skip=wanted.skip,
            principal=_pattern(wanted.principal, inside=True),
            access_key_id=wanted.principal,
            event_source=source,
            event_name=name,
            source_ip_address=_pattern(_network(wanted.ip)),
            error_code=_pattern(wanted.error),
            account_id=wanted.account,
            aws_region=wanted.region,
            read_only=None if wanted.kind is None else wanted.kind == "reads",
        ).to_pylist()
    steps: list[dict[str, Any]] = rows[0]["steps"] or []
    return Found([row for row in rows if row["event_time"] is not None], steps)


def _pattern(text: str | None, *, inside: bool = False) -> str | None:
    """What `ilike` takes for a text, in which * alone stands for any characters."""
    if text is None:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    if inside and "*" not in text:
        escaped = f"*{escaped}*"
    return escaped.replace("*", "%")


def _api(text: str | None) -> tuple[str | None, str | None]:
    """The patterns of event_source and event_name: of `s3:GetObject`, `GetObject`, `s3:*`."""
    service, colon, name = (text or "").rpartition(":")
    if colon and not service:
        raise UsageError("the service is missing", where="api", mend="write s3:GetObject")
    source = f"{service}.amazonaws.com" if service and "." not in service else service or None
    return _pattern(source), _pattern(name or None)


def _network(text: str | None) -> str | None:
    """An IPv4 network as a pattern, where it ends at a dot; else the text as it is."""
    address, slash, bits = (text or "").partition("/")
    if not slash:
        return text
    parts = address.split(".")
    if len(parts) != 4 or bits not in ("8", "16", "24"):
        raise UsageError(
            "only networks of 8, 16 or 24 bits can be looked for",
            where="ip",
            mend="write 203.0.113.0/24, or 2001:db8:* for others",
        )
    return ".".join(parts[: int(bits) // 8]) + ".*"


def _shown(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def filled(steps: list[dict[str, Any]], wanted: Search) -> Mapping[dt.datetime, tuple[int, int]]:
    """Return calls and failed calls of every step of the span, those without any too."""
    known = {step["start"]: (step["calls"], step["failed"]) for step in steps}
    if not known:
        return {}
    length = dt.timedelta(seconds=wanted.step_seconds)
    first = min(known)
    start = first - ((first - wanted.since) // length) * length
    found = {}
    while start < wanted.until:
        found[start] = known.get(start, (0, 0))
        start += length
    return found

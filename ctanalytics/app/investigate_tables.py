"""Which columns of each statement of `sql/investigate` a table shows, and the SQL people may copy."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import with_dates
from ctanalytics.reporting.document import Cell, Column, Table
from ctanalytics.reporting.investigation import Query
from ctanalytics.untrusted import sql_text

_PARAMETER: Final = re.compile(r"\$([a-z_]+)")
_ACCOUNT: Final = Column("account_id", "Account", "code")
_CALLS: Final = Column("calls", "Calls", "count")
_FIRST: Final = Column("first_seen", "First", "time")
_LAST: Final = Column("last_seen", "Last", "time")
_EVENT: Final = Column("event_id", "Event", "code")
_SERVICE: Final = Column("event_source", "Service", "code")
_API: Final = Column("event_name", "API", "code")
_REGION: Final = Column("aws_region", "Region", "code")
_ERRORS: Final = Column("errors", "Errors", "count")
_WRITES: Final = Column("writes", "Writes", "count")
_ERROR: Final = Column("error_code", "Error", "code")
_CALLER: Final = Column("principal", "As", "code")
_SEVERITY: Final = Column("severity", "Severity", "text")
_TITLE: Final = Column("title", "What", "text")
_STATE: Final = Column("state", "State", "text")
_WHEN: Final = Column("event_time", "When", "time")
_STARTED: Final = Column("started_at", "From", "time")
_PRINCIPAL: Final = Column("principal_arn", "Principal", "code")
_ADDRESSES: Final = Column("source_ip_addresses", "Addresses", "count")
_EXAMPLE: Final = Column("example", "Such as", "code")
_TARGET: Final = Column("target", "On", "code")

_TOUCHED: Final = (
    Column("resource", "Resource", "code"),
    Column("resource_kind", "Named as", "text"),
    Column("apis", "By", "code"),
    _ACCOUNT,
    _CALLS,
    _FIRST,
    _LAST,
    _EVENT,
)

COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "who": (
        Column("principal", "Called as", "code"),
        Column("principal_type", "Type", "text"),
        Column("root_principal", "Behind it", "code"),
        Column("root_from", "Told by", "text"),
        _CALLS,
        _FIRST,
        _LAST,
    ),
    "timeline": (
        _STARTED,
        Column("ended_at", "To", "time"),
        _CALLS,
        _SERVICE,
        _API,
        _ERROR,
        Column("sensitivity", "Touches", "text"),
        _ACCOUNT,
        _REGION,
        _CALLER,
        Column("source_ip_address", "From address", "code"),
        _EVENT,
    ),
    "sessions": (
        Column("session_id", "Credential", "code"),
        Column("kind", "Kind", "text"),
        Column("identity_arn", "Identity", "code"),
        _ACCOUNT,
        Column("parent_session_id", "Given to", "code"),
        Column("issued_by", "By", "code"),
        Column("issued_at", "Given at", "time"),
        _FIRST,
        _LAST,
        _CALLS,
        _WRITES,
        _ERRORS,
        _ADDRESSES,
    ),
    "persistence": (
        _WHEN,
        Column("what", "What", "text"),
        _TARGET,
        Column("names", "Names", "code"),
        _API,
        _ACCOUNT,
        _CALLER,
        Column("calls", "Used since", "count"),
        Column("undone", "Taken back", "text"),
        _EVENT,
    ),
    "aftermath": (
        _PRINCIPAL,
        _ACCOUNT,
        _CALLS,
        _WRITES,
        _ERRORS,
        Column("sign_ins", "Sign-ins", "count"),
        _ADDRESSES,
        _EXAMPLE,
        _FIRST,
        _LAST,
    ),
    "created": _TOUCHED,
    "changed": _TOUCHED,
    "deleted": _TOUCHED,
    "read": _TOUCHED,
    "denied": (
        _SERVICE,
        _API,
        _ERROR,
        Column("calls", "Refused", "count"),
        Column("later_calls", "Later let through", "count"),
        _ACCOUNT,
        _FIRST,
        _LAST,
        Column("last_message", "Message", "text"),
        _EVENT,
    ),
    "first_seen": (
        Column("kind", "First", "text"),
        Column("value", "Value", "code"),
        Column("first_seen", "At", "time"),
        Column("known_days", "Days known", "count"),
        _CALLS,
        _PRINCIPAL,
        _EVENT,
    ),
    "networks": (
        Column("network", "Network", "code"),
        Column("source_ip_kind", "Kind", "text"),
        Column("addresses", "Addresses", "count"),
        _CALLS,
        _ERRORS,
        Column("sessions", "Credentials", "count"),
        Column("last_user_agent", "Last program", "code"),
        _FIRST,
        _LAST,
    ),
    "shared_addresses": (
        Column("principal", "Principal", "code"),
        _ACCOUNT,
        _CALLS,
        Column("addresses", "Addresses", "count"),
        _EXAMPLE,
        _FIRST,
        _LAST,
    ),
    "lanes": (
        Column("tactic", "Tactic", "text"),
        Column("techniques", "Technique", "code"),
        _TITLE,
        Column("level", "Level", "text"),
        Column("calls", "Events", "count"),
        Column("failed", "Failed", "count"),
        _ACCOUNT,
        _FIRST,
        _LAST,
        _EVENT,
    ),
    "config": (
        Column("capture_time", "Recorded", "time"),
        Column("resource", "Resource", "code"),
        Column("resource_type", "Type", "code"),
        Column("change", "Change", "text"),
        Column("event_name", "By", "code"),
        Column("confidence", "Confidence", "text"),
        _ACCOUNT,
        _CALLER,
        _EVENT,
    ),
    "incidents": (
        _SEVERITY,
        _STARTED,
        _TITLE,
        _STATE,
        Column("anomalies", "Anomalies", "count"),
        Column("linked_by", "Linked by", "text"),
        Column("incident_id", "Incident", "code"),
    ),
    "anomalies": (
        _SEVERITY,
        _STARTED,
        _TITLE,
        Column("detector", "Found by", "text"),
        _ACCOUNT,
        Column("anomaly_id", "Anomaly", "code"),
    ),
    "gaps": (
        _STATE,
        _ACCOUNT,
        _REGION,
        Column("since", "From", "time"),
        Column("until", "To", "time"),
        Column("hours", "Hours", "count"),
        Column("usual_events", "Usual events", "rate"),
        Column("files_promised", "Files promised", "count"),
        Column("files_held", "Files held", "count"),
        Column("files_altered", "Files altered", "count"),
    ),
    "files": (
        Column("verdict", "Verdict", "text"),
        Column("detail", "Detail", "text"),
        Column("files", "Files", "count"),
        Column("events", "Events", "count"),
        _EXAMPLE,
    ),
    "tampering": (
        _WHEN,
        Column("area", "What", "text"),
        _API,
        Column("effect", "Effect", "text"),
        _TARGET,
        _ERROR,
        _ACCOUNT,
        Column("principal", "By", "code"),
        _EVENT,
    ),
}
"""Name of a table -> what it shows."""


def table(name: str, caption: str, rows: list[dict[str, Any]]) -> Table:
    """Lay out a statement's rows; JSON has all their columns."""
    found = rows[0].get("found", len(rows)) if rows else 0
    kept: tuple[dict[str, Cell], ...] = tuple(
        {key: value for key, value in row.items() if key != "found"} for row in rows
    )
    return Table(name, caption, COLUMNS[name], kept, found)


def query(about: str, statement: str, values: Mapping[str, Any], scope: str) -> Query:
    """Return a shipped statement as SQL that stands alone, with its values written out.

    Args:
        scope: SQL of the view `subject_events`; it leads where the statement reads that.
    """
    values = with_dates(values)
    code = "\n".join(
        line for line in statements.statement(statement).splitlines() if not line.startswith("--")
    ).strip()
    code = _PARAMETER.sub(lambda match: literal(values[match[1]]), code)
    return Query(about, within(code, scope) if "subject_events" in code else code)


def within(code: str, scope: str) -> str:
    """Put SQL that reads `subject_events` behind its definition."""
    lead = f"with subject_events as (\n{_indented(scope)}\n)"
    if code.startswith("with "):
        return f"{lead},\n{code.removeprefix('with ')}"
    return f"{lead}\n{code}"


def literal(value: Any) -> str:
    """Write a value as SQL."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return f"timestamptz '{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
    if isinstance(value, dt.date):
        return f"date '{value}'"
    if isinstance(value, str):
        return sql_text(value.replace("\x00", ""))
    if isinstance(value, Iterable):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    raise TypeError(type(value).__name__)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are of something."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())

"""The allow-list: anomalies all of whose events a person has declared fine are kept, not sent.

Rules have exceptions of their own, and what stopped or fell silent has no events to allow.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.engines.duckdb import Engine
from ctanalytics.settings import Allow
from ctanalytics.sigma.addresses import in_network

BY: Final = "detect.allow"
_NOT_OF_EVENTS: Final = frozenset(("stop", "drop", "telemetry_gap", "silence", "rule"))


def allowed(engine: Engine, anomaly: Mapping[str, Any], entries: Sequence[Allow]) -> str | None:
    """Return why an anomaly is allowed: the reasons of the entries that cover all its events.

    Args:
        anomaly: a row of `findings.ANOMALIES`.

    Returns:
        None when an event is left that no entry covers.
    """
    if not entries or anomaly["kind"] in _NOT_OF_EVENTS:
        return None
    sql = json.loads(anomaly["evidence"]).get("sql")
    if not sql:
        return None
    cases = " ".join(f"when {_condition(one)} then {place}" for place, one in enumerate(entries))
    found = engine.sql(
        f"select distinct case {cases} else -1 end as entry from ({sql}) order by entry"
    )["entry"].to_pylist()
    if not found or found[0] < 0:
        return None
    return "; ".join(entries[place].reason for place in found)


def marks(
    engine: Engine,
    standing: Sequence[Mapping[str, Any]],
    known: Mapping[str, Mapping[str, Any]],
    entries: Sequence[Allow],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    """Return the marks that make the list and what is marked agree; a person's word stands.

    Args:
        standing: newest revisions of anomalies.
        known: by anomaly id, the newest row of `findings.MARKS`.

    Returns:
        Rows of `findings.MARKS`.
    """
    rows = []
    for anomaly in standing:
        said = known.get(anomaly["anomaly_id"])
        if said and said["verdict"] in ("benign", "confirmed"):
            continue
        reason = allowed(engine, anomaly, entries)
        before = said["note"] if said and said["verdict"] == "allowed" else None
        if reason != before:
            rows.append(
                {
                    "anomaly_id": anomaly["anomaly_id"],
                    "verdict": "none" if reason is None else "allowed",
                    "note": reason,
                    "marked_by": BY,
                    "marked_at": after(now, said),
                }
            )
    return rows


def after(now: dt.datetime, said: Mapping[str, Any] | None) -> dt.datetime:
    """Return the time of a mark: now, and later than the mark that it replaces."""
    return now if said is None else max(now, said["marked_at"] + dt.timedelta(microseconds=1))


def _condition(entry: Allow) -> str:
    """SQL over events; never null."""
    parts = []
    if entry.principal:
        parts.append(_like("coalesce(principal_arn, actor)", entry.principal))
    if entry.api:
        parts.append(_like("event_source || ':' || event_name", entry.api))
    if entry.account:
        parts.append(f"account_id = {_text(entry.account)}")
    if entry.network:
        network = str(ipaddress.ip_network(entry.network, strict=False))
        parts.append(in_network("source_ip_address", network))
    if entry.until:
        until = dt.datetime.fromisoformat(entry.until)
        until = until.replace(tzinfo=until.tzinfo or dt.UTC)
        parts.append(f"event_time < timestamptz '{until.isoformat()}'")
    return " and ".join(f"coalesce({part}, false)" for part in parts) or "false"


def _like(value: str, pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{value} like {_text(escaped.replace('*', '%'))} escape '\\'"


def _text(value: str) -> str:
    return untrusted.sql_text(value.replace("\x00", ""))

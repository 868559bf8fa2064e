"""silence: an account and region that never paused for long logs nothing any more.

Told apart: quiet (digests vouch that nothing was logged) and blind (nobody can tell, or digests
promise log files that the lake does not hold).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.detectors import rate_rows, rates, stops
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.history import History, load
from ctanalytics.detectors.rate_series import rate
from ctanalytics.detectors.series import Floats
from ctanalytics.detectors.severity import severity
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.wording import minutes_text, short_principal
from ctanalytics.findings import anomaly_id, series_key

DETECTOR: Final = "silence"
KIND: Final = "silence"

_TOGETHER: Final = 120
"""Minutes within which silences of one outage begin: quiet regions write seldom."""
_STOPS: Final = frozenset(("StopLogging", "DeleteTrail"))
_NARROWED: Final = frozenset(("UpdateTrail", "PutEventSelectors"))
_LEAVES: Final = frozenset(("CloseAccount", "RemoveAccountFromOrganization", "LeaveOrganization"))
_CAUSE_SLACK: Final = dt.timedelta(minutes=30)
_SWITCH_DAYS: Final = 40
_COVERED: Final = 0.95
_EVIDENCE: Final = 100
_BEFORE: Final = dt.timedelta(hours=1)

Cell = tuple[str | None, str | None]


@dataclass(frozen=True)
class Silence:
    """Cells that went silent together: one outage."""

    stops: list[Stop]
    cells: list[Cell]
    start: dt.datetime
    end: dt.datetime
    is_open: bool

    @property
    def score(self) -> float:
        """The highest of its cells."""
        return max(stop.score for stop in self.stops)


@dataclass(frozen=True)
class Cover:
    """What digests say about a silence."""

    known: bool
    """Whether any digest of these cells was validated at all."""
    share: float
    """Of the silence that digests cover, least over the cells."""
    promised: int
    """Log files that those digests list."""

    @property
    def is_quiet(self) -> bool:
        """Whether it is proved that nothing was logged."""
        return self.known and self.share >= _COVERED and not self.promised


@dataclass(frozen=True)
class _Lake:
    """What is known besides the events' times."""

    switches: list[dict[str, Any]] = field(default_factory=list)
    digests: dict[Cell, list[dict[str, Any]]] = field(default_factory=dict)


def silence(context: Context, window: Window) -> DetectorResult:
    """Find accounts and regions that fall silent against their own rhythm; one outage is one."""
    loaded = load(context, window, "cells", with_peaks=False)
    if not loaded.count:
        return DetectorResult(rate_rows.table([]))
    settings, looks = context.settings, rates.looks([loaded], 1)
    thetas = rates.thetas(settings.budget, settings.share_silence, looks)
    found = stops.find(loaded, thetas)
    if not found:
        return DetectorResult(rate_rows.table([]), context.derived.take())
    lake = _read(context, loaded, window, found)
    lasting = [stop for stop in found if not _ended(loaded, lake, stop)]
    rows = [
        _row(context, loaded, lake, one, thetas)
        for one in together(loaded, lasting)
        if one.is_open or one.end > window.since
    ]
    return DetectorResult(rate_rows.table(rows), context.derived.take())


def together(loaded: History, found: Sequence[Stop]) -> list[Silence]:
    """Join the silences of one outage: they begin within two hours, and one does not end before
    the next begins."""
    groups: list[list[Stop]] = []
    for stop in sorted(found, key=lambda stop: (stop.start, stop.series)):
        last = groups[-1] if groups else []
        if (
            last
            and stop.start <= last[0].start + _TOGETHER
            and stop.start < max(other.end for other in last)
        ):
            last.append(stop)
        else:
            groups.append([stop])
    return [_joined(loaded, group) for group in groups]


def _joined(loaded: History, group: list[Stop]) -> Silence:
    places = loaded.keys.frame.select("account_id", "aws_region").rows()
    cells = sorted({places[stop.series] for stop in group}, key=str)
    return Silence(
        group,
        cells,
        loaded.axis.time(group[0].start),
        loaded.axis.time(max(stop.end for stop in group)),
        any(stop.is_open for stop in group),
    )


def _read(context: Context, loaded: History, window: Window, found: Sequence[Stop]) -> _Lake:
    since = loaded.axis.time(min(stop.start for stop in found))
    switches = context.engine.run(
        "detectors/switches",
        since=since - dt.timedelta(days=_SWITCH_DAYS),
        until=window.until,
    ).to_pylist()
    digests: dict[Cell, list[dict[str, Any]]] = {}
    for row in context.engine.run(
        "detectors/digest_spans", since=since, until=window.until
    ).to_pylist():
        digests.setdefault((row["account_id"], row["aws_region"]), []).append(row)
    return _Lake(switches, digests)


def _ended(loaded: History, lake: _Lake, stop: Stop) -> bool:
    """Whether a cell was given up: its region switched off, its account closed or sent away."""
    account, region = loaded.keys.frame.select("account_id", "aws_region").row(stop.series)
    start = loaded.axis.time(stop.start) + _CAUSE_SLACK
    for switch in lake.switches:
        if switch["event_time"] > start:
            continue
        target = switch["target_account"] or switch["account_id"]
        if target != account:
            continue
        if switch["event_name"] == "DisableRegion" and switch["target_region"] == region:
            return True
        if switch["event_name"] in _LEAVES:
            return True
    return False


def _cover(lake: _Lake, one: Silence) -> Cover:
    shares, promised, known = [], 0, False
    length = max((one.end - one.start).total_seconds(), 1.0)
    for cell in one.cells:
        rows = lake.digests.get(cell, [])
        known = known or bool(rows)
        covered, at = 0.0, one.start
        for row in rows:
            begin, end = max(row["covers_since"], at), min(row["covers_until"], one.end)
            if end > begin:
                covered += (end - begin).total_seconds()
                at = end
            # A digest that lies wholly in the silence and lists log files: something was logged.
            if row["covers_since"] >= one.start + _CAUSE_SLACK and row["covers_until"] <= one.end:
                promised += row["promised"] or 0
        shares.append(covered / length)
    return Cover(known, min(shares), promised)


def _cause(lake: _Lake, one: Silence, names: frozenset[str]) -> dict[str, Any] | None:
    """The last call that can have caused it: just before, in an account that fell silent."""
    accounts = {account for account, _ in one.cells}
    causes = [
        switch
        for switch in lake.switches
        if abs(switch["event_time"] - one.start) <= _CAUSE_SLACK
        and switch["event_name"] in names
        and switch["account_id"] in accounts
    ]
    return causes[-1] if causes else None


def _row(
    context: Context, loaded: History, lake: _Lake, one: Silence, thetas: Floats
) -> dict[str, Any]:
    theta = rates.at_day(loaded, thetas, max(stop.fired for stop in one.stops))
    cover = _cover(lake, one)
    cause = _cause(lake, one, _STOPS) or _cause(lake, one, _NARROWED)
    account, region = _place(one)
    key = series_key("silence", account, region)
    stopped = cause is not None and cause["event_name"] in _STOPS
    quiet = cover.is_quiet and not stopped
    sql = _evidence_sql(one)
    events = context.engine.sql(f"select event_id from ({sql})")["event_id"].to_pylist()
    return {
        "anomaly_id": anomaly_id(DETECTOR, KIND, key, one.start),
        "state": "open" if one.is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": DETECTOR,
        "kind": KIND,
        "severity": severity("silent", one.score - theta) if quiet else "high",
        "score": one.score,
        "p_value": round(10.0**-one.score, 12),
        "started_at": one.start,
        "ended_at": None if one.is_open else one.end,
        "account_id": account,
        "aws_region": region,
        "event_source": None,
        "event_name": cause["event_name"] if cause else None,
        "error_code": None,
        "principal_arn": cause["principal"] if cause else None,
        "series_key": key,
        "title": f"{_where(one)} {'fell' if quiet else 'went'} {'quiet' if quiet else 'blind'}",
        "explanation": _explanation(one, cover, cause),
        "evidence": json.dumps(
            {
                "event_ids": events[-_EVIDENCE:],
                "events": len(events),
                "sql": sql,
                "rate": rate(loaded, one.stops[0].series, one.stops[0].start, one.stops[0].end),
            }
        ),
        "insight": None,
        "detected_at": context.now,
    }


def _place(one: Silence) -> Cell:
    """Account and region, where all cells share them."""
    accounts = {account for account, _ in one.cells}
    regions = {region for _, region in one.cells}
    return (
        next(iter(accounts)) if len(accounts) == 1 else None,
        next(iter(regions)) if len(one.cells) == 1 and regions else None,
    )


def _where(one: Silence) -> str:
    accounts = {account for account, _ in one.cells}
    if len(one.cells) == 1:
        account, region = one.cells[0]
        return untrusted.one_line(f"{account or 'an unknown account'} {region or ''}".strip())
    if len(accounts) == 1:
        name = next(iter(accounts)) or "an unknown account"
        return untrusted.one_line(f"{len(one.cells)} regions of {name}")
    return f"{len(one.cells)} regions of {len(accounts)} accounts"


def _explanation(one: Silence, cover: Cover, cause: dict[str, Any] | None) -> str:
    minutes = int((one.end - one.start).total_seconds() // 60)
    longest = max(max(stop.longest, 1) for stop in one.stops)
    verb = "have" if len(one.cells) > 1 else "has"
    past = f"{verb} logged" if one.is_open else "logged"
    text = (
        f"{_where(one)} {past} nothing for {minutes_text(minutes)} from "
        f"{one.start:%Y-%m-%d %H:%M} UTC on; in the 28 days before {'they' if len(one.cells) > 1 else 'it'} "
        f"never paused for more than {minutes_text(longest)}."
    )
    if cause is not None:
        who = short_principal(cause["principal"])
        at = f"{cause['event_time']:%H:%M}"
        text += f" {cause['event_name']} was called by {who} at {at}."
    if cover.promised:
        return text + (
            f" Digests list {cover.promised} log files of this time, so something was logged: "
            "fetch them."
        )
    if cover.is_quiet:
        return text + " Digests cover all of it and list no log file: nothing was logged."
    if cover.known:
        return text + (
            f" Digests cover {cover.share:.0%} of it: what happened in the rest is not known."
        )
    return text + (
        " No digest was validated for this time, so nobody can tell whether anything was logged."
    )


def _evidence_sql(one: Silence) -> str:
    """What was logged in these places in the hour before, and CloudTrail's own changes."""
    since, until = one.start - _BEFORE, one.start + _CAUSE_SLACK
    places = "\n   or ".join(f"({_condition(account, region)})" for account, region in one.cells)
    return (
        "select *\nfrom events\n"
        f"where event_date >= date '{since:%Y-%m-%d}'\n"
        f"  and event_date <= date '{until:%Y-%m-%d}'\n"
        f"  and event_time >= timestamptz '{since:%Y-%m-%d %H:%M:%S+00}'\n"
        f"  and event_time < timestamptz '{until:%Y-%m-%d %H:%M:%S+00}'\n"
        f"  and ({places})\n"
        "order by event_time, event_id"
    )


def _condition(account: str | None, region: str | None) -> str:
    parts = [
        f"{name} is not distinct from "
        + ("null" if value is None else untrusted.sql_text(value.replace("\x00", "")))
        for name, value in (("account_id", account), ("aws_region", region))
    ]
    return " and ".join(parts)

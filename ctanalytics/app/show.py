"""Show: one event whole, its file and verdict, its session, and what happened around it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

AROUND: Final = dt.timedelta(minutes=5)
_LONGEST_SESSION: Final = dt.timedelta(hours=36)


@dataclass(frozen=True, slots=True)
class ShowResult:
    """An event, and what belongs to it."""

    record: dict[str, Any]
    """Columns of the event that hold something, and of its file: file_verdict and the like."""
    session: dict[str, Any] | None
    neighbours: list[dict[str, Any]]
    """Records of the same action, request, session or actor within five minutes, with `relation`."""
    copies: list[str]
    """Other accounts that log an event of this id."""


def show(
    event_id: str,
    lake: str | Lake,
    *,
    account_id: str | None = None,
    around: dt.timedelta = AROUND,
    settings: Settings | None = None,
) -> ShowResult:
    """Return an event and what belongs to it.

    Args:
        account_id: which copy, where several accounts have an event of this id; else the first.
        around: how long before and after the event neighbours are looked for.

    Raises:
        CtanalyticsError: the lake has no such event.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        places = engine.run("show/place", event_id=event_id).to_pylist()
        chosen = [place for place in places if account_id in (None, place["account_id"])]
        if not chosen:
            raise CtanalyticsError(
                f"there is no event {event_id}" + (f" of {account_id}" if account_id else ""),
                where=here.uri,
                mend="check the id; `ctanalytics lake info` shows how far the lake reaches",
            )
        place = chosen[0]
    moment = place["event_time"]
    if moment is None:
        raise CtanalyticsError(
            "the event bears no time that can be believed",
            where=event_id,
            mend=f"ask `select * from events where event_id = '{event_id}'`",
        )
    # Only the files around the event are opened from here on.
    span = {"since": moment - _LONGEST_SESSION, "until": moment + _LONGEST_SESSION}
    with here.engine(**span) as engine:
        return _around(engine, place, moment, around, [each["account_id"] for each in places])


def _around(
    engine: Engine,
    place: dict[str, Any],
    moment: dt.datetime,
    around: dt.timedelta,
    accounts: list[str],
) -> ShowResult:
    tick = dt.timedelta(microseconds=1)
    key = {"account_id": place["account_id"], "event_id": place["event_id"]}
    (record,) = engine.run("show/record", **key, since=moment, until=moment + tick).to_pylist()
    session_id = record["access_key_id"] or record["credential_id"]
    sessions = engine.run("show/session", session_id=session_id).to_pylist() if session_id else []
    neighbours = engine.run(
        "show/neighbours",
        **key,
        actor=record["actor"],
        session_id=session_id,
        request_id=record["request_id"],
        shared_event_id=record["shared_event_id"],
        since=moment - around,
        until=moment + around + tick,
    ).to_pylist()
    return ShowResult(
        {name: value for name, value in record.items() if value not in (None, [])},
        sessions[0] if sessions else None,
        neighbours,
        [account for account in accounts if account != place["account_id"]],
    )

"""Investigate: all that logs show of a key, a principal, an address, an event or a resource."""

from __future__ import annotations

import datetime as dt
import difflib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics.app import investigate_subject as subjects
from ctanalytics.app.investigate_asked import HISTORY, Asked
from ctanalytics.app.investigate_case import LONGEST_SESSION, Case, bounds
from ctanalytics.app.investigate_page import whole, write
from ctanalytics.app.investigate_parts import places, whom
from ctanalytics.app.investigate_subject import Kind, Subject
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import EVENTS
from ctanalytics.reporting import investigation
from ctanalytics.reporting.investigation import Investigation
from ctanalytics.settings import Settings
from ctanalytics.sigma.condition import Keyword, fields, leaves
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders
from ctanalytics.sigma.pack import places as rule_places
from ctanalytics.sigma.rule import Rule
from ctanalytics.untrusted import sql_text

DAYS: Final = 30
ROWS: Final = 200
_BEFORE_EVENT: Final = dt.timedelta(days=1)
_AFTER_EVENT: Final = dt.timedelta(days=7)
_SHOWN_CREDENTIALS: Final = 500


@dataclass(frozen=True, slots=True)
class InvestigateResult:
    """What was found, and where it was written."""

    found: Investigation
    html: str | None
    json: str | None

    def data(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return investigation.data(self.found)


def investigate(
    lake: str | Path | Lake,
    *,
    kind: Kind,
    value: str,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    rows: int = ROWS,
    output: str | Path | None = None,
    settings: Settings | None = None,
    now: dt.datetime | None = None,
) -> InvestigateResult:
    """Gather what logs show of a subject in since <= t < until, and write it as HTML and JSON.

    Args:
        kind, value: key (an access key id), principal (an ARN), ip (an address or network), event
            (an id) or resource (an ARN, id or name).
        since, until: else the DAYS up to the newest event; of an event the day before it and the
            week after.
        rows: the most rows of each table.
        output: a folder for investigation.html and investigation.json, which only their owner may
            read; none: nothing is written.
        now: the time that the page gives for itself.

    Raises:
        UsageError: the subject is no key, ARN, address or id; a bare name is ambiguous; the span is
            empty.
        CtanalyticsError: the span holds no event, or nothing of the subject.
        ReportError: the folder can't be written.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    subject = _subject_without_lake(kind, value)
    with _session(here, settings) as engine:
        if kind == "event":
            subject = subjects.of_event(value, engine, here.uri)
        since, until = _span(engine, subject, since, until, here.uri)
    with (
        _session(
            here, settings, since=since - max(HISTORY, LONGEST_SESSION), until=until
        ) as engine,
        tempfile.TemporaryDirectory(prefix="ctanalytics-case-") as folder,
    ):
        subject = subject or subjects.of_ip(value, engine, since, until)
        rules = load(rule_places((), settings.rules), placeholders(settings.rules, engine))
        case = Case(engine, subject, since, until, Path(folder), _read_by(rules))
        case.gather()
        with case.engine() as own:
            own.execute(
                f"create view direct_events as select * from events where {subject.condition}"
            )
            _require_known(here, settings, case, own)
            asked = _asked(here, settings, case, own, rules, rows)
            found = whole(here.uri, case, asked, now or dt.datetime.now(dt.UTC))
    written = write(Path(output), found) if output is not None else (None, None)
    return InvestigateResult(found, *written)


def _subject_without_lake(kind: Kind, value: str) -> Subject | None:
    """Read what needs no look into the lake, so that a slip is told at once."""
    if kind == "ip":
        subjects.network_of(value)
        return None
    make = {
        "key": subjects.of_key,
        "principal": subjects.of_principal,
        "resource": subjects.of_resource,
    }.get(kind)
    return make(value) if make else None


def _asked(
    here: Lake, settings: Settings, case: Case, own: Engine, rules: Sequence[Rule], rows: int
) -> Asked:
    """Name what is the subject's in a gathered case, so that all parts may be asked."""
    run = own.execute
    for name in ("role_chains", "sessions", "resource_events"):
        # Several parts read it, and it is small here.
        run(f"create table case_{name} as from {name}")
        run(f"create or replace view {name} as from case_{name}")
    credentials = own.run("investigate/credentials", owns_sessions=case.subject.owns_sessions)
    derived: list[str] = credentials["session_id"].to_pylist()
    own.register("case_credentials", credentials)
    run("create table derived_credentials as from case_credentials")
    run(
        f"create view subject_events as {_scope(case, 'select session_id from derived_credentials')}"
    )
    # Questions to the whole lake may ask which events are the case's.
    case.source.register(
        "subject_events", own.sql("select event_id, shared_event_id from subject_events")
    )
    listed = ", ".join(sql_text(one) for one in derived[:_SHOWN_CREDENTIALS])
    accounts, regions = places(own)
    return Asked(
        subject=case.subject,
        since=case.since,
        until=case.until,
        rows=rows,
        case=own,
        lake=case.source,
        span=lambda: here.engine(since=case.since, until=case.until, **_limits(settings)),
        scope=_scope(case, listed, of_lake=True),
        rules=rules,
        derived=tuple(derived),
        principals=whom(own),
        accounts=accounts,
        regions=regions,
    )


def _scope(case: Case, derived: str, *, of_lake: bool = False) -> str:
    """SQL of `subject_events`: the subject's calls, and those with credentials that came of them."""
    condition = case.subject.condition
    if of_lake:
        condition = case.subject.shown or condition
        if case.subject.prefilter:
            condition = f"{case.subject.prefilter} and {condition}"
    session = "coalesce(access_key_id, credential_id)"
    follows = f"\n    or {session} in ({derived})" if derived else ""
    return (
        f"select *, {session} as session_id,\n"
        f"    case when coalesce({condition}, false) then 'subject' else 'derived' end as relation\n"
        f"from events\nwhere {bounds(case.since, case.until)}\n"
        f"  and ({condition}{follows})"
    )


def _read_by(rules: Sequence[Rule]) -> frozenset[str]:
    """Columns that rules read."""
    found: set[str] = set()
    for rule in rules:
        if rule.condition is None:
            continue
        if any(isinstance(leaf, Keyword) for leaf in leaves(rule.condition)):
            return frozenset(EVENTS.names)
        found |= {each.column for each in fields(rule.condition) if each.column}
    return frozenset(found)


def _span(
    engine: Engine,
    subject: Subject | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    where: str,
) -> tuple[dt.datetime, dt.datetime]:
    first, last = _reach(engine, where)
    if subject is not None and subject.event_time is not None:
        since = since or subject.event_time - _BEFORE_EVENT
        until = until or subject.event_time + _AFTER_EVENT
    # The newest event is in: its minute ends the span.
    until = until or last.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    since = since or until - dt.timedelta(days=DAYS)
    if not since < until:
        raise UsageError(
            f"the span is empty: {since.isoformat()} is not before {until.isoformat()}",
            where="--since and --until",
            mend="give a --since that lies before --until",
        )
    if until <= first or since > last:
        raise CtanalyticsError(
            f"there is no event from {_clock(since)} to {_clock(until)}",
            where=where,
            mend=f"the lake reaches from {_clock(first)} to {_clock(last)}: choose --since and --until there",
        )
    return since, until


def _reach(engine: Engine, where: str) -> tuple[dt.datetime, dt.datetime]:
    """The times of the lake's first and last event."""
    (dates,) = engine.run("investigate/dates").to_pylist()
    if dates["last_date"] is None:
        raise CtanalyticsError(
            "the lake has no events yet",
            where=where,
            mend="`ctanalytics ingest SOURCE --lake LAKE` brings some in",
        )
    (reach,) = engine.run("investigate/reach", **dates).to_pylist()
    return reach["first_event"], reach["last_event"]


def _require_known(here: Lake, settings: Settings, case: Case, own: Engine) -> None:
    """Refuse a subject of which the span has no event, with what may help."""
    (row,) = own.sql("select count(*) as calls from direct_events").to_pylist()
    subject = case.subject
    if row["calls"]:
        if subject.kind == "resource" and not subject.value.startswith("arn:"):
            _require_one(own, subject)
        return
    raise CtanalyticsError(
        f"nothing from {_clock(case.since)} to {_clock(case.until)} bears {subject.said}",
        where=here.uri,
        mend=_elsewhere(here, settings, subject)
        or _near(case)
        or "check the spelling, or choose another span with --since and --until",
    )


def _elsewhere(here: Lake, settings: Settings, subject: Subject) -> str:
    """Say when the subject was at work, if it ever was and one column tells."""
    if subject.kind not in ("key", "principal"):
        return ""
    with _session(here, settings) as engine:
        (row,) = engine.sql(
            "select min(event_time) as first_seen, max(event_time) as last_seen from events "
            f"where event_time_status = 'ok' and {subject.condition}"
        ).to_pylist()
    if row["first_seen"] is None:
        return ""
    return (
        f"it was at work from {_clock(row['first_seen'])} to {_clock(row['last_seen'])}: "
        "choose --since and --until there"
    )


def _require_one(own: Engine, subject: Subject) -> None:
    rows = own.run("investigate/named", resource=subject.value).to_pylist()
    meant = subjects.candidates(rows)
    if meant:
        raise UsageError(
            f"{subject.value} may be {len(meant)} things: {'; '.join(meant)}",
            where="--resource",
            mend="name the one that you mean by its ARN",
        )


def _near(case: Case) -> str:
    """Say what of the span's principals or keys looks like the subject."""
    columns = {"key": "access_key_id", "principal": "principal_arn"}
    column = columns.get(case.subject.kind)
    if column is None:
        return ""
    rows = case.source.sql(
        f"select distinct {column} as name from events where {bounds(case.since, case.until)} "
        f"and {column} is not null"
    )
    near = difflib.get_close_matches(case.subject.value, rows["name"].to_pylist(), 3, 0.8)
    return f"did you mean {' or '.join(near)}? Or choose another span with --since" if near else ""


@contextmanager
def _session(here: Lake, settings: Settings, **span: Any) -> Iterator[Engine]:
    with here.engine(**span, **_limits(settings)) as engine:
        yield engine


def _limits(settings: Settings) -> dict[str, Any]:
    return {
        "threads": settings.query.threads or None,
        "memory_bytes": settings.query.memory_bytes or None,
    }


def _clock(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")

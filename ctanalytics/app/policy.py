"""Policy: what a principal's history needs, what it has beyond that, what a policy would stop."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.policy import actions, document, replay, suggestion, usage
from ctanalytics.policy.replay import Replayed
from ctanalytics.policy.suggestion import Granted, Suggested
from ctanalytics.policy.usage import History
from ctanalytics.settings import Settings
from ctanalytics.untrusted import one_line

DAYS: Final = 90
_MOST_REQUESTS: Final = 20_000
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a principal did, as IAM sees it."""

    principal_arn: str
    since: dt.datetime
    until: dt.datetime
    statements: tuple[Suggested, ...]
    history: History
    granted: tuple[Granted, ...] | None
    """With a policy to compare: each action that it allows."""
    replayed: tuple[Replayed, ...] | None
    """With a policy to replay: the calls, the ones that it would have stopped first."""
    notes: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The policy that the history needs, as IAM takes it."""
        return suggestion.document(self.statements)

    @property
    def would_be_denied(self) -> int:
        """Past calls that were allowed, and that the replayed policy would have denied."""
        return sum(
            each.calls
            for each in self.replayed or ()
            if each.was == "used" and each.verdict == "denied"
        )


def build_policy(
    principal: str,
    lake: str | Path | Lake,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    compare: Path | None = None,
    replayed: Path | None = None,
    wildcards: bool = False,
    settings: Settings | None = None,
) -> PolicyResult:
    """Return the IAM policy that a principal's history needs, with the evidence.

    Args:
        principal: ARN of a user, role or session, or the name at the end of the ARN.
        since: else 90 days before `until`.
        until: else the end of the newest event's day.
        compare: file of a policy whose unused actions are wanted.
        replayed: file of a policy under which the past calls are judged.
        wildcards: many ARNs of one folder become a pattern.

    Raises:
        UsageError: a policy file can't be read, or the name means several principals.
        CtanalyticsError: nobody of that name called anything in the span.
    """
    policies = {path: document.read(path) for path in (compare, replayed) if path}
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    until = until or _end(here)
    since = since or until - dt.timedelta(days=DAYS)
    span = {"since": since, "until": until}
    with here.engine(since=since, until=until) as engine:
        arn = _chosen(engine, principal, here.uri, span)
        rows = engine.run("policy/usage", principal_arn=arn, **span).to_pylist()
        requests = engine.run(
            "policy/requests", principal_arn=arn, most=_MOST_REQUESTS, **span
        ).to_pylist()
        sources = engine.run("policy/data_sources", **span)["event_source"].to_pylist()
    history = usage.history(rows, requests, most=_MOST_REQUESTS)
    statements = tuple(suggestion.suggested(history, wildcards=wildcards))
    return PolicyResult(
        arn,
        since,
        until,
        statements,
        history,
        tuple(suggestion.granted(policies[compare], history, frozenset(sources)))
        if compare
        else None,
        tuple(replay.replay(policies[replayed], requests, principal_arn=arn)) if replayed else None,
        tuple(_notes(history, statements, frozenset(sources), wildcards=wildcards)),
    )


def _end(here: Lake) -> dt.datetime:
    """The end of the last day that the lake has events of."""
    with here.engine() as engine:
        (dates,) = engine.run("investigate/dates").to_pylist()
    last = dates["last_date"] or dt.datetime.now(dt.UTC).date()
    return dt.datetime.combine(last, dt.time(), dt.UTC) + dt.timedelta(days=1)


def data(found: PolicyResult) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "principal_arn": found.principal_arn,
        "since": found.since,
        "until": found.until,
        "iam_data_of": actions.data_version(),
        "policy": found.document,
        "statements": [
            {
                "actions": list(each.actions),
                "resources": list(each.resources),
                "why_any_resource": each.why_any,
                "doubtful": each.doubtful,
                "evidence": [_plain(use) for use in each.uses],
            }
            for each in found.statements
        ],
        "denied": [_plain(use) for use in found.history.denied.values()],
        "unneeded": dict(found.history.unneeded),
        "granted": None if found.granted is None else [asdict(each) for each in found.granted],
        "replay": None if found.replayed is None else [asdict(each) for each in found.replayed],
        "would_be_denied": None if found.replayed is None else found.would_be_denied,
        "notes": list(found.notes),
    }


def _plain(use: usage.Use) -> dict[str, Any]:
    return {
        "action": use.action,
        "doubt": use.doubt,
        "calls": use.calls,
        "errors": use.errors,
        "calls_by_services": use.calls_by_services,
        "first_use": use.first_use,
        "last_use": use.last_use,
        "event_ids": list(use.event_ids),
        "events": sorted(use.event_names),
        "resources": sorted(use.resources),
        "why_any_resource": use.why_any,
    }


def _chosen(engine: Engine, text: str, where: str, span: Mapping[str, dt.datetime]) -> str:
    found = engine.run("policy/principals", text=text, **span).to_pylist()
    if len(found) == 1:
        return str(found[0]["principal_arn"])
    if found:
        lines = [f"  {row['principal_arn']}  {row['calls']:,} calls" for row in found[:_SHOWN]]
        more = [f"  and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        raise UsageError(
            f"{len(found)} principals are called {one_line(text)}",
            where="PRINCIPAL",
            mend="name one by its ARN:\n" + "\n".join(map(one_line, [*lines, *more])),
        )
    known = engine.run("policy/known", **span)["principal_arn"].to_pylist()
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5)
    hint = f"; near to it are {', '.join(map(one_line, near))}" if near else ""
    raise CtanalyticsError(
        f"no call of {one_line(text)} between {span['since']:%Y-%m-%d} and {span['until']:%Y-%m-%d}",
        where=where,
        mend=f"give the ARN of a user or role, and a span with --since{hint}",
    )


def _notes(
    history: History,
    statements: tuple[Suggested, ...],
    sources: frozenset[str],
    *,
    wildcards: bool,
) -> list[str]:
    notes = []
    size = suggestion.characters(suggestion.document(statements))
    if size > suggestion.MOST_CHARACTERS:
        tip = "split it" if wildcards else "take --wildcards, or split it"
        notes.append(
            f"the policy has {size:,} characters, a managed policy at most "
            f"{suggestion.MOST_CHARACTERS:,}: {tip}"
        )
    touched = {use.action.partition(":")[0] for use in history.used.values()}
    for group in actions.table()["data_events"]:
        source = f"{group['source']}.amazonaws.com"
        if source not in sources and actions.service_of(source) in touched:
            notes.append(
                f"? {', '.join(group['actions'][:3])} and the like: the lake has no data events of "
                f"{group['source']}, so it may need them all the same"
            )
    return notes

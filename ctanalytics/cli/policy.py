"""`ctanalytics policy`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    from ctanalytics.app.policy import PolicyResult
    from ctanalytics.policy.suggestion import Suggested
    from ctanalytics.policy.usage import Use

_LISTED = 40
_RESOURCES = 3


def policy(
    principal: Annotated[
        str, typer.Argument(help="ARN of a user, role or session, or the name at its end.")
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Calls from here on (UTC) [default: 90 days before the end].")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Calls before this (UTC).")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Policy it has, as JSON: which actions are not used?")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Proposed policy: which past calls would it have denied?")
    ] = None,
    wildcards: Annotated[
        bool, typer.Option("--wildcards", help="Merge many ARNs of one folder into a pattern.")
    ] = False,
    document: Annotated[
        bool, typer.Option("--document", help="Print the policy alone, as IAM takes it.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print all with its evidence as JSON.")
    ] = False,
) -> None:
    """Write the IAM policy that a principal's history needs, each statement with its evidence.

    What CloudTrail can't show is marked `?`. Ends with exit code 3 when the replayed policy would have
    denied past calls.

    Example: ctanalytics policy arn:aws:iam::111122223333:role/deploy --since 2026-09-01 --lake ./lake
    """
    from ctanalytics.app.policy import build_policy, data
    from ctanalytics.cli import times

    settings = console.settings_from({"lake": lake})
    found = build_policy(
        principal,
        console.lake_place(settings),
        since=times.moment(since, "--since"),
        until=times.moment(until, "--until"),
        compare=compare,
        replayed=replay,
        wildcards=wildcards,
        settings=settings,
    )
    if document:
        console.emit_json(found.document)
    elif json:
        console.emit_json(data(found))
    else:
        _print(found)
    for note in found.notes:
        console.note(note)
    if found.would_be_denied:
        console.note(f"{found.would_be_denied:,} past calls would have been denied")
        raise typer.Exit(3)


def _print(found: PolicyResult) -> None:
    console.out(f"{found.principal_arn}, {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}")
    rows = [
        (place, *_evidence(each, use))
        for place, each in enumerate(found.statements, start=1)
        for use in each.uses
    ]
    console.table(("statement", "action", "calls", "last use", "resource", "event"), rows)
    if found.history.denied:
        denied = [(use.action, use.calls, use.last_use) for use in found.history.denied.values()]
        console.table(("action", "calls", "last denied"), denied, title="Denied, not in the policy")
    if found.granted is not None:
        _print_granted(found)
    if found.replayed is not None:
        _print_replayed(found)


def _evidence(each: Suggested, use: Use) -> tuple[Any, ...]:
    shown = list(each.resources[:_RESOURCES])
    if len(each.resources) > _RESOURCES:
        shown.append(f"and {len(each.resources) - _RESOURCES} more")
    if each.why_any:
        shown.append(f"({use.why_any or each.why_any})")
    return (
        f"{'? ' if use.doubt else ''}{use.action}",
        use.calls,
        use.last_use,
        " ".join(shown),
        use.event_ids[0] if use.event_ids else None,
    )


def _print_granted(found: PolicyResult) -> None:
    granted = found.granted or ()
    counts = Counter(each.state for each in granted)
    told = ", ".join(f"{counts[state]:,} {state}" for state in ("used", "unused", "?"))
    console.out(f"{len(granted):,} actions are granted: {told}")
    by_service = Counter(
        each.action.partition(":")[0] for each in granted if each.state == "unused"
    )
    few = [each for each in granted if each.state != "used"]
    if len(few) <= _LISTED:
        rows = [(each.action, ", ".join(each.sids), each.state, each.why) for each in few]
        console.table(
            ("action", "statement", "state", "why"), rows, title="Granted, not seen in use"
        )
        return
    services = by_service.most_common(_LISTED)
    console.table(
        ("service", "unused actions"), services, title="Granted and unused; --json lists all"
    )


def _print_replayed(found: PolicyResult) -> None:
    rows = [
        (
            each.verdict,
            each.was,
            f"{each.event_source.removesuffix('.amazonaws.com')} {each.event_name}",
            ", ".join(each.actions),
            each.calls,
            each.last_use,
            " ".join(each.resources),
            each.event_ids[0],
        )
        for each in found.replayed or ()
        if each.verdict != "allowed" or each.was == "denied"
    ]
    columns = ("verdict", "was", "call", "action", "calls", "last use", "resource", "event")
    console.table(columns, rows, title="Replayed: what would not be allowed, and what was not")

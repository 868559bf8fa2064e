"""`ctanalytics timeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    from ctanalytics.app.timeline import TimelineResult
    from ctanalytics.changes.attribution import Entry
    from ctanalytics.changes.difference import Difference

_SHOWN = 3


def timeline(
    resource: Annotated[
        str, typer.Argument(help="ARN, id, name, or AWS::Service::Type/id of a resource.")
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only changes and calls from here on (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only those before this (UTC).")] = None,
    account: Annotated[
        str | None, typer.Option(help="Account, where a name means several.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--in-region", help="Region, where a name means several.")
    ] = None,
    type: Annotated[
        str | None, typer.Option(help="Type, as AWS::S3::Bucket, where a name means several.")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print every difference, before and after.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write one page of HTML.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Show how a resource changed: what, by which call, by whom, with which tool.

    Needs files of AWS Config in the lake; without them only calls are shown. Changes that no call
    explains are marked, and calls after which nothing changed.

    Example: ctanalytics timeline sg-0a1b2c3d4e5f60718 --since 2026-11-01 --lake ./lake
    """
    import datetime as dt

    from ctanalytics.app.timeline import data, page, write_page
    from ctanalytics.app.timeline import timeline as run
    from ctanalytics.cli import times

    settings = console.settings_from({"lake": lake})
    found = run(
        resource,
        console.lake_place(settings),
        account_id=account,
        aws_region=region,
        resource_type=type,
        since=times.moment(since, "--since"),
        until=times.moment(until, "--until"),
        settings=settings,
    )
    if html:
        write_page(page(found, dt.datetime.now(dt.UTC)), html)
    if json:
        console.emit_json(data(found))
    else:
        _print(found, diff=diff)
    for note in found.notes:
        console.note(note)


def _print(found: TimelineResult, *, diff: bool) -> None:
    one = found.resource
    where = ", ".join(filter(None, (one.resource_type, one.account_id, one.aws_region)))
    console.out(
        f"{one.arn or one.resource_name or one.resource_id}" + (f" ({where})" if where else "")
    )
    columns = ("when", "verdict", "what", "call", "human", "as", "tool", "certainty")
    console.table(columns, [_row(entry) for entry in found.entries])
    if diff:
        for entry in found.entries:
            if entry.differences:
                rows = [(each.path, *_sides(each)) for each in entry.differences]
                title = f"{console.plain(entry.at)} {entry.change}"
                console.table(("place", "before", "after"), rows, title=title)
    counts = found.counts()
    console.note(", ".join(f"{count} {name}".replace("_", " ") for name, count in counts.items()))


def _row(entry: Entry) -> tuple[Any, ...]:
    call = entry.call
    if call is None:
        return (entry.at, entry.verdict, _what(entry), *[None] * 5)
    others = f" +{len(entry.other_calls)}" if entry.other_calls else ""
    principal = (call.principal or "").rpartition(":")[2]
    return (
        entry.at,
        entry.verdict,
        _what(entry),
        f"{call.event_name}{others}",
        call.human,
        f"{principal} {call.session_name}" if call.session_name else principal,
        f"{call.tool}{' (ClickOps)' if call.is_click_ops else ''}",
        f"{call.confidence}, {call.matched_by}" if call.confidence else None,
    )


def _what(entry: Entry) -> str:
    paths = [each.path for each in entry.differences[:_SHOWN]]
    if len(entry.differences) > _SHOWN:
        paths.append(f"and {len(entry.differences) - _SHOWN} more")
    return ": ".join(filter(None, (entry.change or "", ", ".join(paths))))


def _sides(each: Difference) -> tuple[str, str]:
    import json

    return tuple(  # type: ignore[return-value]
        "" if each.kind == absent else json.dumps(value)
        for absent, value in (("added", each.before), ("removed", each.after))
    )

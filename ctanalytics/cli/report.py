"""`ctanalytics report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import day as whole_day
from ctanalytics.cli.times import moment


def report(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of report.html, report.md, report.json.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="One UTC day, such as 2026-11-24.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (UTC).")] = None,
    top: Annotated[int | None, typer.Option(help="Rows of each table.", min=1)] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", help="html: the files; text: a plain mail of a few kB to standard output."
        ),
    ] = "html",
    json: Annotated[bool, typer.Option("--json", help="Print where it lies as JSON.")] = False,
) -> None:
    """Write what happened in a day or a span as one HTML page, Markdown and JSON.

    Without --day, --since or --until it covers the days that detect looks at, up to the newest
    event.

    Example: ctanalytics report --lake ./lake --output ./report --day 2026-11-24
    """
    import dataclasses

    from ctanalytics.app.report import report as run
    from ctanalytics.errors import UsageError

    if day is not None and (since is not None or until is not None):
        raise UsageError(
            "--day is a span of its own", where="--day", mend="give --day, or --since and --until"
        )
    start, end = (
        whole_day(day, "--day")
        if day is not None
        else (moment(since, "--since"), moment(until, "--until"))
    )
    settings = console.settings_from({"lake": lake, "report.top": top})
    if form not in ("html", "text"):
        raise UsageError(f"there is no format {form!r}", where="--format", mend="use html or text")
    if form == "text":
        from ctanalytics.app.digest import digest

        text = digest(console.lake_of(settings), settings=settings, since=start, until=end)
        if json:
            console.emit_json({"text": text})
        else:
            console.raw(text)
        return
    result = run(
        console.lake_of(settings), settings=settings, output=output, since=start, until=end
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    console.out(result.headline)
    console.out(result.html)

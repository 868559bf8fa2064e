"""`ctanalytics report`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.times import day as whole_day
from ctanalytics.cli.times import moment


def report(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="Folder or s3://bucket/prefix of report.html, report.md and report.json."
        ),
    ] = None,
    day: Annotated[
        str | None, typer.Option(help="One day of the time zone, such as 2026-11-24.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (UTC).")] = None,
    top: Annotated[int | None, typer.Option(help="Rows of each table.", min=1)] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="en or ja; by default report.language.",
            autocompletion=completion.one_of("en", "ja"),
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of all times shown, such as Asia/Tokyo; else report.timezone."),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="html: the files; text: a plain mail of a few kB to standard output.",
            autocompletion=completion.one_of("html", "text"),
        ),
    ] = "html",
    show: Annotated[
        bool, typer.Option("--open", help="Open the page in your browser; of a folder only.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print where it lies as JSON.")] = False,
) -> None:
    """Write what happened in a day or a span as one HTML page, Markdown and JSON.

    Without --day, --since or --until it covers the days that detect looks at, up to the newest
    event.

    Example: ctanalytics report --lake ./lake --output ./report --day 2026-11-24

    Example: ctanalytics report --lake ./lake --language ja --timezone Asia/Tokyo
    """
    import dataclasses
    import webbrowser
    from pathlib import Path

    from ctanalytics.app.report import report as run
    from ctanalytics.aws import bucket_of
    from ctanalytics.errors import UsageError
    from ctanalytics.reporting.voice import voice_of

    settings = console.settings_from(
        {
            "lake": lake,
            "report.top": top,
            "report.language": language,
            "report.timezone": timezone,
        }
    )
    zone = voice_of(settings.report.language, settings.report.timezone).zone
    if day is not None and (since is not None or until is not None):
        raise UsageError(
            "--day is a span of its own", where="--day", mend="give --day, or --since and --until"
        )
    start, end = (
        whole_day(day, "--day", zone)
        if day is not None
        else (moment(since, "--since"), moment(until, "--until"))
    )
    if form not in ("html", "text"):
        raise UsageError(f"there is no format {form!r}", where="--format", mend="use html or text")
    if show and (form == "text" or bucket_of(output or settings.report.output)):
        raise UsageError(
            "only a page in a folder can be opened",
            where="--open",
            mend="leave it out, or name a folder with --output",
        )
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
    else:
        console.out(result.headline)
        console.out(result.html)
    if show and not webbrowser.open(Path(result.html).absolute().as_uri()):
        console.note("no browser was found; open the file yourself")

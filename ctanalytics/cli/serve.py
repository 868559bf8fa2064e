"""`ctanalytics serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def serve(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [default: one that is free].", min=0)
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Show a lake in a browser: reports, incidents, anomalies, search over events. Read-only.

    Only this machine is answered, and only who knows the address that is printed; Ctrl-C ends it.

    Example: ctanalytics serve --lake ./lake --open
    """
    from ctanalytics.app.serve import serve as listening
    from ctanalytics.app.serve.opening import opened

    settings = console.settings_from({"lake": lake, "serve.host": host, "serve.port": port})
    console.lake_place(settings)
    with listening(settings, tell=console.note) as serving:
        if serving.warning:
            console.note(serving.warning)
        if json:
            console.emit_json_line({"url": serving.url})
        else:
            console.out(serving.url)
            console.flush()
            console.note("whoever knows this address may read the lake; Ctrl-C ends it")
        with opened(serving.url, wanted=open_):
            try:
                serving.run()
            except KeyboardInterrupt:
                console.note("stopped")

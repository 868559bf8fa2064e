"""`ctanalytics accounts import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="CSV with account_id and name, ou, environment, owner, ... columns."),
    ],
    users: Annotated[
        bool,
        typer.Option(
            "--users", help="The file names Identity Center's users: user_id, user_name, ..."
        ),
    ] = False,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was taken as JSON.")] = False,
) -> None:
    """Take what you know of accounts, or of people, from a CSV file.

    Example: ctanalytics accounts import accounts.csv --lake ./lake
    """
    import dataclasses
    import datetime as dt

    from ctanalytics.app.accounts.directory import import_accounts, import_users

    run = import_users if users else import_accounts
    opened = console.lake_of(console.settings_from({"lake": lake}))
    found = run(file, opened, now=dt.datetime.now(dt.UTC))
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(f"{found.rows} {'users' if users else 'accounts'} taken from {found.origin}")

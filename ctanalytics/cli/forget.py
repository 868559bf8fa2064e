"""`ctanalytics forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.forget import ForgetResult


def forget(
    user_name: Annotated[
        str | None, typer.Option(help="An IAM user's name, as userIdentity.userName has it.")
    ] = None,
    session_name: Annotated[
        str | None,
        typer.Option(help="A role session's name or source identity; often a person's address."),
    ] = None,
    principal: Annotated[
        str | None, typer.Option(help="ARN of a user or role; sessions count to their role.")
    ] = None,
    arn: Annotated[str | None, typer.Option(help="ARN as userIdentity.arn has it.")] = None,
    ip: Annotated[str | None, typer.Option(help="A source address.")] = None,
    account: Annotated[
        str | None, typer.Option(help="Only in this account; alone: all that it has in the span.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Events before here (UTC).")] = None,
    action: Annotated[
        str,
        typer.Option(
            help="What becomes of rows in which the subject acted: remove, mask, or hash (with the "
            "key of redact.hash).",
            autocompletion=completion.one_of("remove", "mask", "hash"),
        ),
    ] = "remove",
    reason: Annotated[str, typer.Option(help="For the log, such as the request's number.")] = "",
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Erase a person, principal, address or account from a lake, now and in later ingests.

    Example: ctanalytics forget --session-name ada@example.com --reason "request 17" --lake ./lake
    """
    import dataclasses
    import functools

    from ctanalytics.app.forget import forget as verb

    settings = console.settings_from({"lake": lake})
    kind, value = _subject(
        {
            "user_name": user_name,
            "session_name": session_name,
            "principal": principal,
            "arn": arn,
            "ip": ip,
        },
        account,
    )
    run = functools.partial(
        verb,
        console.lake_place(settings),
        kind=kind,
        value=value,
        account="" if kind == "account" else account or "",
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        action=action,
        reason=reason,
        settings=settings,
    )
    if not (dry_run or yes):
        _ask(run(dry_run=True), quietly=json)
    result = run(dry_run=dry_run)
    if json:
        found = dataclasses.asdict(result)
        console.emit_json(found | {"removed": result.removed, "covered": result.covered})
        return
    _print(result)


def _subject(given: dict[str, str | None], account: str | None) -> tuple[str, str]:
    from ctanalytics.errors import UsageError

    told = [(kind, value) for kind, value in given.items() if value is not None]
    if not told and account is not None:
        return "account", account
    if len(told) != 1:
        raise UsageError(
            "a request is about one subject",
            where=", ".join(f"--{kind.replace('_', '-')}" for kind in given),
            mend="give one of these flags (run it once for each name a person has), or --account",
        )
    return told[0]


def _ask(would: ForgetResult, *, quietly: bool) -> None:
    from ctanalytics.errors import UsageError

    if not quietly:
        _print(would)
    if not console.is_interactive():
        raise UsageError(
            f"{would.removed} rows would go and {would.covered} be covered, and nobody can be asked",
            where="--yes",
            mend="add --yes, or --dry-run to see what would go",
        )
    if not console.confirmed("Erase that? It can't be undone."):
        raise typer.Abort


def _print(result: ForgetResult) -> None:
    console.table(
        ("table", "removed", "covered", "files"),
        [(each.table, each.removed, each.covered, each.files) for each in result.tables],
    )
    if result.dry_run:
        console.out(f"{result.removed:,} rows would go, {result.covered:,} would be covered")
        return
    console.out(
        f"{result.removed:,} rows are gone, {result.covered:,} are covered; "
        f"logged as request {result.request_id}"
    )
    console.note(
        "the old files stay on disk until `ctanalytics lake vacuum`; what was sent, reported or "
        "exported before, and the logs in their bucket, are not touched"
    )

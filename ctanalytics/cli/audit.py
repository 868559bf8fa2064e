"""`ctanalytics audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import completion, console
from ctanalytics.errors import UsageError

if TYPE_CHECKING:
    from ctanalytics.app.audit import AuditResult
    from ctanalytics.records.posture import Finding
    from ctanalytics.settings import Settings

FORMATS = ("table", "json", "html", "ocsf", "asff")


def audit(
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this check, * for any characters; repeatable [default: all].",
            autocompletion=completion.checks,
        ),
    ] = None,
    audit_region: Annotated[
        list[str] | None,
        typer.Option(help="Audit this region; repeatable [default: all that are opted in to]."),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            help="Save all answers of AWS in this file; with --organization in this folder, from "
            "which a run that was broken off goes on."
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Judge such a file, or folder, instead of asking AWS."),
    ] = None,
    organization: Annotated[
        bool,
        typer.Option("--organization", help="Audit all accounts of the organization."),
    ] = False,
    role_name: Annotated[
        str | None, typer.Option(help="Role to assume in each account of the organization.")
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(help="Audit the accounts of this file instead of all: an id on each line."),
    ] = None,
    lake: Annotated[
        str | None,
        typer.Option(help="Hold trails against what this lake has seen, and keep findings in it."),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="What is written: table, json, html, ocsf or asff.",
            autocompletion=completion.one_of(*FORMATS),
        ),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="Write to this file [default: stdout].")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit code 3 when anything of this severity or above fails or is unknown.",
            autocompletion=completion.severities,
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the checks, and ask AWS nothing.")
    ] = False,
    policy: Annotated[
        bool,
        typer.Option("--policy", help="Print the IAM policy that an audit needs, and no more."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
) -> None:
    """Check how trails, their buckets, keys, alarms and rights are set up; nothing is changed.

    Example: ctanalytics audit --lake ./lake --format html --output audit.html --fail-on high
    """
    form = "json" if json else format
    _require(form, fail_on, organization, role_name, accounts, from_, output)
    if list_:
        _list(form)
        return
    if policy:
        from ctanalytics.app.audit import policy_apis
        from ctanalytics.posture.actions import policy_text

        console.out(policy_text(policy_apis()))
        return
    settings = console.settings_from({"lake": lake})
    result = _run(settings, check, audit_region, snapshot, from_, organization, role_name, accounts)
    if form == "table" and output is None:
        _print(result)
    else:
        _write(_text(result, form, settings), output)
    _say(result)
    if result.unreached or (fail_on and result.at_least(fail_on)):
        raise typer.Exit(3)


def _require(
    format: str,
    fail_on: str | None,
    organization: bool,
    role_name: str | None,
    accounts: Path | None,
    source: Path | None,
    output: Path | None,
) -> None:
    from ctanalytics.findings import SEVERITIES

    if format not in FORMATS:
        raise UsageError(
            f"there is no format {format!r}",
            where="--format",
            mend=f"give one of {', '.join(FORMATS)}",
        )
    if format == "table" and output is not None:
        raise UsageError(
            "a table is for the terminal",
            where="--output",
            mend="give --format html, json, ocsf or asff",
        )
    if fail_on is not None and fail_on not in SEVERITIES:
        raise UsageError(
            f"there is no severity {fail_on!r}",
            where="--fail-on",
            mend=f"give one of {', '.join(SEVERITIES)}",
        )
    if organization and not role_name:
        raise UsageError("no role is named", where="--organization", mend="give --role-name NAME")
    if (role_name or accounts) and not organization:
        raise UsageError(
            "these are for an organization",
            where="--role-name, --accounts",
            mend="add --organization",
        )
    if organization and source is not None:
        raise UsageError(
            "a folder of snapshots needs no role", where="--from", mend="leave out --organization"
        )


def _run(
    settings: Settings,
    check: list[str] | None,
    regions: list[str] | None,
    snapshot: Path | None,
    source: Path | None,
    organization: bool,
    role_name: str | None,
    accounts: Path | None,
) -> AuditResult:
    if organization:
        from ctanalytics.app.audit_accounts import audit_organization

        return audit_organization(
            role_name or "",
            settings=settings,
            accounts=accounts,
            checks=check or (),
            regions=regions or (),
            snapshot=snapshot,
            report=lambda account, what: console.note(f"{account}: {what}"),
        )
    from ctanalytics.app.audit import audit as run

    return run(
        settings=settings,
        checks=check or (),
        regions=regions or (),
        snapshot=snapshot,
        source=source,
    )


def _text(result: AuditResult, format: str, settings: Settings) -> str:
    """The result in a format for machines, or as a page."""
    from ctanalytics.app import audit_forms as forms

    if format == "html":
        return forms.html(result)
    if format == "ocsf":
        return forms.ocsf(result)
    if format == "asff":
        return forms.asff(result, region=settings.audit_aws.region)
    return forms.json_text(result)


def _print(result: AuditResult) -> None:
    from ctanalytics.reporting.audit_page import headline

    rows = [
        (one.status, one.severity, one.check_id, one.resource, _said(one))
        for one in result.findings
        if one.status != "pass"
    ]
    if rows:
        console.table(("status", "severity", "check", "resource", "what holds"), rows)
    for row in result.recorded:
        if row["extent"] != "all" and row["events"].startswith("management"):
            console.out(
                f"{row['account_id']} {row['aws_region']}: {row['events']} recorded: "
                f"{row['extent']} ({row['left_out']})"
            )
    console.out(headline(result.findings))


def _said(one: Finding) -> str:
    if not one.missing:
        return one.explanation
    return f"{one.explanation}; allow {', '.join(one.missing)}"


def _write(text: str, output: Path | None) -> None:
    if output is None:
        console.raw(text)
        return
    from ctanalytics.app.audit_forms import write

    write(output, text)
    console.note(f"written to {output}")


def _say(result: AuditResult) -> None:
    """What a person should know besides, on stderr."""
    for one in result.unreached:
        console.note(f"not audited: {one.account_id}: {one.why}")
    if result.not_run:
        reasons: dict[str, list[str]] = {}
        for name, why in result.not_run.items():
            reasons.setdefault(why, []).append(name)
        for why, names in reasons.items():
            console.note(f"{len(names)} checks not run: {why}")


def _list(format: str) -> None:
    import dataclasses

    from ctanalytics.app.audit import listing

    found = listing()
    if format == "json":
        rows: list[dict[str, Any]] = [
            {**dataclasses.asdict(one), "cis": one.cis_by_version()} for one in found
        ]
        console.emit_json(rows)
        return
    console.table(
        ("check", "severity", "of", "what should hold", "cis 5", "security hub"),
        [
            (
                one.check_id,
                one.severity,
                one.subject,
                one.title,
                one.cis_by_version().get("5.0.0", ""),
                ", ".join(one.security_hub),
            )
            for one in found
        ],
    )

"""`ctanalytics deploy render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.deploy.modes import ControlTower, ExistingBucket, ExistingTrail, mode_of


def render(
    name: Annotated[
        str,
        typer.Argument(
            help="What to deploy; `ctanalytics deploy list` lists it.",
            autocompletion=completion.kits,
        ),
    ],
    param: Annotated[
        list[str] | None, typer.Option(help="A parameter, as Name=value; repeatable.")
    ] = None,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of `aws cloudformation describe-stacks`: a stack's outputs fill the parameters of the same names; repeatable."
        ),
    ] = None,
    existing_trail: ExistingTrail = False,
    existing_bucket: ExistingBucket = False,
    control_tower: ControlTower = False,
    stack: Annotated[str, typer.Option(help="Name of the stack [default: ctanalytics-NAME].")] = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path(
        "deploy"
    ),
    force: Annotated[bool, typer.Option("--force", help="Write over files that differ.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a CloudFormation template or the nightly job's files, filled in, and tell how to deploy them.

    Example: ctanalytics deploy render single-account --param AlertEmail=security@example.com --region eu-west-1
    """
    import dataclasses

    from ctanalytics.app.deploy.parameters import given
    from ctanalytics.app.deploy.render import render as run

    flags = console.shared.flags
    result = run(
        name,
        values=given(param or []),
        output=output,
        outputs=outputs or (),
        mode=mode_of(existing_trail, existing_bucket, control_tower),
        stack=stack,
        region=flags.get("lake_aws.region", ""),
        profile=flags.get("lake_aws.profile", ""),
        force=force,
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    for path in result.files:
        console.note(f"wrote {path}")
    for command in result.commands:
        for line in command.split("\n"):
            console.out(line)
    if result.next:
        console.note(f"then: ctanalytics deploy render {' or '.join(result.next)}")

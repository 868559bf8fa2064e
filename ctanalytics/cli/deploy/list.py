"""`ctanalytics deploy list`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.deploy.modes import ControlTower, ExistingBucket, ExistingTrail, mode_of


def list_kits(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Tell the parameters of this template or set of files.",
            autocompletion=completion.kits,
        ),
    ] = None,
    existing_trail: ExistingTrail = False,
    existing_bucket: ExistingBucket = False,
    control_tower: ControlTower = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List what can be deployed, or what one of these wants to know.

    Example: ctanalytics deploy list single-account
    """
    import dataclasses

    from ctanalytics.app.deploy.kits import kit, kits
    from ctanalytics.app.deploy.render import parameters

    mode = mode_of(existing_trail, existing_bucket, control_tower)
    if name is None:
        rows = [
            {"name": one.name, "title": one.title, "flags": [f"--{each}" for each in one.modes]}
            for one in kits().values()
        ]
        if json:
            console.emit_json(rows)
        else:
            console.table(
                ("name", "deploys", "knows"),
                [(row["name"], row["title"], " ".join(row["flags"])) for row in rows],
            )
        return
    found = parameters(kit(name), mode).values()
    if json:
        console.emit_json([dataclasses.asdict(one) for one in found])
        return
    console.table(
        ("parameter", "default", "meaning"),
        [
            (
                one.name,
                "(needed)" if one.default is None else one.default,
                _meaning(one.about, one.allowed),
            )
            for one in sorted(found, key=lambda one: one.default is not None)
        ],
    )


def _meaning(about: str, allowed: tuple[str, ...]) -> str:
    return f"{about} One of {', '.join(allowed)}." if allowed else about

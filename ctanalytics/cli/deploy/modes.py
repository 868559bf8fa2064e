"""The flags that say what is there already; `list` and `render` share them."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.errors import UsageError

ExistingTrail = Annotated[
    bool,
    typer.Option(
        "--existing-trail", help="A trail and its bucket are there: roles, topic and alarms only."
    ),
]
ExistingBucket = Annotated[
    bool,
    typer.Option(
        "--existing-bucket", help="A bucket of logs is there: roles, topic and alarms only."
    ),
]
ControlTower = Annotated[
    bool,
    typer.Option(
        "--control-tower", help="Control Tower made trail and bucket: roles, topic and alarms only."
    ),
]


def mode_of(existing_trail: bool, existing_bucket: bool, control_tower: bool) -> str:
    """Return the mode that the flags choose, "" for none.

    Raises:
        UsageError: more than one flag is given.
    """
    given = [
        mode
        for mode, wanted in (
            ("existing-trail", existing_trail),
            ("existing-bucket", existing_bucket),
            ("control-tower", control_tower),
        )
        if wanted
    ]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(f'--{mode}' for mode in given)} exclude each other",
            mend="--existing-trail includes its bucket; --control-tower includes both",
        )
    return given[0] if given else ""

"""The flags of commands whose heavy work can be spread over machines."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import completion
from ctanalytics.engines.executor import EXECUTOR_HELP, EXECUTORS, MASTER_HELP

ExecutorFlag = Annotated[
    str | None,
    typer.Option("--executor", help=EXECUTOR_HELP, autocompletion=completion.one_of(*EXECUTORS)),
]
MasterFlag = Annotated[str | None, typer.Option("--master", help=MASTER_HELP)]


def flags(executor: str | None, master: str | None) -> dict[str, str | None]:
    """Return them by the names of their settings."""
    return {"execution.executor": executor, "execution.master": master}

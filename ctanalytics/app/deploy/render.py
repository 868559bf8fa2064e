"""Render: a kit's files, filled in, and the commands that deploy them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctanalytics import whole
from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.commands import Telling, commands
from ctanalytics.app.deploy.kits import Kit, kit
from ctanalytics.app.deploy.parameters import Parameter, filled, parameter
from ctanalytics.errors import UsageError, reason


@dataclass(frozen=True)
class RenderResult:
    """What was written, and what to do with it."""

    kit: str
    mode: str
    files: list[Path]
    parameters: dict[str, str]
    """All of them, given or default."""
    commands: list[str]
    """A shell's commands, in order; those with placeholders in capitals need a person."""
    next: tuple[str, ...]


def render(
    name: str,
    *,
    values: Mapping[str, str],
    output: Path,
    outputs: Sequence[Path] = (),
    mode: str = "",
    stack: str = "",
    region: str = "",
    profile: str = "",
    force: bool = False,
) -> RenderResult:
    """Write a kit's template and files, and tell the commands that deploy them.

    Args:
        values: parameters by name; defaults fill what is not given.
        output: the folder to write to; it is made.
        outputs: files with the outputs of stacks, which fill the parameters of the same names.
        mode: what is there already: a key of `Kit.modes`, or "" for nothing.
        stack: the stack's name; else ctanalytics-KIT.
        region: for the commands alone, as `profile`.
        force: write over files that differ.

    Raises:
        UsageError: no such kit, mode or parameter, a value is wrong, or a file would be lost.
    """
    one = kit(name)
    one.parts_in(mode)
    known = parameters(one, mode)
    for path in outputs:
        values = {key: text for key, text in read_outputs(path).items() if key in known} | {
            **values
        }
    found = filled(known, values)
    texts = {each: compose.file(each, one, mode, found) for each in one.files}
    own = set(compose.body(one, mode)[1]) if one.parts else set()
    overrides = {key: value for key, value in values.items() if key in own}
    if one.parts:
        texts[f"{name}.yaml"] = compose.template(one, mode, overrides)
    paths = _write(output, texts, force=force)
    told = Telling(
        folder=output,
        stack=stack or f"ctanalytics-{name}",
        region=region,
        profile=profile,
        prefix=found.get("Prefix", ""),
        overrides=overrides,
    )
    return RenderResult(
        kit=name,
        mode=mode,
        files=paths,
        parameters=found,
        commands=commands(one, told),
        next=one.next,
    )


def parameters(one: Kit, mode: str) -> dict[str, Parameter]:
    """Return what a kit wants to know: its template's parameters and those of its files."""
    names = set(compose.body(one, mode)[1]) if one.parts else set()
    names |= compose.file_parameters(one.files)
    return {
        name: parameter(name, definition)
        for name, definition in compose.parameters(one, mode).items()
        if name in names
    }


def read_outputs(path: Path) -> dict[str, str]:
    """Return a stack's outputs, from what `aws cloudformation describe-stacks` printed.

    Raises:
        UsageError: the file can't be read, or is something else.
    """
    try:
        raw: Any = json.loads(path.read_text("utf-8"))
        stacks = raw["Stacks"] if isinstance(raw, dict) else [{"Outputs": raw}]
        return {
            str(each["OutputKey"]): str(each["OutputValue"])
            for stack in stacks
            for each in stack.get("Outputs", [])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = reason(error) if isinstance(error, OSError) else "it holds something else"
        raise UsageError(
            f"no outputs of a stack can be read: {why}",
            where=str(path),
            mend="write it by `aws cloudformation describe-stacks --stack-name NAME`",
        ) from error


def _write(folder: Path, texts: Mapping[str, str], *, force: bool) -> list[Path]:
    paths = {
        folder / (f".{name}" if name == "dockerignore" else name): text
        for name, text in texts.items()
    }
    if not force:
        lost = [str(path) for path, text in paths.items() if path.exists() and _differs(path, text)]
        if lost:
            raise UsageError(
                "files are there that differ from what would be written",
                where=", ".join(lost),
                mend="write to another folder, or give --force",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            with whole.replacing(path) as file:
                file.write(text.encode())
    except OSError as error:
        raise UsageError(
            f"this can't be written: {error.strerror}", where=str(folder), mend="give --output"
        ) from error
    return list(paths)


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text("utf-8") != text
    except (OSError, UnicodeDecodeError):
        return True

"""Reads the settings: flags first, then CTANALYTICS_* variables, then ctanalytics.toml."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from ctanalytics.errors import SettingsError
from ctanalytics.settings.limits import out_of_range
from ctanalytics.settings.sections import Settings, Struct

FILE_NAME = "ctanalytics.toml"
ENV_PREFIX = "CTANALYTICS_"
_DEEPEST = 4
"""Tables in one another that a fault is looked for in; settings lie in one."""
_MOST = 2**63
"""No setting counts as far, and few of the engines below take a larger number."""


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Read the settings from all their places; the first that speaks wins.

    Args:
        flags: dotted names to values, such as {"detect.budget": 1.0}; None values are ignored.
        environ: the environment; `os.environ` when not given.
        file: a settings file that must exist; else ./ctanalytics.toml when there is one.

    Raises:
        SettingsError: naming every unknown or wrong setting at once.
    """
    environ = os.environ if environ is None else environ
    known = dict(_fields(Settings))
    path = file or Path(environ.get(ENV_PREFIX + "CONFIG", FILE_NAME))
    if (file or ENV_PREFIX + "CONFIG" in environ) and not path.is_file():
        raise SettingsError(
            "there is no such settings file", where=str(path), mend="name a file that exists"
        )
    tree: dict[str, Any] = {}
    faults: list[str] = []
    for name, (value, origin) in sorted(_given(known, path, environ, flags or {}).items()):
        try:
            _put(tree, name, _converted(name, value, known))
        except ValueError as error:
            faults.append(f"{name} ({origin}): {error}")
    if not faults:
        settings: Settings = msgspec.convert(tree, Settings)
        faults = list(out_of_range(settings))
        if not faults:
            return settings
    raise SettingsError(
        "settings that can't be used: " + "; ".join(faults),
        where=str(path) if path.is_file() else "flags and CTANALYTICS_* variables",
        mend="correct them; `docs/settings.md` lists all settings with their units",
    )


def _given(
    known: Mapping[str, Any], path: Path, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> dict[str, tuple[Any, str]]:
    """Dotted names to values and where they come from; the last place that speaks wins."""
    given: dict[str, tuple[Any, str]] = {}
    if path.is_file():
        for name, value in _flatten(_read_toml(path), known):
            given[name] = (value, str(path))
    for name, kind in known.items():
        variable = ENV_PREFIX + name.replace(".", "_").upper()
        if variable in environ:
            given[name] = (_of_variable(environ[variable], kind), variable)
    for name, value in flags.items():
        if value is not None:
            given[name] = (value, "--" + name.rsplit(".", 1)[-1].replace("_", "-"))
    return given


def _converted(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Return a setting's value in its type.

    Raises:
        ValueError: there is no such setting, or it can't be that (msgspec's errors are such too).
    """
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ValueError("there is no such setting" + (f", perhaps {near[0]}" if near else ""))
    converted = msgspec.convert(value, known[name], strict=False)
    if isinstance(converted, int) and abs(converted) >= _MOST:
        raise ValueError("no number of that size can be meant")
    return converted


def _of_variable(text: str, kind: Any) -> Any:
    """A variable's value: lists are separated by commas, tables and lists of them are JSON."""
    if get_origin(kind) not in (list, dict):
        return text
    if get_origin(kind) is list and not issubclass(get_args(kind)[0], Struct):
        return text.split(",") if text else []
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text  # which is neither, as the conversion will say


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        raise SettingsError(
            f"the settings file is not TOML: {error}", where=str(path), mend="correct that line"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"the settings file can't be read: {error.strerror}",
            where=str(path),
            mend="give this user the right to read it",
        ) from error


def _fields(section: type[Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _fields(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type


def _flatten(
    tree: Mapping[str, Any], known: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = prefix + key
        if isinstance(value, dict) and name not in known and depth < _DEEPEST:
            yield from _flatten(value, known, name + ".", depth + 1)
        else:
            yield name, value


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, leaf = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[leaf] = value

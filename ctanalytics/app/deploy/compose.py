"""Puts a template together from its parts, as text, so that their comments stay.

A part is a Jinja template of a piece of CloudFormation. Parameters and conditions stand in a file
each for all parts; a template gets those that its resources use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import jinja2
import yaml

from ctanalytics._version import __version__
from ctanalytics.app.deploy.kits import Kit, table, text

_SECTION = re.compile(r"^([A-Za-z]+):\n", re.MULTILINE)
_ENTRY = re.compile(r"^(\w+):", re.MULTILINE)
_PARAMETER = re.compile(r"!Ref \"?(\w+)\"?|\$\{(\w+)[.}]")
_CONDITION = re.compile(r"(?:Condition:|!If \[|!If\n\s*-) *(\w+)")
_COMMENT = re.compile(r"^\s*#.*\n|(?<=\s)# [^\"'\n]*(?=\n)", re.MULTILINE)

MOST_BYTES: Final = 51_200
"""Of a template that CloudFormation takes by itself; a larger one has to lie in a bucket."""


@cache
def parameters(kit: Kit, mode: str) -> dict[str, dict[str, Any]]:
    """Return every parameter there is, as its definition reads for a kit in a mode."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(_render("parameters.yaml", kit, mode))
    return found


@cache
def body(kit: Kit, mode: str) -> tuple[str, tuple[str, ...]]:
    """Return the template without its parameters, and the names of those that it uses."""
    sections: dict[str, list[str]] = {"Resources": [], "Outputs": []}
    for part in kit.parts_in(mode):
        for name, content in _sections(_render(f"parts/{part}.yaml", kit, mode)):
            sections[name].append(content)
    used = "\n".join(sections["Resources"] + sections["Outputs"])
    conditions = _conditions(_render("conditions.yaml", kit, mode), used)
    lines = [f"{name}: {definition}" for name, definition in conditions.items()]
    sections = {"Conditions": [_indent(lines)] if lines else [], **sections}
    joined = "\n".join(
        f"{name}:\n{''.join(contents)}" for name, contents in sections.items() if contents
    )
    used += "\n".join(lines)
    names = {one or other for one, other in _PARAMETER.findall(_COMMENT.sub("\n", used))}
    return joined, tuple(name for name in parameters(kit, mode) if name in names)


def template(kit: Kit, mode: str, values: Mapping[str, str]) -> str:
    """Return a kit's template, its parameters' defaults set to the given values."""
    content, names = body(kit, mode)
    known = parameters(kit, mode)
    definitions = {name: _with_default(known[name], values.get(name)) for name in names}
    head = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"ctanalytics {__version__}, {kit.title}",
        "Metadata": {"ctanalytics": {"kit": kit.name, "mode": mode or "new"}},
        "Parameters": definitions,
    }
    written: str = yaml.safe_dump(head, sort_keys=False, width=100, allow_unicode=True)
    return f"{written}\n{content}"


def file(name: str, kit: Kit, mode: str, values: Mapping[str, str]) -> str:
    """Return a file of the nightly job, filled in."""
    return _render(f"nightly/{name}", kit, mode, values)


def file_parameters(names: Iterable[str]) -> set[str]:
    """Return the parameters that files of the nightly job ask for."""
    from jinja2 import meta

    found: set[str] = set()
    for name in names:
        found |= meta.find_undeclared_variables(_environment().parse(text(f"nightly/{name}")))
    return found - {"version", "kit", "mode"}


def size(content: str) -> int:
    """Return the bytes of a template."""
    return len(content.encode("utf-8"))


def _render(name: str, kit: Kit, mode: str, values: Mapping[str, str] | None = None) -> str:
    context: dict[str, Any] = {"kit": kit.name, "mode": mode, "version": __version__}
    if name.startswith("parts/"):
        macros = _environment().get_template("parts/macros")
        context |= kit.names
        context |= {
            "organization": kit.organization,
            "parts": kit.parts_in(mode),
            "own_keys": kit.keys_in(mode),
            "watch": kit.watch,
            "alarms": table("cis.toml")["alarms"],
            "tampering": _tampering(kit, mode),
        }
        context["m"] = macros.make_module(context)
    context["data_events"] = table("data_events.toml")["switches"]
    return _environment().get_template(name).render(context | dict(values or {}))


@cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(  # noqa: S701 - YAML and TOML, with filters that quote
        loader=jinja2.PackageLoader("ctanalytics", "deploy"),
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="#%",
        variable_start_string="<<",
        variable_end_string=">>",
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["flow"] = _flow
    found.filters["quoted"] = json.dumps  # TOML's basic strings escape as JSON's do
    found.filters["listed"] = lambda text: json.dumps(text.split(","))
    return found


def _with_default(definition: dict[str, Any], value: str | None) -> dict[str, Any]:
    if value is None:
        return definition
    kind = {"Type": definition["Type"]}
    return (
        kind
        | {"Default": int(value) if kind["Type"] == "Number" else value}
        | {name: rest for name, rest in definition.items() if name not in ("Type", "Default")}
    )


def _sections(part: str) -> Iterable[tuple[str, str]]:
    pieces = _SECTION.split(part)
    for name, content in zip(pieces[1::2], pieces[2::2], strict=True):
        yield name, content.rstrip("\n") + "\n\n"


def _conditions(library: str, used: str) -> dict[str, str]:
    """Return the conditions that a text names, and those that these name, in the file's order."""
    known = dict(line.split(": ", 1) for line in library.splitlines() if _ENTRY.match(line))
    wanted: set[str] = set()
    found = set(_CONDITION.findall(used))
    while found - wanted:
        wanted |= found
        found = {name for each in wanted for name in _CONDITION.findall(known[each])}
    return {name: text for name, text in known.items() if name in wanted}


def _indent(lines: Iterable[str]) -> str:
    return "".join(f"  {line}\n" for line in lines) + "\n"


def _tampering(kit: Kit, mode: str) -> list[dict[str, Any]]:
    """Return the rules, with the names of scopes replaced by what they stand for here."""
    data = table("tampering.toml")
    extra = kit.scopes.get(mode, {})
    scopes = {name: [*values, *extra.get(name, [])] for name, values in data["scopes"].items()}

    def scoped(value: Any) -> Any:
        if isinstance(value, str):
            return scopes[value]
        if isinstance(value, dict):
            return {
                name: [scoped(each) for each in inner] if name == "$or" else scoped(inner)
                for name, inner in value.items()
            }
        return value

    return [
        rule
        | {
            "own_keys": rule.get("own_keys", False),
            "calls": [
                call | {"request": scoped(call.get("request", {}))} for call in rule["calls"]
            ],
        }
        for rule in data["rules"]
    ]


def _flow(value: Any) -> str:
    """Write a value as YAML on one line, what CloudFormation fills in with !Sub."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    written = json.dumps(value)
    return f"!Sub {written}" if "${" in written else written

"""Writes the generated pages of docs/: commands from their --help, settings and models from code.

python docs/build.py            write them
python docs/build.py --check    exit 1 when a page on disk differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from ctanalytics.cli.main import app
from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.layout import TABLES
from ctanalytics.posture.catalogue import about
from ctanalytics.settings import ENV_PREFIX, Settings, Struct

DOCS = Path(__file__).parent


def commands() -> str:
    """The page of all commands and their flags."""
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part (something was set aside, or a",
        "target refused). Results go to stdout, all else to stderr. Every command takes `--json`",
        "where it has a result for machines, and the flags `--config`, `--profile`, `--region` (the",
        "AWS region, but for `ingest`, where it chooses logs), `--role-arn`, `--external-id`,",
        "`--log-format text|json` and `--quiet`.",
    ]
    for name, command in _walk(typer.main.get_command(app), "ctanalytics"):
        about, *examples = (command.help or "").split("Example:")
        lines += ["", f"## {name}", "", " ".join(about.split()), ""]
        if examples:
            lines += ["```", *(" ".join(example.split()) for example in examples), "```", ""]
        lines += ["| flag | meaning |", "|---|---|"]
        for parameter in command.params:
            names = ", ".join(f"`{option}`" for option in parameter.opts if option != "--help")
            if parameter.param_type_name != "option":
                names = f"`{(parameter.name or '').upper()}`"
            if names and parameter.name not in SHARED:
                lines.append(f"| {names} | {getattr(parameter, 'help', '') or ''} |")
    return "\n".join(lines) + "\n"


SHARED = frozenset(("config", "profile", "role_arn", "external_id", "log_format", "quiet"))


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    if any(parameter.name == "json" for parameter in command.params):
        yield name, command  # a command that has commands below it
    for key in sorted(inner):
        yield from _walk(inner[key], f"{name} {key}")


def settings() -> str:
    """The page of all settings, between its hand-written head and a table from the code."""
    head = (DOCS / "settings.head.md").read_text("utf-8")
    lines = ["| setting | variable | default |", "|---|---|---|"]
    for name, default in _settings(Settings, ""):
        variable = ENV_PREFIX + name.replace(".", "_").upper()
        lines.append(f"| `{name}` | `{variable}` | `{default!r}` |")
    return (
        head
        + "\n".join(lines)
        + "\n\nUnits are in the names; what each means stands in\n`ctanalytics/settings/sections.py`.\n"
    )


def _settings(section: type[Struct], prefix: str) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _settings(field.type, f"{prefix}{field.name}.")
        else:
            default = field.default
            if default is msgspec.NODEFAULT:
                default = field.default_factory()
            yield prefix + field.name, default


def models() -> str:
    """The page of all views, from the headers of their statements."""
    lines = [
        "# Models",
        "",
        "Views over the lake; ask them with `ctanalytics query`. Columns of `events` are CloudTrail's",
        "fields in snake case. Types are DuckDB's; times are UTC.",
        "To read few files, bound `event_date` besides `event_time`.",
    ]
    kinds = _columns()
    for name in statements.names("views"):
        header = statements.header(name)
        lines += ["", f"## {name.removeprefix('views/')}", "", header["about"], ""]
        lines += [f"- {key}: {header[key]}" for key in ("grain", "reads", "units") if key in header]
        columns = ", ".join(f"`{column}` {kind}" for column, kind in kinds[name])
        lines.append(f"- columns: {columns}")
    return "\n".join(lines) + "\n"


def _columns() -> dict[str, list[tuple[str, str]]]:
    """Columns and types of each view, as an empty lake has them."""
    tables = {name: TableFiles(spec.schema) for name, spec in TABLES.items()}
    with Engine(tables) as engine:
        rows = engine.run("lake/view_columns").to_pylist()
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        kind = row["type"].lower().replace("timestamp with time zone", "timestamptz")
        found.setdefault(f"views/{row['view']}", []).append((row["column"], kind))
    return found


def checks() -> str:
    """The page of all checks of an audit, from their catalogue."""
    lines = [
        "# Checks",
        "",
        "What [`ctanalytics audit`](audit.md) checks. `ctanalytics audit --list --json` has the remedies too.",
        "CIS: the number in versions 1.4 to 2.0, 3.0 to 5.0, 6.0 to 7.0 of the AWS Foundations Benchmark.",
        "",
        "| check | severity | of | what should hold, and why | CIS | Security Hub |",
        "|---|---|---|---|---|---|",
    ]
    for name, words in about().items():
        cis = " / ".join(number or "-" for number in words.cis) if any(words.cis) else ""
        hub = ", ".join(words.security_hub)
        lines.append(
            f"| `{name}` | {words.severity} | {words.subject} | {words.title}. {words.why} | {cis} | {hub} |"
        )
    return "\n".join(lines) + "\n"


def behaviour_features() -> str:
    """The page of what behaviour is measured by, from the features' own words."""
    from ctanalytics.detectors.behaviour_features import FEATURES

    lines = [
        "# Numbers of a principal-day",
        "",
        "What [behaviour](behaviour.md) is measured by. ln: the number is used as ln(1 + n), so that ten",
        "times as much is as far at any size. A step is a difference that counts as one, however alike the",
        "peers are. All are oriented so that more is more suspicious.",
        "",
        "| family | feature | what it is | scale | step | why it matters |",
        "|---|---|---|---|---|---|",
    ]
    for one in FEATURES:
        scale = "ln" if "log1p" in str(one.value) else "as it is"
        lines.append(
            f"| {one.family} | `{one.name}` | {one.about} | {scale} | {one.step:g} | {one.why} |"
        )
    return "\n".join(lines) + "\n"


PAGES = {
    "commands.md": commands,
    "settings.md": settings,
    "models.md": models,
    "checks.md": checks,
    "behaviour-features.md": behaviour_features,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or tell which of them differ."""
    stale = []
    for name, build in PAGES.items():
        path, text = DOCS / name, build()
        if "--check" in arguments:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ctanalytics.cli.main import app
from tests.cli.runner import run, run_afresh


def _commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for key in inner:
        yield from _commands(inner[key], (*name, key))


COMMANDS = [
    pytest.param(name, command, id=" ".join(name))
    for name, command in _commands(typer.main.get_command(app))
]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_an_example_of_itself(name: tuple[str, ...], command: Any) -> None:
    example = " ".join(command.help.partition("Example:")[2].split())
    assert shlex.split(example)[: len(name) + 1] == ["ctanalytics", *name]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_flag_of_an_example_exists(name: tuple[str, ...], command: Any) -> None:
    words = shlex.split(" ".join(command.help.partition("Example:")[2].split()))
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_flag_tells_what_it_does(name: tuple[str, ...], command: Any) -> None:
    assert [p.name for p in command.params if not getattr(p, "help", None)] == []


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from ctanalytics.cli.main import main\n"
        "main(['ingest', '--help'])\n"
        "heavy = {'pyarrow', 'duckdb', 'boto3', 'sklearn', 'polars', 'deltalake', 'altair'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("LOADED []\n")


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert run("bogus", cwd=tmp_path).code == 2


def test_the_version_is_printed(tmp_path: Path) -> None:
    from ctanalytics import __version__

    assert run_afresh("--version", cwd=tmp_path).out.strip() == __version__


@pytest.mark.parametrize("command", ["query", "views", "lake info", "detect", "emit", "report"])
def test_without_a_lake_the_mend_names_the_flag(command: str, tmp_path: Path) -> None:
    extra = {"query": ["select 1"], "emit": ["--to", "stdout"], "report": ["--output", "r"]}
    ran = run(*command.split(), *extra.get(command, []), cwd=tmp_path)
    assert ran.code == 2
    assert "--lake" in ran.err


@pytest.mark.parametrize("command", ["query", "views", "lake info", "detect", "emit", "report"])
def test_a_place_without_a_lake_is_said(command: str, tmp_path: Path) -> None:
    extra = {"query": ["select 1"], "emit": ["--to", "stdout"], "report": ["--output", "r"]}
    ran = run(*command.split(), *extra.get(command, []), "--lake", "nowhere", cwd=tmp_path)
    assert ran.code == 1
    assert "there is no lake here" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_settings_come_from_the_file_the_environment_and_flags(tmp_path: Path) -> None:
    (tmp_path / "ctanalytics.toml").write_text('lake = "from-file"\n')
    assert "from-file" in run("views", cwd=tmp_path).err
    assert "from-env" in run("views", cwd=tmp_path, env={"CTANALYTICS_LAKE": "from-env"}).err
    ran = run("views", "--lake", "from-flag", cwd=tmp_path, env={"CTANALYTICS_LAKE": "from-env"})
    assert "from-flag" in ran.err


def test_errors_are_json_lines_when_asked(tmp_path: Path) -> None:
    ran = run("views", "--lake", "nowhere", "--log-format", "json", cwd=tmp_path)
    found = json.loads(ran.err)
    assert found["level"] == "error"
    assert found["mend"]


def test_every_unknown_setting_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "ctanalytics.toml").write_text("lke = 1\n[detect]\nbudgt = 2\n")
    ran = run("views", cwd=tmp_path)
    assert ran.code == 2
    assert "lke" in ran.err
    assert "detect.budgt" in ran.err

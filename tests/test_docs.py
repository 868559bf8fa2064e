from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import ctanalytics
from ctanalytics import settings
from ctanalytics.cli.main import app
from docs import build
from tests.pages import PAGES, Block, blocks, commands, mentions

ROOT = Path(__file__).parent.parent
PROGRAM: Any = typer.main.get_command(app)


def test_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_page_has_its_place_in_the_site() -> None:
    """Also kept by `make docs`, which fails on a page without one."""
    placed = re.findall(r"([\w.-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"settings.head.md"}
    assert sorted(set(placed) - {"settings.head.md"}) == sorted(pages)


@pytest.mark.parametrize(
    ("english", "japanese"),
    [("README.md", "README.ja.md"), ("docs/index.md", "docs/index.ja.md")],
)
def test_both_languages_tell_the_same_commands(english: str, japanese: str) -> None:
    own = ["--language", "ja"]
    told = [[word for word in words if word not in own] for words in commands(japanese)]
    assert told == commands(english)
    assert len(told) > 5


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_settings_of_a_page_load(block: Block, tmp_path: Path) -> None:
    (tmp_path / "ctanalytics.toml").write_text(block.text)
    settings.load(environ={}, file=tmp_path / "ctanalytics.toml")


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_of_a_page_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_are_understood(page: str) -> None:
    """All of them are parsed as the program does it: commands, flags, values, what has to be given."""
    calls = [words[1:] for words in commands(page) if words[0] == "ctanalytics"]
    for words in calls:
        end = next((at for at, word in enumerate(words) if word in (">", "<", "|")), None)
        _parse(words[:end])


@pytest.mark.parametrize("mention", mentions(), ids=str)
def test_what_a_sentence_calls_a_command_is_one(mention: Block) -> None:
    """Within sentences arguments may be missing; commands and flags have to be right."""
    command, rest = _named(shlex.split(mention.text)[1:])
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.strip("[]") for word in rest if word.strip("[").startswith("--")} <= known


def _named(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words behind them."""
    command = PROGRAM
    if not words or words[0] in ("--install-completion", "--show-completion"):
        return command, words
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands and command.params:
            break
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _parse(words: list[str]) -> None:
    command, rest = _named(words)
    with command.make_context("ctanalytics", list(rest)):
        pass


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_of_a_page_calls_what_there_is(block: Block) -> None:
    """Names are public, and the arguments fit; what the calls do is for the tests of each."""
    for call in (node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name):
            continue
        place = {"ctanalytics": ctanalytics, "settings": settings}.get(call.func.value.id)
        if place is not None:
            named = {one.arg: None for one in call.keywords if one.arg}
            inspect.signature(getattr(place, call.func.attr)).bind(*call.args, **named)


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_links_of_the_readme_lead_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / readme).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_pictures_are_small_and_all_of_them_are_shown() -> None:
    pictures = {f"images/{file.name}": file for file in (ROOT / "docs" / "images").iterdir()}
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert {name for name in pictures if f"]({name})" not in pages} == set()
    assert {name for name, file in pictures.items() if file.stat().st_size > 200_000} == set()


def test_every_test_that_a_page_names_is_there() -> None:
    """A claim of docs/security.md stands as long as its test does."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text("utf-8"))
    assert len(named) > 50
    texts = {file: (ROOT / "tests" / file).read_text("utf-8") for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if f"\ndef {name}(" not in texts[file]] == []

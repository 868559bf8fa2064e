"""Shipped SQL: found by name, each with a header that tells what it is."""

from __future__ import annotations

from importlib import resources

import pytest

from ctanalytics.engines import statements

FOLDERS = sorted(
    entry.name
    for entry in resources.files("ctanalytics").joinpath("sql").iterdir()
    if entry.is_dir()
)
NAMES = [name for folder in FOLDERS for name in statements.names(folder)]


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_has_a_header_that_says_what_it_is(name: str) -> None:
    header = statements.header(name)
    assert header["about"]
    assert header["grain"]
    assert header["reads"]


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_is_one_statement(name: str) -> None:
    text = "\n".join(line.split("--", 1)[0] for line in statements.statement(name).splitlines())
    assert ";" not in text.strip().rstrip(";")


@pytest.mark.parametrize("name", ["views/nowhere", "nowhere/users", "../errors"])
def test_an_unknown_statement_is_a_fault_of_the_program(name: str) -> None:
    with pytest.raises(KeyError):
        statements.statement(name)


def test_a_header_goes_on_over_several_lines() -> None:
    header = statements.header("views/events")
    assert header["about"].endswith("the copy with an addendum counts.")
    assert header["grain"] == "account_id, event_id"

"""`ctanalytics forget` and `ingest --reingest`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.ingesting import ask
from tests.cli.runner import run
from tests.logs import key, record, write

IP = "203.0.113.9"


def with_lake(home: Path) -> Path:
    write(home / "logs" / key(0), [record(0), record(1, sourceIPAddress="198.51.100.7")])
    assert run("ingest", "logs", "--lake", "lake", cwd=home).code == 0
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lake no test changes."""
    return with_lake(tmp_path_factory.mktemp("home"))


def test_nothing_is_erased_before_somebody_agreed(home: Path) -> None:
    done = run("forget", "--ip", IP, "--lake", "lake", cwd=home)
    assert done.code == 2
    assert "1 rows would go" in done.out and "--yes" in done.err
    would = run("forget", "--ip", IP, "--lake", "lake", "--dry-run", "--json", cwd=home)
    assert json.loads(would.out)["removed"] == 1
    assert ask(home / "lake", "select count(*) as n from events") == [{"n": 2}]


def test_what_is_erased_is_counted_and_what_stays_elsewhere_is_said(tmp_path: Path) -> None:
    lake = with_lake(tmp_path) / "lake"
    done = run("forget", "--ip", IP, "--lake", "lake", "--yes", cwd=tmp_path)
    assert done.code == 0
    assert "1 rows are gone, 0 are covered" in done.out
    assert "lake vacuum" in done.err
    assert ask(lake, "select source_ip_address as a from events") == [{"a": "198.51.100.7"}]
    again = run("ingest", "logs", "--lake", "lake", "--reingest", "--json", cwd=tmp_path)
    assert json.loads(again.out)["filtered_by_rule"] == {"forgotten": 1}
    assert ask(lake, "select count(*) as n from events") == [{"n": 1}]


@pytest.mark.parametrize(
    "flags",
    [[], ["--ip", IP, "--user-name", "dora"], ["--ip", IP, "--action", "burn"], ["--ip", "x"]],
    ids=["nobody", "two", "no-action", "too-short"],
)
def test_a_request_that_is_not_clear_is_wrong_usage(flags: list[str], home: Path) -> None:
    assert run("forget", *flags, "--lake", "lake", "--yes", cwd=home).code == 2
    assert ask(home / "lake", "select count(*) as n from events") == [{"n": 2}]


def test_reading_again_does_not_go_with_following(home: Path) -> None:
    done = run("ingest", "logs", "--lake", "lake", "--follow", "--reingest", cwd=home)
    assert done.code == 2 and "--reingest" in done.err

"""The prompt: what a line does, what is completed, and a conversation through real key strokes."""

from __future__ import annotations

import datetime as dt
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from ctanalytics.app.query import Scope
from ctanalytics.cli import shell
from ctanalytics.cli.prompt import Prompt
from ctanalytics.lake.lake import Lake
from ctanalytics.records import schema
from ctanalytics.settings import Settings
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.create(tmp_path_factory.mktemp("shell") / "lake")
    rows = [builders.event(NOON + dt.timedelta(days=n), event_id=f"e-{n}") for n in range(3)]
    made.append("events", pa.Table.from_pylist(rows, schema.EVENTS))
    return made


@pytest.fixture
def prompt(lake: Lake) -> Iterator[Prompt]:
    found = Prompt(lake, Settings(), Scope(), timing=False)
    yield found
    found.close()


def said(prompt: Prompt, capsys: pytest.CaptureFixture[str], line: str) -> tuple[str, str]:
    assert prompt.answer(line)
    return tuple(capsys.readouterr())  # type: ignore[return-value]


def test_sql_is_answered_and_its_rows_are_counted(
    prompt: Prompt, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(prompt, capsys, "select event_id from events order by 1;")
    assert "e-0" in out
    assert "3 rows" in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("select nope from events;", "nope"),
        ("drop view events;", "more than read"),
        ("\\nothing", "there is no command"),
        ("\\d nothing", "there is no view"),
        ("\\q nothing", "there is no saved query"),
        ("\\q key_activity", "key: has to be given"),
        ("\\since yesterday", "is not a time"),
        ("\\rows -1", "no number of rows"),
        ("\\q 'open", "quotation"),
    ],
)
def test_a_fault_is_told_and_the_prompt_goes_on(
    prompt: Prompt, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    out, err = said(prompt, capsys, line)
    assert (out, message in err) == ("", True)
    assert "1" in said(prompt, capsys, "select 1;")[0]


def test_views_columns_and_saved_queries_are_shown(
    prompt: Prompt, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "sessions" in said(prompt, capsys, "\\d")[0]
    assert "root_principal" in said(prompt, capsys, "\\d sessions")[0]
    assert "who_is_behind_key" in said(prompt, capsys, "\\q")[0]
    assert "DescribeInstances" in said(prompt, capsys, "\\q principal_activity principal=%")[0]
    assert "\\since" in said(prompt, capsys, "\\?")[0]
    assert "event_name" in said(prompt, capsys, "\\explain select event_name from events")[0]


def test_a_bound_cuts_all_that_follows_until_it_is_taken_away(
    prompt: Prompt, capsys: pytest.CaptureFixture[str]
) -> None:
    said(prompt, capsys, "\\since 2026-03-02")
    said(prompt, capsys, "\\until 2026-03-03")
    assert "1 rows" in said(prompt, capsys, "from events;")[1]
    said(prompt, capsys, "\\since")
    assert "2 rows" in said(prompt, capsys, "from events;")[1]


def test_only_so_many_rows_are_shown(prompt: Prompt, capsys: pytest.CaptureFixture[str]) -> None:
    said(prompt, capsys, "\\rows 2")
    assert "there are more" in said(prompt, capsys, "from events;")[1]


def test_new_events_are_seen_without_asking_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake.create(tmp_path / "lake")
    prompt = Prompt(lake, Settings(), Scope(), timing=False)
    assert "0 rows" in said(prompt, capsys, "from events;")[1]
    rows = pa.Table.from_pylist([builders.event(NOON)], schema.EVENTS)
    Lake(tmp_path / "lake").append("events", rows)
    assert "1 rows" in said(prompt, capsys, "from events;")[1]
    prompt.close()


def test_a_word_is_completed_to_views_columns_queries_and_commands(prompt: Prompt) -> None:
    words = shell.completer(prompt.words())

    def completed(text: str) -> set[str]:
        found = words.get_completions(Document(text), CompleteEvent(completion_requested=True))
        return {one.text for one in found}

    assert "sessions" in completed("select * from sess")
    assert "source_ip_address" in completed("select source_ip")
    assert "who_is_behind_key" in completed("\\q who_")
    assert "\\timing" in completed("\\tim")


def test_a_conversation_of_several_lines_by_key_strokes(
    prompt: Prompt, capsys: pytest.CaptureFixture[str]
) -> None:
    with create_pipe_input() as keys:
        keys.send_text("select count(*)\nfrom events;\n\\quit\n")
        talk = shell.session(
            shell.completer({}), None, streams={"input": keys, "output": DummyOutput()}
        )
        shell.converse(prompt, talk)
    assert "3" in capsys.readouterr().out


def test_a_pipe_is_read_statement_by_statement(lake: Lake, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ctanalytics.cli.main import run; run()",
            "shell",
            "--lake",
            lake.uri,
        ],
        input="\\since 2026-03-02\nselect count(*) as n\nfrom events;\nselect nope;\nselect 7 as seven",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert "2" in done.stdout
    assert "seven" in done.stdout, "a fault stops nothing"
    assert "nope" in done.stderr
    assert done.returncode == 1, "and is told at the end"


def test_what_was_typed_is_kept_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = shell.history_file()
    assert file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_statements_end_at_a_semicolon_or_with_the_input() -> None:
    text = ["\\d\n", "select 1\n", "from x;\n", "select ';'\n"]
    assert list(shell.statements(text)) == ["\\d\n", "select 1\nfrom x;\n", "select ';'\n"]
    assert json.dumps(list(shell.statements(["\n"]))) == "[]"

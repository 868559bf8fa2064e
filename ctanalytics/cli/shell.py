"""`ctanalytics shell`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer

    from ctanalytics.cli.prompt import Prompt


def shell(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this (UTC).")] = None,
    org_wide: Annotated[
        bool, typer.Option("--org-wide", help="Count a call that several accounts log once.")
    ] = False,
) -> None:
    """Ask one question after another, with completion, history and paging; reads SQL from a pipe.

    Example: ctanalytics shell --lake ./lake --since 2026-11-01
    """
    from ctanalytics.app.query import Scope
    from ctanalytics.cli import times
    from ctanalytics.cli.prompt import Prompt

    settings = console.settings_from({"lake": lake})
    scope = Scope(times.moment(since, "--since"), times.moment(until, "--until"), org_wide)
    prompt = Prompt(console.lake_of(settings), settings, scope)
    try:
        if not sys.stdin.isatty():
            prompt.timing = False
            for statement in statements(sys.stdin):
                if not prompt.answer(statement):
                    break
            if prompt.faults:
                raise typer.Exit(1)
            return
        prompt.paged = sys.stdout.isatty()
        console.note("\\? for help, \\quit or Ctrl-D to leave")
        converse(prompt, session(completer(prompt.words()), history_file()))
    finally:
        prompt.close()


def statements(lines: Iterable[str]) -> Iterator[str]:
    """Split a pipe's lines into statements, each up to a line that ends with a semicolon."""
    waiting: list[str] = []
    for line in lines:
        if not waiting and line.lstrip().startswith("\\"):
            yield line
            continue
        waiting.append(line)
        if line.rstrip().endswith(";"):
            yield "".join(waiting)
            waiting = []
    if "".join(waiting).strip():
        yield "".join(waiting)


def converse(prompt: Prompt, session: PromptSession[str]) -> None:
    """Ask for lines and answer them until the end of input."""
    while True:
        try:
            text = session.prompt("ctanalytics> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if not prompt.answer(text):
            return


def session(
    completer: Completer, history: Path | None, *, streams: dict[str, Any] | None = None
) -> PromptSession[str]:
    """A prompt that takes a statement over several lines and remembers what was typed."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @Condition
    def is_whole() -> bool:
        text = get_app().current_buffer.text.strip()
        return text in ("", "exit", "quit") or text.startswith("\\") or text.endswith(";")

    @bindings.add("enter", filter=is_whole)
    def accept(event: Any) -> None:
        event.current_buffer.validate_and_handle()

    return PromptSession(
        completer=completer,
        history=FileHistory(str(history)) if history else InMemoryHistory(),
        key_bindings=bindings,
        multiline=True,
        prompt_continuation=lambda width, *_: "... ".rjust(width),
        complete_while_typing=False,
        **(streams or {}),
    )


def completer(words: dict[str, list[str]]) -> Completer:
    """Complete the word before the cursor; each word tells what it is."""
    from prompt_toolkit.completion import WordCompleter

    meaning = {word: kind for kind, found in words.items() for word in found}
    meaning |= dict.fromkeys(
        ("select", "from", "where", "group by", "order by", "limit", "join", "having"), "sql"
    )
    return WordCompleter(sorted(meaning), meta_dict=meaning, ignore_case=True, pattern=_word())


def _word() -> Any:
    import re

    return re.compile(r"[A-Za-z0-9_?]+\\?")  # matched backwards, from the cursor on


def history_file() -> Path | None:
    """Where what was typed is kept, for its owner alone; None where no file can be had."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    file = home / "ctanalytics" / "history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
    except OSError:
        return None
    return file

"""What goes to a person or a pipe: results on stdout, all else on stderr, nothing unescaped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctanalytics import untrusted
from ctanalytics.errors import CtanalyticsError, UsageError

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake
    from ctanalytics.settings import Settings


@dataclass
class Shared:
    """Flags that every command takes; set once by `cli.main` before a command runs."""

    config: Path | None = None
    flags: dict[str, Any] = field(default_factory=dict)
    log_format: str = "text"
    quiet: bool = False


shared = Shared()


def settings_from(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Read the settings: a command's flags, the shared flags, the environment, the file."""
    from ctanalytics import settings

    found = settings.load({**shared.flags, **flags}, file=config or shared.config)
    shared.log_format = found.log_format
    shared.quiet = found.quiet
    return found


def lake_place(settings: Settings) -> str:
    """Return where the lake is to be; UsageError when nothing says so."""
    if not settings.lake:
        raise UsageError(
            "no lake is named",
            where="--lake",
            mend='give --lake PLACE, set CTANALYTICS_LAKE, or write lake = "PLACE" in ctanalytics.toml',
        )
    return settings.lake


def lake_of(settings: Settings) -> Lake:
    """Open the lake that the settings name."""
    from ctanalytics.lake.lake import Lake

    return Lake.open(lake_place(settings), settings.lake_aws)


def out(text: str) -> None:
    """Write a result; control characters are shown, not obeyed."""
    sys.stdout.write(untrusted.terminal(text, limit=10_000_000) + "\n")


def flush() -> None:
    """Hand on what was written so far: a command that goes on for long is read meanwhile."""
    sys.stdout.flush()


def emit_json_line(value: Any) -> None:
    """Write one result of many as a line of JSON, at once: a pipe's reader waits for it."""
    sys.stdout.write(json.dumps(value, default=plain) + "\n")
    sys.stdout.flush()


def is_interactive() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not shared.quiet


def confirmed(question: str) -> bool:
    """Ask a person for a yes, on stderr."""
    import typer

    return typer.confirm(untrusted.terminal(question), err=True)


def raw(text: str) -> None:
    """Write a result in a machine's format, which escapes by its own rules."""
    sys.stdout.write(text)


def emit_json(value: Any) -> None:
    """Write a result as JSON; times become ISO 8601 with Z. ASCII only, so harmless anywhere."""
    sys.stdout.write(json.dumps(value, indent=2, default=plain) + "\n")


def plain(value: object) -> object:
    """Return what JSON has no form for as text: times as ISO 8601 with Z, bytes as UTF-8."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def note(text: str, **fields: Any) -> None:
    """Say something on stderr; as a JSON line with --log-format json, not at all with --quiet."""
    if shared.quiet:
        return
    sys.stdout.flush()  # what was said before stands before it, in a file of both too
    if shared.log_format == "json":
        line = json.dumps({"level": "info", "message": text, **fields}, default=plain)
    else:
        line = untrusted.terminal(text)
    sys.stderr.write(line + "\n")


def fail(error: CtanalyticsError) -> None:
    """Say on stderr what went wrong, where, and the mend."""
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    if shared.log_format == "json":
        found = {
            "level": "error",
            "message": error.what,
            "where": error.where,
            "mend": error.mend,
        }
        sys.stderr.write(json.dumps(found) + "\n")
        return
    sys.stderr.write(
        "error: " + untrusted.terminal(error, limit=4_000).replace("\n", "\n  ") + "\n"
    )


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    width: int | None = None,
    tall: bool = False,
) -> None:
    """Write a table that fits the terminal, or a width; every cell is made harmless.

    Args:
        tall: write a block of lines for each row where so many columns would become too narrow to read.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if width is None and not sys.stdout.isatty():
        width = 200
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    names = [untrusted.one_line(name) for name in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    if tall and cells and _least_width(names, cells) > console.width:
        _blocks(names, cells)
        return
    found = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    for name in names:
        found.add_column(Text(name), overflow="fold")
    for row in cells:
        found.add_row(*(Text(cell) for cell in row))
    console.print(found)


_READABLE = 16  # columns of a terminal: what is folded more narrowly is read letter by letter
_BETWEEN = 3  # columns between two cells


def _least_width(names: list[str], cells: list[list[str]]) -> int:
    """The width below which a table can't be read."""
    natural = (max(map(len, column)) for column in zip(names, *cells, strict=True))
    return sum(min(one, _READABLE) + _BETWEEN for one in natural)


def _blocks(names: list[str], cells: list[list[str]]) -> None:
    widest = max(map(len, names))
    for number, row in enumerate(cells, 1):
        sys.stdout.write(f"\nrow {number:,}\n")
        for name, cell in zip(names, row, strict=True):
            sys.stdout.write(f"  {name:{widest}}  {cell}".rstrip() + "\n")
    sys.stdout.write("\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return str(plain(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return untrusted.one_line(value)


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Any]:
    """A progress bar on stderr, on a terminal only.

    Yields an object with `update(completed, text="", total=None)`.
    """
    if shared.quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(untrusted.one_line(description), total=total, text="")
        yield _Bar(bar, task)


@dataclass
class _Bar:
    bar: Any
    task: Any

    def update(self, completed: int, text: str = "", total: int | None = None) -> None:
        more = {"total": total} if total else {}
        self.bar.update(self.task, completed=completed, text=untrusted.one_line(text), **more)


class Silent:
    """In place of a bar where there is no terminal."""

    def update(self, completed: int, text: str = "", total: int | None = None) -> None:
        """Say nothing."""

"""What a line typed at `ctanalytics shell` does: SQL up to a semicolon, or a command after \\."""

from __future__ import annotations

import contextlib
import io
import pydoc
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ctanalytics.cli import console, times
from ctanalytics.errors import CtanalyticsError, UsageError

if TYPE_CHECKING:
    from ctanalytics.app.query import Scope
    from ctanalytics.app.views import View
    from ctanalytics.engines.duckdb import Engine
    from ctanalytics.lake.lake import Lake
    from ctanalytics.settings import Settings

HELP: Final = """\
SELECT ...;             ask; the statement ends with a semicolon
\\d                      list the views        \\d NAME   columns of one
\\q                      list saved queries    \\q NAME parameter=value ...   ask one
\\since TIME             only events from here on; \\since alone takes the bound away
\\until TIME             only events before this
\\org                    count calls that several accounts log once, or in each again
\\explain SELECT ...     what would be read
\\rows N                 show at most N rows (now {rows})
\\timing                 tell how long each answer took, or no longer
\\?                      this                  \\quit      leave"""


@dataclass
class Prompt:
    """A session at the prompt: the lake, what is cut away, and how answers are shown."""

    lake: Lake
    settings: Settings
    scope: Scope
    rows: int = 1_000
    timing: bool = True
    paged: bool = False
    _engine: Engine | None = field(default=None, init=False, repr=False)
    _held: contextlib.ExitStack = field(
        default_factory=contextlib.ExitStack, init=False, repr=False
    )
    faults: int = field(default=0, init=False)
    """How many answers were an error."""
    _version: int = field(default=-1, init=False, repr=False)

    def answer(self, text: str) -> bool:
        """Do what was typed; False when it asks to leave. Faults are told, not raised."""
        text = text.strip()
        if not text:
            return True
        if text in ("\\quit", "\\exit", "exit", "quit"):
            return False
        began = time.perf_counter()
        try:
            if text.startswith("\\"):
                self._command(text)
                return True
            self._ask(text.rstrip("; \n\t"), None)
        except CtanalyticsError as error:
            console.fail(error)
            self.faults += 1
            return True
        except KeyboardInterrupt:
            console.note("stopped")
            return True
        if self.timing:
            console.note(f"{time.perf_counter() - began:.3f} s")
        return True

    def words(self) -> dict[str, list[str]]:
        """What can be completed: views, columns, saved queries, commands."""
        from ctanalytics.app.queries import queries

        views = self._views()
        columns = {column for view in views for column in view.columns}
        return {
            "view": [view.name for view in views],
            "column": sorted(columns),
            "query": [query.name for query in queries()],
            "command": [line.split()[0] for line in HELP.splitlines() if line.startswith("\\")],
        }

    def close(self) -> None:
        """End the session."""
        self._held.close()
        self._engine = None

    def _command(self, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        found = self._commands().get(name)
        if found is None:
            raise UsageError(f"there is no command \\{name}", mend="\\? lists the commands")
        found(rest.strip().rstrip(";").strip())

    def _commands(self) -> dict[str, Callable[[str], None]]:
        return {
            "d": self._describe,
            "q": self._saved,
            "since": lambda rest: self._cut(since=times.moment(rest or None, "\\since")),
            "until": lambda rest: self._cut(until=times.moment(rest or None, "\\until")),
            "org": lambda _: self._cut(org_wide=not self.scope.org_wide),
            "explain": self._explain,
            "rows": self._set_rows,
            "timing": lambda _: setattr(self, "timing", not self.timing),
            "?": lambda _: console.out(HELP.format(rows=self.rows)),
        }

    def _ask(self, sql: str, values: dict[str, Any] | None) -> None:
        from ctanalytics.app.running import running

        engine = self._session()
        limit = self.settings.query.timeout_seconds
        with running(engine, lambda: engine.stream(sql, values), limit) as batches:
            names, rows, more = batches.schema.names, [], False
            for batch in batches:
                rows += [list(row.values()) for row in batch.to_pylist()]
                if len(rows) > self.rows:
                    rows, more = rows[: self.rows], True
                    break
        self._show(names, rows)
        console.note(
            f"the first {self.rows:,} rows; there are more" if more else f"{len(rows):,} rows"
        )

    def _session(self) -> Engine:
        """The engine on the lake's newest commit."""
        from ctanalytics.app.query import session

        version = self.lake.table("events").version()
        if self._engine is None or version != self._version:
            self.close()
            self._engine = self._held.enter_context(
                session(self.lake, settings=self.settings, scope=self.scope)
            )
            self._version = version
        return self._engine

    def _cut(self, **changes: Any) -> None:
        self.scope = replace(self.scope, **changes)
        self.close()
        spans = [
            f"{name} {value:%Y-%m-%dT%H:%M:%SZ}"
            for name, value in (("since", self.scope.since), ("until", self.scope.until))
            if value
        ]
        org = ", org-wide" if self.scope.org_wide else ""
        console.note("events " + (" ".join(spans) or "of all times") + org)

    def _views(self) -> list[View]:
        from ctanalytics.app.views import views

        return views(self.lake)

    def _describe(self, name: str) -> None:
        found = self._views()
        if not name:
            self._show(("view", "one row for each"), [(one.name, one.grain) for one in found])
            return
        chosen = next((one for one in found if one.name == name), None)
        if chosen is None:
            raise UsageError(f"there is no view {name!r}", mend="\\d lists the views")
        console.out(f"{chosen.about}\none row for each: {chosen.grain}\nunits: {chosen.units}")
        self._show(("column", "type"), list(chosen.columns.items()))

    def _saved(self, rest: str) -> None:
        from ctanalytics.app.queries import bind, queries, saved

        if not rest:
            rows = [
                (one.name, ", ".join(each.name for each in one.parameters), one.about)
                for one in queries()
            ]
            self._show(("query", "parameters", "answers"), rows)
            return
        try:
            name, *pairs = shlex.split(rest)
        except ValueError as error:
            raise UsageError(f"{error}", where="\\q", mend="close the quotes") from error
        chosen = saved(name)
        given = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        self._ask(chosen.sql, bind(chosen, given))

    def _explain(self, sql: str) -> None:
        found = self._session().scans(sql)
        self._show(
            ("files to read", "of", "columns", "only rows with"),
            [
                (one.files, one.of_files, ", ".join(one.columns), " and ".join(one.filters))
                for one in found
            ],
        )

    def _set_rows(self, rest: str) -> None:
        if not rest.isascii() or not rest.isdigit() or int(rest) < 1:
            raise UsageError(
                f"{rest!r} is no number of rows", where="\\rows", mend="write \\rows 100"
            )
        self.rows = int(rest)

    def _show(self, columns: Any, rows: Any) -> None:
        """Write a table, page by page when it is taller than the terminal."""
        if not self.paged:
            console.table(columns, rows, tall=True)
            return
        size = shutil.get_terminal_size()
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            console.table(columns, rows, width=size.columns, tall=True)
        if text.getvalue().count("\n") < size.lines:
            console.raw(text.getvalue())
        else:
            pydoc.pager(text.getvalue())

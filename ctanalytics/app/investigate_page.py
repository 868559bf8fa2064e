"""An investigation as a whole: its headline and figures, and the files that it is written to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ctanalytics._version import __version__
from ctanalytics.app.investigate_asked import Asked
from ctanalytics.app.investigate_case import Case
from ctanalytics.app.investigate_parts import parts
from ctanalytics.app.investigate_subject import Subject
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import ReportError
from ctanalytics.reporting import investigation
from ctanalytics.reporting.document import Fact
from ctanalytics.reporting.investigation import Investigation
from ctanalytics.whole import replacing


def whole(lake: str, case: Case, asked: Asked, now: dt.datetime) -> Investigation:
    """Answer all parts, and say in one line what they come to."""
    answered = parts(asked)
    derived = len(asked.derived)
    (summary,) = asked.case.run("investigate/summary").to_pylist()
    return Investigation(
        kind=case.subject.kind,
        value=case.subject.value,
        said=case.subject.said,
        since=case.since,
        until=case.until,
        generated_at=now,
        version=__version__,
        lake=lake,
        headline=_headline(case.subject, summary, derived),
        facts=_facts(summary, derived),
        parts=answered,
        notes=(*case.subject.notes, *_notes(asked.case), *case.notes),
    )


def _headline(subject: Subject, summary: Mapping[str, Any], derived: int) -> str:
    calls = summary["calls"] - summary["derived_calls"]
    said = f"{subject.said[:1].upper()}{subject.said[1:]}"
    verb = {
        "resource": "is named by {}",
        "event": "leads to {} of whoever made it",
        "ip": "sent {}",
    }.get(subject.kind, "made {}")
    text = f"{said} {verb.format(f'{calls:,} call' + ('s' if calls != 1 else ''))}"
    if derived:
        text += (
            f"; {derived:,} credential{'s' if derived != 1 else ''} came of them and made "
            f"{summary['derived_calls']:,} more"
        )
    return text


def _facts(summary: Mapping[str, Any], derived: int) -> tuple[Fact, ...]:
    return (
        Fact(
            "calls",
            "Calls",
            summary["calls"],
            "count",
            f"{summary['derived_calls']:,} with credentials that came of it",
        ),
        Fact("derived_credentials", "Credentials given out", derived, "count"),
        Fact("writes", "Writes", summary["writes"], "count"),
        Fact("errors", "Errors", summary["errors"], "count"),
        Fact("denied_calls", "Denied", summary["denied_calls"], "count"),
        Fact("accounts", "Accounts", summary["accounts"], "count"),
        Fact("regions", "Regions", summary["regions"], "count"),
        Fact("source_ip_addresses", "Addresses", summary["source_ip_addresses"], "count"),
        Fact("first_seen", "First call", summary["first_seen"], "time"),
        Fact("last_seen", "Last call", summary["last_seen"], "time"),
    )


def _notes(own: Engine) -> Iterator[str]:
    """What bounds all parts alike."""
    (row,) = own.sql("select count(*) as accounts from account_directory").to_pylist()
    if not row["accounts"]:
        yield "Accounts have no names here: `ctanalytics accounts sync` brings them."
    quarantined = own.tables["quarantine"].files
    if quarantined:
        yield 'Some records could not be read and are in the quarantine: `ctanalytics query "from quarantined"` lists them.'


def write(folder: Path, found: Investigation) -> tuple[str, str]:
    """Write both forms into a folder, readable by their owner alone; return where they lie."""
    forms = {
        "investigation.html": investigation.html(found),
        "investigation.json": investigation.text(found),
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in forms.items():
            with replacing(folder / name) as file:
                file.write(text.encode())
    except OSError as error:
        raise ReportError(
            f"the investigation can't be written: {error.strerror or error}",
            where=str(error.filename or folder),
            mend="name another folder with --output",
        ) from error
    return str(folder / "investigation.html"), str(folder / "investigation.json")

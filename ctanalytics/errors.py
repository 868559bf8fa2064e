"""Every error a user can meet, each with what happened, where, and the mend.

CtanalyticsError                 exit 1
├── UsageError                   exit 2: a flag or argument is wrong
│   └── SettingsError            a setting in ctanalytics.toml or CTANALYTICS_* is wrong
├── SourceError                  logs can't be listed or read at all
│   ├── SourceMissing            no such folder, bucket or prefix
│   └── SourceDenied             credentials are missing or don't allow it
├── LakeError                    the lake can't be opened, read or written
│   ├── LakeMissing              no lake at this place
│   ├── LakeBusy                 another process holds what this one needs
│   ├── LakeNewer                written by a newer ctanalytics
│   └── LakeUnsafe               the store can't promise put-if-absent
├── QueryError                   SQL that is wrong, or more than reading
├── RulesError                   rules can't be found
├── ExecutorError                parts of the work can't be spread, or failed too often
├── EmitError                    a target can't be reached or refuses
├── CaseError                    a case bundle can't be written or read
└── ReportError                  a report can't be written
"""

from __future__ import annotations


class CtanalyticsError(Exception):
    """Something a person can mend: what happened, where, and what to do about it."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"in   {self.where}")
        if self.mend:
            lines.append(f"mend {self.mend}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments don't survive the default pickling between worker processes.
        return (_rebuild, (type(self), self.what, self.where, self.mend))


def reason(error: Exception) -> str:
    """Say why a file can't be used: of the system's errors the words, without number and path."""
    return getattr(error, "strerror", None) or str(error)


def _rebuild(kind: type[CtanalyticsError], what: str, where: str, mend: str) -> CtanalyticsError:
    return kind(what, where=where, mend=mend)


class UsageError(CtanalyticsError):
    """A flag or argument is wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is unknown or has a value of the wrong kind."""


class SourceError(CtanalyticsError):
    """A source of logs can't be listed or read."""


class SourceMissing(SourceError):
    """There is no such folder, bucket or prefix."""


class SourceDenied(SourceError):
    """Credentials are missing, expired, or don't allow the read."""


class LakeError(CtanalyticsError):
    """The lake can't be opened, read or written."""


class LakeMissing(LakeError):
    """There is no lake at this place."""


class LakeBusy(LakeError):
    """Another process is at work on the same, and holds its lease."""


class LakeNewer(LakeError):
    """The lake was written by a newer ctanalytics."""


class LakeUnsafe(LakeError):
    """The store can't promise that only one of two writers wins."""


class QueryError(CtanalyticsError):
    """The SQL is wrong, or wants to do more than read."""


class RulesError(CtanalyticsError):
    """There are no such rules."""


class ExecutorError(CtanalyticsError):
    """Work can't be spread over processes or machines, or a part of it failed on every try."""


class EmitError(CtanalyticsError):
    """A target can't be reached, or refuses what is sent."""


class ReportError(CtanalyticsError):
    """A report can't be written."""


class CaseError(CtanalyticsError):
    """A case bundle can't be written, or is none."""

"""What a check sees of an account: answers, and an exception where there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ctanalytics.posture.expected import Expected
from ctanalytics.posture.seen import Seen
from ctanalytics.posture.snapshot import Ask, Read, Snapshot

T = TypeVar("T")


class Unread(Exception):
    """What a check needs could not be read: its verdict is `unknown`."""

    def __init__(self, why: str, *, missing: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.missing = missing


class Gone(Unread):
    """What a check judges is not there: another check says so, this one can say nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check judges: a trail, a bucket, a region, the account."""

    resource: str
    """ARN, or what stands for one."""
    aws_region: str = ""
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    """For the placeholders of a remedy."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """All that a check judges, and what of them could not be listed."""

    known: tuple[Subject, ...] = ()
    unseen: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of one subject."""

    passed: bool
    said: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    severity: str = ""
    """Instead of the check's own."""


def passed(said: str, **evidence: Any) -> Verdict:
    """The subject is as it should be."""
    return Verdict(True, said, evidence)


def failed(said: str, *, severity: str = "", **evidence: Any) -> Verdict:
    """The subject is not as it should be."""
    return Verdict(False, said, evidence, severity)


@dataclass
class View:
    """An account's snapshot, what is expected of it, and what the lake has seen of it.

    `used` keeps the reads that were looked at since it was last emptied, `wanted` those that were
    looked for and never made: an audit reads what its checks look for, and nothing else.
    """

    snapshot: Snapshot
    expected: Expected = field(default_factory=Expected)
    seen: Seen | None = None
    used: dict[str, Read] = field(default_factory=dict)
    wanted: dict[str, Ask] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        """The account that is audited."""
        return self.snapshot.account_id

    @property
    def now(self) -> dt.datetime:
        """When the account was read; ages are of then."""
        return self.snapshot.taken_at

    def find(self, service: str, operation: str, region: str, **request: Any) -> Read:
        """Return what came of a read, whatever that was."""
        ask = Ask(service, operation, region, request)
        if ask.key not in self.snapshot.reads:
            self.wanted[ask.key] = ask
        read = self.snapshot.find(ask)
        self.used[ask.key] = read
        return read

    def answer(self, service: str, operation: str, region: str, **request: Any) -> Any:
        """Return an answer; an empty one where AWS says that there is none.

        Raises:
            Unread: it was denied, or failed.
        """
        read = self.find(service, operation, region, **request)
        if read.refused:
            raise Unread(f"{read.ask.api}: {read.refused}", missing=read.missing)
        return {} if read.answer is None else read.answer

    def home(self, service: str, operation: str, **request: Any) -> Any:
        """As `answer`, of a global API."""
        return self.answer(service, operation, self.snapshot.home_region, **request)


def anyone(things: Iterable[T], holds: Callable[[T], bool]) -> T | None:
    """Return the first thing for which something holds, None when it holds for none.

    Raises:
        Unread: it holds for none that could be read, and some could not.
    """
    unread: Unread | None = None
    for thing in things:
        try:
            if holds(thing):
                return thing
        except Unread as found:
            unread = unread or found
    if unread is not None:
        raise unread
    return None


def moment(text: object) -> dt.datetime | None:
    """Read a time of an answer; None when there is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Name a few things, and count the rest."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown

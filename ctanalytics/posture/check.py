"""Runs checks: each judges each of its subjects; what could not be read is `unknown`, never `pass`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ctanalytics.posture.catalogue import About, about
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.snapshot import Ask, Snapshot
from ctanalytics.posture.view import Subject, Subjects, Unread, Verdict, View
from ctanalytics.records.posture import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """What a check judges, and how; what it is called stands in the catalogue."""

    subjects: Callable[[View], Subjects]
    judge: Callable[[View, Subject], Verdict]
    none: Verdict
    """What is said where there is nothing to judge."""


@dataclass
class Wanting:
    """Tells which reads checks look for and do not find, round after round.

    A check that finds all it looks for is done: what is known only grows.
    """

    checks: Mapping[str, Check]
    expected: Expected
    also: Callable[[View], object] | None = None
    """Something else that reads the account."""

    def __post_init__(self) -> None:
        self._pending = dict(self.checks)

    def __call__(self, snapshot: Snapshot) -> list[Ask]:
        """Return the reads that are wanted beside those of a snapshot."""
        wanted: dict[str, Ask] = {}
        for name, check in list(self._pending.items()):
            view = View(snapshot, self.expected)
            run(view, [(name, check)])
            if not view.wanted:
                del self._pending[name]
            wanted |= view.wanted
        if self.also is not None:
            view = View(snapshot, self.expected)
            self.also(view)
            wanted |= view.wanted
        return list(wanted.values())


def run(view: View, checks: Iterable[tuple[str, Check]]) -> list[Finding]:
    """Return one finding for each check and subject, in the order of the checks."""
    return [finding for name, check in checks for finding in _findings(view, name, check)]


def _findings(view: View, name: str, check: Check) -> Iterator[Finding]:
    words = about()[name]
    view.used = {}
    try:
        subjects = check.subjects(view)
    except Unread as unread:
        subjects = Subjects(unseen=(unread,))
    listing = dict(view.used)
    account = Subject(
        f"arn:{view.snapshot.partition}:iam::{view.account_id}:root",
        name=view.account_id,
        values={"account": view.account_id},
    )
    for subject in subjects.known:
        view.used = {}
        try:
            verdict: Verdict | Unread = check.judge(view, subject)
        except Unread as unread:
            verdict = unread
        view.used = {**listing, **view.used}
        yield _finding(view, words, subject, verdict)
    view.used = listing
    if subjects.unseen:
        first, *others = subjects.unseen
        more = f" (and {len(others)} more)" if others else ""
        yield _finding(view, words, account, Unread(first.why + more, missing=first.missing))
    if not subjects.known and not subjects.unseen:
        yield _finding(view, words, account, check.none)


def _finding(view: View, words: About, subject: Subject, verdict: Verdict | Unread) -> Finding:
    region = subject.aws_region
    if isinstance(verdict, Unread):
        status, said, severity, evidence = "unknown", verdict.why, words.severity, {}
    else:
        status = "pass" if verdict.passed else "fail"
        said, severity = verdict.said, verdict.severity or words.severity
        evidence = {key: value for key, value in verdict.evidence.items() if value is not None}
    denied = {read.missing for read in view.used.values() if read.missing}
    if isinstance(verdict, Unread) and verdict.missing:
        denied.add(verdict.missing)
    return Finding(
        check_id=words.check_id,
        status=status,
        severity=severity,
        account_id=view.account_id,
        aws_region=region,
        resource=subject.resource,
        title=words.title,
        explanation=said,
        audited_at=view.now,
        evidence=evidence,
        reads=tuple(
            sorted({_place(read.ask.api, read.ask.aws_region) for read in view.used.values()})
        ),
        missing=tuple(sorted(denied)) if status == "unknown" else (),
        remedy_cli=words.remedy(subject.values) if status == "fail" else "",
        remedy_cloudformation=words.cloudformation if status == "fail" else "",
    )


def _place(api: str, region: str) -> str:
    return f"{api} {region}"

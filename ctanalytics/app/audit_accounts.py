"""Audit of an organization: every account by one role, some at a time, resumable."""

from __future__ import annotations

import csv
import datetime as dt
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from ctanalytics import aws as amazon
from ctanalytics.app.audit import AuditResult, Job, Unreached, job_of, judge, read
from ctanalytics.aws_errors import SOURCE, aws_errors
from ctanalytics.errors import CtanalyticsError, UsageError, reason
from ctanalytics.lake.lake import Lake
from ctanalytics.posture.snapshot import Ask, Snapshot
from ctanalytics.settings import Aws, Settings

_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_ROLE: Final = re.compile(r"[\w+=,.@/-]{1,128}")
_FRESH: Final = dt.timedelta(hours=24)  # a snapshot that is older is taken again

Report = Callable[[str, str], None]
"""Is told each account and what became of it."""


def _silent(*_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Member:
    """An account, and the credentials that read it."""

    account_id: str
    aws: Aws


def audit_organization(
    role_name: str,
    *,
    settings: Settings | None = None,
    accounts: str | Path | None = None,
    checks: Sequence[str] = (),
    regions: Sequence[str] = (),
    snapshot: str | Path | None = None,
    lake: str | Path | Lake | None = None,
    report: Report | None = None,
    now: dt.datetime | None = None,
) -> AuditResult:
    """Audit all active accounts of the organization, or those of a file.

    What one account is denied about a bucket, key, topic or trail of another, that one is asked.

    Args:
        role_name: of a role that every account has and the caller may assume, with or without path.
        accounts: a file with the ids of accounts, one a line, or a CSV file with them.
        snapshot: a folder for the answers of each account. Accounts whose answers it has, not older
            than a day, are not asked again: so an audit that was broken off goes on.
        report: is told every account as it is done.

    Raises:
        UsageError: an argument is wrong.
        SourceError: the accounts can't be listed, or no credentials are there.
    """
    settings = settings or Settings()
    job = job_of(settings, checks=checks, regions=regions, lake=lake, now=now)
    role = _role(role_name, settings.audit_aws)
    me, partition = _caller(settings.audit_aws)
    ids, unreached = _accounts(settings.audit_aws, accounts)
    # It logs a traceback for every role that can't be assumed; we say so in a line.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
    trusted = (*job.expected.trusted_accounts, *ids)
    job = replace(
        job, expected=replace(job.expected, trusted_accounts=tuple(dict.fromkeys(trusted)))
    )
    members = [
        Member(one, settings.audit_aws)
        if one == me
        else Member(one, _as_role(settings.audit_aws, f"arn:{partition}:iam::{one}:role/{role}"))
        for one in ids
    ]
    folder = Path(snapshot) if snapshot is not None else None
    taken = _Taken(job, members, folder, report or _silent)
    snapshots, more = taken.all()
    return judge(job, snapshots, lake=lake, unreached=[*unreached, *more])


@dataclass
class _Taken:
    """Takes the snapshots of all accounts, some accounts at a time."""

    job: Job
    members: Sequence[Member]
    folder: Path | None
    report: Report

    def all(self) -> tuple[list[Snapshot], list[Unreached]]:
        given = self.job.settings.audit
        with (
            ThreadPoolExecutor(given.workers, "ctanalytics-audit") as requests,
            ThreadPoolExecutor(given.accounts_at_once, "ctanalytics-account") as accounts,
        ):
            try:
                owners = _Owners(self.members, accounts)
                found = list(
                    accounts.map(lambda one: self._one(one, requests, owners), self.members)
                )
            except BaseException:
                # Ctrl-C: those at work end, the others are for the next run.
                accounts.shutdown(wait=False, cancel_futures=True)
                raise
        return (
            [one for one in found if isinstance(one, Snapshot)],
            [one for one in found if isinstance(one, Unreached)],
        )

    def _one(
        self, member: Member, requests: ThreadPoolExecutor, owners: _Owners
    ) -> Snapshot | Unreached:
        known = self._known(member)
        if known is not None:
            self.report(member.account_id, "read before")
            return known
        why = owners.unreached.get(member.account_id)
        if why is None:
            try:
                found = read(self.job, member.aws, pool=requests, elsewhere=owners.of)
            except CtanalyticsError as error:
                why = error.what
        if why is not None:
            self.report(member.account_id, why)
            return Unreached(member.account_id, why)
        if self.folder is not None:
            found.save(self.folder / f"{member.account_id}.json")
        self.report(member.account_id, "read")
        return found

    def _known(self, member: Member) -> Snapshot | None:
        if self.folder is None:
            return None
        path = self.folder / f"{member.account_id}.json"
        if not path.exists():
            return None
        found = Snapshot.load(path)
        return found if self.job.now - found.taken_at < _FRESH else None


class _Owners:
    """Which of the accounts owns what: keys, topics and trails say so, buckets are listed."""

    def __init__(self, members: Sequence[Member], pool: ThreadPoolExecutor) -> None:
        self.by_id = {one.account_id: one.aws for one in members}
        self.unreached: dict[str, str] = {}
        self.by_bucket: dict[str, str] = {}
        for member, found in zip(members, pool.map(_buckets, members), strict=True):
            if isinstance(found, str):
                self.unreached[member.account_id] = found
            else:
                self.by_bucket |= dict.fromkeys(found, member.account_id)

    def of(self, ask: Ask) -> Aws | None:
        """The credentials of the owner of what a read is about, where it is one of the accounts."""
        bucket = ask.request.get("Bucket")
        if bucket is not None:
            owner = self.by_bucket.get(str(bucket), "")
            # Whose a bucket is, is asked of each account that may own it: only that one may say yes.
            if ask.request.get("ExpectedBucketOwner", owner) != owner:
                return None
            return self.by_id.get(owner)
        for value in ask.request.values():
            one = value[0] if isinstance(value, list) and value else value
            if isinstance(one, str) and one.startswith("arn:"):
                return self.by_id.get(one.split(":")[4])
        return None


def _buckets(member: Member) -> list[str] | str:
    """The names of an account's buckets, none when it does not tell; or why it can't be reached."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with aws_errors(member.account_id, SOURCE):
            amazon.client("sts", member.aws).get_caller_identity()
        pages = amazon.client("s3", member.aws).get_paginator("list_buckets").paginate()
        return [str(one["Name"]) for page in pages for one in page.get("Buckets", ())]
    except CtanalyticsError as error:
        return error.what
    except (ClientError, BotoCoreError):
        return []


def _caller(aws: Aws) -> tuple[str, str]:
    with aws_errors("AWS", SOURCE):
        me = amazon.client("sts", aws).get_caller_identity()
    return str(me["Account"]), str(me["Arn"]).split(":")[1]


def _role(name: str, aws: Aws) -> str:
    if aws.role_arn:
        raise UsageError(
            "a role and a role of every account can't both be assumed",
            where="audit_aws.role_arn, --role-name",
            mend="let a profile of the AWS configuration assume the first one, and give --profile",
        )
    if not _ROLE.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a role", where="--role-name", mend="give its name"
        )
    return name.strip("/")


def _as_role(aws: Aws, role_arn: str) -> Aws:
    found: Aws = msgspec.structs.replace(aws, role_arn=role_arn)
    return found


def _accounts(aws: Aws, file: str | Path | None) -> tuple[list[str], list[Unreached]]:
    """The accounts to audit, and those of the organization that can't be."""
    if file is not None:
        return list(dict.fromkeys(_from_file(Path(file)))), []
    with aws_errors("AWS Organizations", SOURCE):
        pages = amazon.client("organizations", aws).get_paginator("list_accounts").paginate()
        found = [one for page in pages for one in page["Accounts"]]
    states = {str(one["Id"]): _state(one) for one in found}
    return (
        sorted(one for one, state in states.items() if state == "ACTIVE"),
        [
            Unreached(one, f"the account is {state.lower()}")
            for one, state in sorted(states.items())
            if state != "ACTIVE"
        ],
    )


def _state(account: Mapping[str, Any]) -> str:
    return str(account.get("State") or account.get("Status") or "ACTIVE")


def _from_file(path: Path) -> Iterator[str]:
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"the file can't be read: {reason(error)}",
            where=str(path),
            mend="name a UTF-8 text file",
        ) from error
    lines = [(number, ",".join(cells)) for number, cells in enumerate(rows, 1) if any(cells)]
    ids = {number: _ACCOUNT.findall(text) for number, text in lines}
    faults = [
        f"line {number}"
        for number, text in lines
        if len(ids[number]) != 1 and not text.lstrip().startswith("#") and number > 1
    ]
    if faults:
        raise UsageError(
            f"not one account id on {', '.join(faults[:8])}",
            where=str(path),
            mend="write one 12-digit id on each line",
        )
    for number, text in lines:
        if not text.lstrip().startswith("#"):
            yield from ids[number][:1]

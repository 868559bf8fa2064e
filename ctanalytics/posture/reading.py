"""Reads an account: asks what the checks look for, until they look for nothing more.

Checks are pure, so they can be run again and again on what is known so far; each run names the
reads that it missed, and those are made together. So every API is read once, in parallel, and an
audit can't forget a read that a check needs.
"""

from __future__ import annotations

import base64
import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics import untrusted
from ctanalytics.aws_errors import SOURCE, aws_errors, explain
from ctanalytics.posture.actions import action_of
from ctanalytics.posture.snapshot import Ask, Read, Snapshot
from ctanalytics.settings import Aws

_ABSENT: Final = frozenset(
    (
        "AWSOrganizationsNotInUseException",
        "InsightNotEnabledException",
        "InvalidAccessException",  # of Security Hub: the account has not subscribed
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NotFound",
        "NotFoundException",
        "ObjectLockConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "ResourceNotFoundException",
        "ServerSideEncryptionConfigurationNotFoundError",
        "TrailNotFoundException",
    )
)
"""Codes by which AWS says that there is no such thing, which is an answer."""

_ROUNDS: Final = 30  # far more than the longest chain of reads that depend on each other
_REPORT_TRIES: Final = 20

Wanted = Callable[[Snapshot], Iterable[Ask]]
"""Gives the reads that are wanted and not in a snapshot."""

Elsewhere = Callable[[Ask], Aws | None]
"""Gives the credentials of the account that owns what a read was denied of, where they are known."""


@dataclass
class Reader:
    """Makes reads with one set of credentials, several at a time."""

    aws: Aws
    pool: ThreadPoolExecutor
    elsewhere: Elsewhere | None = None
    clients: dict[tuple[Aws, str, str], Any] = field(default_factory=dict)

    def read_all(self, asks: Sequence[Ask]) -> list[Read]:
        """Make these reads; what is refused is told, not raised."""
        return list(self.pool.map(self.read, asks))

    def read(self, ask: Ask) -> Read:
        """Make a read; one that is denied is made again as the owner, where that is known."""
        read = self._try(self.aws, ask)
        if read.missing and self.elsewhere is not None:
            owner = self.elsewhere(ask)
            if owner is not None:
                again = self._try(owner, ask)
                return read if again.refused else again
        return read

    def _try(self, aws: Aws, ask: Ask) -> Read:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return Read(ask, answer=_plain(_answer(self._client(aws, ask), ask)))
        except (ClientError, BotoCoreError) as error:
            return _refused(ask, error)

    def _client(self, aws: Aws, ask: Ask) -> Any:
        key = (aws, ask.service, ask.aws_region)
        if key not in self.clients:
            make: Any = amazon.client  # its overloads know services by name
            self.clients[key] = make(ask.service, aws, region=ask.aws_region)
        return self.clients[key]


def _answer(client: Any, ask: Ask) -> dict[str, Any]:
    """Ask, all pages of it."""
    method = _method(client, ask.operation)
    if ask.operation == "GetCredentialReport":
        return _credential_report(client)
    if ask.operation in _WHOLE or not client.can_paginate(method):
        found: dict[str, Any] = getattr(client, method)(**ask.request)
    else:
        found = client.get_paginator(method).paginate(**ask.request).build_full_result()
    found.pop("ResponseMetadata", None)
    return found


_WHOLE: Final = frozenset(("ListObjectsV2",))  # the first page says enough


def take(
    aws: Aws,
    wanted: Wanted,
    *,
    pool: ThreadPoolExecutor,
    regions: Sequence[str] = (),
    known: Snapshot | None = None,
    now: dt.datetime,
    elsewhere: Elsewhere | None = None,
) -> Snapshot:
    """Take a snapshot of the account that credentials belong to.

    Args:
        regions: those to audit; else all that the account has opted in to.
        known: a snapshot whose reads need not be made again.
        elsewhere: where a read is tried again that was denied.

    Raises:
        SourceDenied: credentials are missing, or may not even say whose they are.
        SourceError: AWS can't be reached.
    """
    reader = Reader(aws, pool, elsewhere)
    snapshot = known or _begin(reader, regions, now)
    for _ in range(_ROUNDS):
        asks = sorted(wanted(snapshot), key=lambda ask: (ask.service, ask.aws_region, ask.key))
        if not asks:
            break
        snapshot = snapshot.with_reads(reader.read_all(asks))
    return snapshot


def _begin(reader: Reader, regions: Sequence[str], now: dt.datetime) -> Snapshot:
    """Whose account it is, and which regions it has."""
    with aws_errors("AWS", SOURCE):
        sts = amazon.client("sts", reader.aws)
        me = sts.get_caller_identity()
        home = str(sts.meta.region_name)
    if home in ("", "aws-global"):
        home = regions[0] if regions else amazon.client("ec2", reader.aws).meta.region_name
    ask = Ask("ec2", "DescribeRegions", home, {"AllRegions": True})
    read = reader.read_all([ask])[0]
    listed = (read.answer or {}).get("Regions") or ()
    open_regions = sorted(
        str(one["RegionName"]) for one in listed if one.get("OptInStatus") != "not-opted-in"
    )
    closed = sorted(
        str(one["RegionName"]) for one in listed if one.get("OptInStatus") == "not-opted-in"
    )
    snapshot = Snapshot(
        account_id=str(me["Account"]),
        partition=str(me["Arn"]).split(":")[1],
        principal_arn=str(me["Arn"]),
        home_region=home,
        taken_at=now,
        regions=tuple(regions) or tuple(open_regions) or (home,),
        closed_regions=tuple(closed),
    )
    return snapshot.with_reads([read])


def _method(client: Any, operation: str) -> str:
    names: Mapping[str, str] = client.meta.method_to_api_mapping
    for method, name in names.items():
        if name == operation:
            return method
    raise LookupError(f"{client.meta.service_model.service_name} has no {operation}")


def _credential_report(client: Any) -> dict[str, Any]:
    """Let IAM make the report, and return the root user's line of it, which is all that is used."""
    for attempt in range(_REPORT_TRIES):
        if client.generate_credential_report().get("State") == "COMPLETE":
            break
        time.sleep(min(0.1 * 2**attempt, 2.0))
    head, *rows = client.get_credential_report()["Content"].decode("utf-8").splitlines()
    return {
        "Content": "\n".join([head, *(row for row in rows if row.startswith("<root_account>"))])
    }


def _refused(ask: Ask, error: Any) -> Read:
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    if ask.operation == "HeadBucket" and code == "404":
        return Read(ask, absent="NoSuchBucket")
    if code in _ABSENT:
        return Read(ask, absent=code)
    if code == "NoSuchKey" or "NotFound" in code:
        return Read(ask, absent=code)
    found = explain(error)
    if found.kind == "denied" and not code.startswith("KMS"):  # which is a key in no state for it
        # In our own words: those of S3 and SNS about keys are of other calls.
        return Read(ask, refused=f"{action_of(ask.api)} is denied", missing=action_of(ask.api))
    return Read(ask, refused=untrusted.one_line(found.what, limit=400))


def _plain(value: Any) -> Any:
    """Turn an answer into what JSON has, so that it is the same before and after it is saved."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)

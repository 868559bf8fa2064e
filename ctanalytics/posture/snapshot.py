"""Every AWS read of an audit, once; what could not be read stays refused, never empty.

A snapshot is plain data: it can be saved, carried elsewhere, and judged there by the same checks.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ctanalytics import whole
from ctanalytics.errors import UsageError

FORMAT: Final = "ctanalytics-snapshot"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """A read to make: boto3's service, the API's operation, the region it is sent to."""

    service: str
    operation: str
    aws_region: str
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What makes two reads the same one."""
        request = json.dumps(self.request, sort_keys=True)
        return f"{self.service}:{self.operation}:{self.aws_region}:{request}"

    @property
    def api(self) -> str:
        """Service and operation, such as cloudtrail:GetTrailStatus."""
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True, slots=True)
class Read:
    """What came of an ask: exactly one of answer, absent and refused."""

    ask: Ask
    answer: Mapping[str, Any] | None = None
    absent: str = ""
    """The code by which AWS says that there is no such thing."""
    refused: str = ""
    """Why it could not be read."""
    missing: str = ""
    """The IAM action that was denied, when that is why."""


@dataclass(frozen=True)
class Snapshot:
    """All reads of one account."""

    account_id: str
    partition: str
    principal_arn: str
    home_region: str
    """Where global APIs were asked."""
    taken_at: dt.datetime
    regions: tuple[str, ...]
    """Regions that were audited."""
    closed_regions: tuple[str, ...] = ()
    """Regions that the account has not opted in to."""
    reads: Mapping[str, Read] = field(default_factory=dict)

    def find(self, ask: Ask) -> Read:
        """Return what came of an ask; one that was never made counts as refused."""
        return self.reads.get(ask.key) or Read(ask, refused="it was not read")

    def with_reads(self, reads: Iterable[Read]) -> Snapshot:
        """Return the snapshot with these reads added, or put in the place of older ones."""
        return replace(self, reads={**self.reads, **{read.ask.key: read for read in reads}})

    def save(self, path: Path) -> None:
        """Write the snapshot as JSON that its owner alone may read, whole or not at all."""
        text = json.dumps(self._plain(), indent=1, ensure_ascii=True) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole.replacing(path) as file:
                file.write(text.encode("ascii"))
        except OSError as error:
            raise UsageError(
                f"the snapshot can't be written: {error.strerror}",
                where=str(path),
                mend="name another place with --snapshot",
            ) from error

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "account_id": self.account_id,
            "partition": self.partition,
            "principal_arn": self.principal_arn,
            "home_region": self.home_region,
            "taken_at": self.taken_at.isoformat(),
            "regions": list(self.regions),
            "closed_regions": list(self.closed_regions),
            "reads": [_plain_read(read) for _, read in sorted(self.reads.items())],
        }

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read a snapshot that `save` wrote.

        Raises:
            UsageError: there is no such file, or it is no snapshot that this version reads.
        """
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["format"] != FORMAT or found["format_version"] > FORMAT_VERSION:
                raise ValueError(f"it is {found['format']} {found['format_version']}")
            reads = [_read(row) for row in found["reads"]]
            return cls(
                account_id=found["account_id"],
                partition=found["partition"],
                principal_arn=found["principal_arn"],
                home_region=found["home_region"],
                taken_at=dt.datetime.fromisoformat(found["taken_at"]),
                regions=tuple(found["regions"]),
                closed_regions=tuple(found["closed_regions"]),
                reads={read.ask.key: read for read in reads},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"this is no snapshot that can be read: {error}",
                where=str(path),
                mend="name a file that `ctanalytics audit --snapshot FILE` wrote",
            ) from error


def _plain_read(read: Read) -> dict[str, Any]:
    row: dict[str, Any] = {
        "service": read.ask.service,
        "operation": read.ask.operation,
        "aws_region": read.ask.aws_region,
        "request": dict(read.ask.request),
    }
    if read.answer is not None:
        return row | {"answer": read.answer}
    if read.absent:
        return row | {"absent": read.absent}
    return row | {"refused": read.refused, "missing": read.missing}


def _read(row: Mapping[str, Any]) -> Read:
    ask = Ask(row["service"], row["operation"], row["aws_region"], row["request"])
    if not {"answer", "absent", "refused"} & row.keys():
        raise ValueError(f"nothing came of {ask.api}")
    return Read(
        ask,
        answer=row.get("answer"),
        absent=row.get("absent", ""),
        refused=row.get("refused", ""),
        missing=row.get("missing", ""),
    )

"""What an audit finds: one row per check, resource and audit, shared by audit, lake and report."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from ctanalytics.findings import TIMESTAMP

STATUSES: Final = ("fail", "unknown", "pass")
"""The gravest first. unknown: what the check needs could not be read; it is never a pass."""

POSTURE_FINDINGS: Final = pa.schema(
    [
        pa.field("audit_id", pa.string(), nullable=False),  # the same for all rows of one audit
        pa.field("audited_at", TIMESTAMP, nullable=False),  # when the account was read
        pa.field("finding_id", pa.string(), nullable=False),  # of check, account and resource
        pa.field("check_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # fail, unknown, pass
        pa.field("severity", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("aws_region", pa.string()),  # null: global
        pa.field("resource", pa.string(), nullable=False),  # ARN, or what stands for one
        pa.field("title", pa.string(), nullable=False),
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),  # JSON object
        pa.field("reads", pa.list_(pa.string()), nullable=False),  # API calls it rests on
        pa.field("missing", pa.list_(pa.string()), nullable=False),  # IAM actions that were denied
    ]
)
"""One row per finding of each audit; append-only, so that audits can be compared."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one resource."""

    check_id: str
    status: str
    severity: str
    account_id: str
    aws_region: str
    """Empty when the resource has none."""
    resource: str
    title: str
    """What should hold."""
    explanation: str
    """What does hold, in one sentence."""
    audited_at: dt.datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remedy_cli: str = ""
    remedy_cloudformation: str = ""

    @property
    def finding_id(self) -> str:
        """The same in every audit, as long as check, account and resource are."""
        text = "\x1f".join((self.check_id, self.account_id, self.aws_region, self.resource))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

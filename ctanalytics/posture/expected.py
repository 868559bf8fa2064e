"""What an organization expects of its accounts; what no answer of AWS can tell."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """Names are ARNs or ids, with * for any characters. Ages are in days."""

    retention_days: int = 365
    """Logs are kept at least so long."""
    trail_admins: tuple[str, ...] = ()
    """Principals that may change trails."""
    most_trail_admins: int = 3
    """How many there may be when none is named."""
    auditors: tuple[str, ...] = ()
    """Principals that must be able to read trails; anybody when none is named."""
    log_deleters: tuple[str, ...] = ()
    """Principals that may delete logs, or change what protects them."""
    log_writers: tuple[str, ...] = ()
    """Principals besides AWS's log delivery that a log bucket's policy may let write."""
    trusted_accounts: tuple[str, ...] = ()
    """Accounts besides the audited one that policies may name."""
    delegated_admins: tuple[str, ...] = ()
    """Accounts that may administer CloudTrail for the organization."""
    lake_buckets: tuple[str, ...] = ()
    """Buckets of lakes and reports."""
    network_sources: tuple[str, ...] = ()
    """Event sources, such as s3.amazonaws.com, whose VPC endpoints must be logged."""
    wants_replication: bool = False
    """Logs must be copied to another bucket."""
    wants_topic: bool = False
    """An ingest relies on a trail's own notifications."""
    metric_namespaces: tuple[str, ...] = ()
    """Namespaces besides the filters' own whose alarms are looked at."""


def named(patterns: tuple[str, ...], name: str) -> bool:
    """Tell whether a name is among these."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

"""Names, units and tags of accounts from AWS Organizations."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ctanalytics import aws as amazon
from ctanalytics.app.accounts.directory import DirectoryResult
from ctanalytics.aws_errors import SOURCE, aws_errors
from ctanalytics.lake.lake import Lake
from ctanalytics.records.directory import ACCOUNT_DIRECTORY
from ctanalytics.settings import Settings

_ORIGIN = "organizations"


def sync(lake: Lake, *, settings: Settings, now: dt.datetime) -> DirectoryResult:
    """Ask AWS Organizations for all accounts, with their units and tags, and store what it says.

    The caller must be the management account or a delegated administrator, with
    organizations:ListRoots, ListAccountsForParent, ListOrganizationalUnitsForParent and
    ListTagsForResource.

    Raises:
        SourceDenied: credentials are missing or don't allow it.
        SourceError: AWS can't be reached.
    """
    with aws_errors("AWS Organizations", SOURCE):
        client = amazon.client("organizations", settings.source_aws)
        rows = [
            _row(client, account, path, settings, now)
            for root in _pages(client, "list_roots", "Roots")
            for path, account in _accounts(client, root["Id"], ("Root",))
        ]
    lake.append("account_directory", pa.Table.from_pylist(rows, ACCOUNT_DIRECTORY))
    return DirectoryResult("account_directory", len(rows), _ORIGIN)


def _accounts(
    client: Any, parent: str, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """All accounts under a root or unit, each with the names of the units above it."""
    for account in _pages(client, "list_accounts_for_parent", "Accounts", ParentId=parent):
        yield path, account
    units = _pages(
        client, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent
    )
    for unit in units:
        yield from _accounts(client, unit["Id"], (*path, unit["Name"]))


def _row(
    client: Any,
    account: dict[str, Any],
    path: tuple[str, ...],
    settings: Settings,
    now: dt.datetime,
) -> dict[str, Any]:
    found = _pages(client, "list_tags_for_resource", "Tags", ResourceId=account["Id"])
    tags = {tag["Key"]: tag["Value"] for tag in found}
    lower = {key.lower(): value for key, value in tags.items()}
    return {
        "account_id": account["Id"],
        "name": account.get("Name"),
        "email": account.get("Email"),
        # AWS names the state anew; the old name goes away in 2026.
        "status": account.get("State") or account.get("Status"),
        "ou": path[-1],
        "ou_path": "/".join(path),
        "environment": lower.get(settings.accounts.environment_tag.lower()),
        "owner": lower.get(settings.accounts.owner_tag.lower()),
        "tags": json.dumps(tags, sort_keys=True) if tags else None,
        "origin": _ORIGIN,
        "updated_at": now,
    }


def _pages(client: Any, operation: str, member: str, **request: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**request):
        yield from page[member]

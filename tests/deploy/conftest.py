"""Stacks that tests of a module share: each template is deployed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy import cloudformation, stacks
from tests.deploy.stacks import LOG_ARCHIVE, MANAGEMENT, MEMBER, SECURITY, Stack


@pytest.fixture(scope="module")
def single_account() -> Iterator[Stack]:
    """One account, as recommended: Object Lock that nobody can open, all S3 objects logged."""
    with pytest.MonkeyPatch.context() as monkeypatch, stacks.deployer(monkeypatch):
        yield stacks.deploy("single-account", stacks.RECOMMENDED)


@pytest.fixture(scope="module")
def organization() -> Iterator[dict[str, Stack]]:
    """The linked templates in four accounts, the region's in two regions of a member."""
    with pytest.MonkeyPatch.context() as monkeypatch, stacks.deployer(monkeypatch):
        api = cloudformation.client("organizations", stacks.REGION)
        made = api.create_organization(FeatureSet="ALL")["Organization"]
        ids = {
            "OrganizationId": made["Id"],
            "ManagementAccountId": MANAGEMENT,
            "LogArchiveAccountId": LOG_ARCHIVE,
            "SecurityAccountId": SECURITY,
            "HomeRegion": stacks.REGION,
        }
        found = {
            "security-tooling": stacks.linked("security-tooling", ids, account=SECURITY),
            "log-archive": stacks.linked("log-archive", ids, account=LOG_ARCHIVE),
        }
        # What links the templates: outputs that are called as the next one's parameters.
        outputs = found["log-archive"].outputs
        root = api.list_roots()["Roots"][0]["Id"]
        found["management"] = stacks.linked(
            "management", ids | outputs | {"GuardTargetIds": root}, account=MANAGEMENT
        )
        recorded = ids | {"RecordConfig": "yes"}
        found["region"] = stacks.linked("region", recorded, account=MEMBER)
        found["other-region"] = stacks.linked(
            "region", recorded, account=MEMBER, region="ap-northeast-1"
        )
        yield found

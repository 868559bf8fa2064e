"""Deploys our templates on the local AWS server, as `aws cloudformation deploy` would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit
from tests.aws_server import REGION, Server, aws_server
from tests.deploy import cloudformation, resources

MANAGEMENT = cloudformation.ACCOUNT
LOG_ARCHIVE = "222222222222"
SECURITY = "333333333333"
MEMBER = "444444444444"

RECOMMENDED = {
    "AlertEmail": "security@example.com",
    "ObjectLockMode": "COMPLIANCE",
    "LogS3Objects": "yes",
}
"""Parameters of one account with which nothing that the templates can do is left out."""


@dataclass(frozen=True)
class Stack:
    """A stack that is deployed."""

    name: str
    account: str
    region: str
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a client in the stack's account and region."""
        return cloudformation.client(service, self.region, self.account)


@contextmanager
def deployer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Start the server, emptied, with a CloudFormation that knows the types of our templates."""
    with aws_server(monkeypatch) as server:
        cloudformation.install(server.url, resources.MAKERS)
        cloudformation.forget()
        yield server


def deploy(
    name: str,
    values: Mapping[str, str],
    *,
    mode: str = "",
    account: str = MANAGEMENT,
    region: str = REGION,
    template: str = "",
) -> Stack:
    """Deploy a kit's template, or one that was altered, and return the stack.

    Args:
        values: parameters; defaults fill what is not given.
        template: the text to deploy instead of the kit's own.
    """
    text = template or compose.template(kit(name), mode, values)
    api = cloudformation.client("cloudformation", region, account)
    api.create_stack(
        StackName=f"ctanalytics-{name}",
        TemplateBody=text,
        # As the command that `render` tells; moto splits lists that are given, not defaults.
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in values.items()
        ],
    )
    stack = api.describe_stacks(StackName=f"ctanalytics-{name}")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    return Stack(f"ctanalytics-{name}", account, region, outputs)


def linked(name: str, values: Mapping[str, str], *, account: str, region: str = REGION) -> Stack:
    """Deploy a kit's template with those of some values that are its parameters."""
    known = compose.body(kit(name), "")[1]
    own = {key: value for key, value in values.items() if key in known}
    return deploy(name, own, account=account, region=region)

"""Who calls: people, roles, users with keys, and AWS services, each with its userIdentity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from ctanalytics.simulator.organization import (
    Account,
    Organization,
    key_id,
    principal_id,
    token,
)


@dataclass(frozen=True)
class Opening:
    """A record that a session leaves when it begins."""

    api: str
    region: str
    by: Actor | None
    """Who calls; None: the new session itself."""
    account_id: str | None = None
    """Where it is recorded, when not in the caller's account."""


@dataclass(frozen=True)
class Session:
    """How a role's temporary credentials come about; one key for some hours."""

    key: str
    """Callers with the same key share their sessions."""
    hours: int
    """How long credentials are used; divides 24."""
    names: tuple[str, ...]
    """Session names to choose from; a trailing * becomes a random number."""
    role_arn: str
    role_id: str
    assumed_arn: str
    """ARN of a session, with ${session}."""
    opening: tuple[Opening, ...] = ()


@dataclass(frozen=True)
class Actor:
    """A caller, as CloudTrail shows it."""

    name: str
    """Unique within the organization."""
    account_id: str
    """The account whose trail records its calls."""
    principal_arn: str
    """The user or role, without a session name."""
    caller_arn: str
    """As error messages name it."""
    identity: str
    """userIdentity as JSON text, with ${access_key}, ${session} and ${created}."""
    networks: tuple[str, ...]
    agents: tuple[str, ...]
    networks_later: tuple[str, ...] = ()
    """Networks after the company's VPN change; none: no change."""
    access_keys: tuple[str, ...] = ()
    """A user's long-lived keys, the second one used after its rotation."""
    session: Session | None = None
    console: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    """Fields that its records have besides: vpcEndpointId and the like, values with ${name}."""

    @property
    def is_service(self) -> bool:
        """Whether an AWS service calls, on its own or for somebody."""
        return self.networks == self.agents


def identity_json(value: Any) -> str:
    """Write a userIdentity, which may hold ${name} holes."""
    return msgspec.json.encode(value).decode()


def user(
    organization: Organization,
    account: Account,
    name: str,
    *,
    networks: tuple[str, ...],
    agents: tuple[str, ...],
) -> Actor:
    """An IAM user with a long-lived key, which is rotated once."""
    arn = organization.arn("iam", "", account.account_id, f"user/{name}")
    seed = (organization.seed, account.account_id, name)
    return Actor(
        name=f"{account.account_id}/user/{name}",
        account_id=account.account_id,
        principal_arn=arn,
        caller_arn=arn,
        identity=identity_json(
            {
                "type": "IAMUser",
                "principalId": principal_id("AIDA", *seed),
                "arn": arn,
                "accountId": account.account_id,
                "accessKeyId": "${access_key}",
                "userName": name,
            }
        ),
        networks=networks,
        agents=agents,
        access_keys=(key_id("AKIA", *seed, 0), key_id("AKIA", *seed, 1)),
    )


def role(
    organization: Organization,
    account: Account,
    name: str,
    *,
    networks: tuple[str, ...],
    agents: tuple[str, ...],
    sessions: tuple[str, ...],
    hours: int,
    opening: tuple[Opening, ...] = (),
    path: str = "/",
    invoked_by: str | None = None,
    attributes: dict[str, Any] | None = None,
    scope: dict[str, str] | None = None,
    console: bool = False,
    extra: dict[str, str] | None = None,
    own: str = "",
) -> Actor:
    """A role's sessions.

    Args:
        own: tells apart those who take the same role, each in sessions of his own.
        invoked_by: the service that calls with the role's credentials.
        attributes: more of sessionContext, such as {"ec2RoleDelivery": "2.0"}.
        scope: inScopeOf, the workload that the credentials were made for.
    """
    account_id = account.account_id
    role_arn = organization.arn("iam", "", account_id, f"role{path}{name}")
    role_id = principal_id("AROA", organization.seed, account_id, name)
    assumed = organization.arn("sts", "", account_id, f"assumed-role/{name}/${{session}}")
    identity: dict[str, Any] = {
        "type": "AssumedRole",
        "principalId": f"{role_id}:${{session}}",
        "arn": assumed,
        "accountId": account_id,
        "accessKeyId": "${access_key}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": role_arn,
                "accountId": account_id,
                "userName": name,
            },
            "attributes": {"creationDate": "${created}", "mfaAuthenticated": "false"},
            **(attributes or {}),
        },
    }
    if invoked_by:
        identity["invokedBy"] = invoked_by
    if scope:
        identity["inScopeOf"] = scope
    key = f"{account_id}/role/{name}/{own}"
    return Actor(
        name=f"{key}/{invoked_by or ''}",
        account_id=account_id,
        principal_arn=role_arn,
        caller_arn=assumed,
        identity=identity_json(identity),
        networks=(invoked_by,) if invoked_by else networks,
        agents=(invoked_by,) if invoked_by else agents,
        session=Session(key, hours, sessions, role_arn, role_id, assumed, opening),
        console=console,
        extra=extra or {},
    )


def through(actor: Actor, service: str) -> Actor:
    """The same caller where a service calls on its behalf (forward access session)."""
    identity = msgspec.json.decode(actor.identity) | {"invokedBy": service}
    return replace(
        actor,
        name=f"{actor.name}/via/{service}",
        identity=identity_json(identity),
        networks=(service,),
        agents=(service,),
        networks_later=(),
        console=False,
    )


def service(account: Account, name: str, *, shared: bool = True) -> Actor:
    """An AWS service that calls on its own."""
    return Actor(
        name=f"{account.account_id}/service/{name}",
        account_id=account.account_id,
        principal_arn=name,
        caller_arn=name,
        identity=identity_json({"type": "AWSService", "invokedBy": name}),
        networks=(name,),
        agents=(name,),
        extra={"sharedEventID": "${shared_id}"} if shared else {},
    )


def event_source(account: Account, name: str) -> Actor:
    """The service behind an AwsServiceEvent, whose userIdentity has no type."""
    return Actor(
        name=f"{account.account_id}/event/{name}",
        account_id=account.account_id,
        principal_arn=name,
        caller_arn=name,
        identity=identity_json({"accountId": account.account_id, "invokedBy": name}),
        networks=(name,),
        agents=(name,),
    )


def foreign_role(
    account: Account,
    home: str,
    role_name: str,
    *,
    networks: tuple[str, ...],
    agents: tuple[str, ...],
) -> Actor:
    """A role of another account, as the account that it calls sees it."""
    arn = f"{home}/{role_name}"
    return Actor(
        name=f"{account.account_id}/account/{arn}",
        account_id=account.account_id,
        principal_arn=home,
        caller_arn=f"{home}:{role_name}",
        identity=identity_json(
            {
                "type": "AWSAccount",
                "principalId": f"{principal_id('AROA', home, role_name)}:{role_name}",
                "accountId": home,
            }
        ),
        networks=networks,
        agents=agents,
        extra={"sharedEventID": "${shared_id}"},
    )


def service_linked(organization: Organization, account: Account, name: str, by: str) -> Actor:
    """A service-linked role, used by its service."""
    return role(
        organization,
        account,
        f"AWSServiceRoleFor{name}",
        path=f"/aws-service-role/{by}/",
        networks=(),
        agents=(),
        sessions=(name,),
        hours=24,
        invoked_by=by,
    )


def session_key(seed: int, session: Session, opened: int) -> str:
    """The access key of the session that began in a slot of time."""
    return key_id("ASIA", seed, session.key, opened)


def session_name(seed: int, session: Session, opened: int) -> str:
    """The name of the session that began in a slot of time."""
    digits = token(seed, session.key, opened, "name")
    name = pick(session.names, digits)
    return f"{name[:-1]}{int.from_bytes(digits[8:12]) % 10**8:08d}" if name.endswith("*") else name


def pick(choices: Sequence[str], digits: bytes) -> str:
    """Choose one by a token."""
    return choices[int.from_bytes(digits[:4]) % len(choices)]


def attacker_key(organization: Organization, label: str) -> str:
    """A key that an attacker made for himself."""
    return key_id("AKIA", organization.seed, "attacker", label)

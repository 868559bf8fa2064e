"""Simulated chains of credentials whose truth is known: who stands behind each key, and whether
the records that are left can prove it.

Five accounts send logs, one does not. Role names and session names come from small pools, so that
they repeat across accounts, callers and even within one second; every hop renames the session.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

START = dt.datetime(2026, 2, 2, 8, tzinfo=dt.UTC)
ACCOUNTS = ("111122223333", "123456789012", "444455556666", "555555555555", "000000000123")
OUTSIDE = "999999999999"
ROLES = ("deploy", "admin", "audit", "data")
NAMES = ("dora", "session", "botocore-session-1", "terraform")

Record = dict[str, Any]


@dataclass
class Key:
    """A set of credentials and what is true of it."""

    session_id: str
    account_id: str
    identity: Record
    """userIdentity of calls with it."""
    human: str | None
    """The head of the chain."""
    hop: int
    parent: str | None
    path: list[str]
    proven: bool
    """Whether the records left lead from here to the head."""
    aliases: set[str] = field(default_factory=set)
    """Other names that rightly stand for the head: its sourceIdentity, its workload."""


@dataclass
class World:
    """Records and truth, made from a seed."""

    seed: int
    records: list[Record] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.clock = START

    def token(self, prefix: str, digits: int = 13) -> str:
        """A fresh id, marked as an example."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        return prefix + "".join(self.rng.choices(letters, k=digits - 7)) + "EXAMPLE"

    def time(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def record(self, name: str, identity: Record, account_id: str, **fields: Any) -> Record:
        """Log a call; it is lost where the caller says so."""
        found = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": self.time(),
            "eventSource": "sts.amazonaws.com",
            "eventName": name,
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.9",
            "userAgent": "aws-cli/2.31.0",
            "requestParameters": None,
            "responseElements": None,
            "eventID": f"{self.rng.getrandbits(128):032x}",
            "readOnly": True,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "eventCategory": "Management",
            "recipientAccountId": account_id,
        }
        found |= fields
        self.records.append(found)
        return found

    def work(self, key: Key) -> None:
        """A few calls with a key; sometimes a service calls on with a key of its own making."""
        self.clock += dt.timedelta(seconds=self.rng.choice((0, 1, 40)))
        for _ in range(self.rng.randint(1, 3)):
            self.record(
                "DescribeInstances", key.identity, key.account_id, eventSource="ec2.amazonaws.com"
            )

    def root_key(self) -> Key:
        """Somebody or something that acts with credentials of his own, or none at all."""
        account = self.rng.choice(ACCOUNTS)
        name = f"user-{self.rng.randint(0, 30)}"
        arn = f"arn:aws:iam::{account}:user/{name}"
        key_id = self.token("AKIA")
        identity = {
            "type": "IAMUser",
            "principalId": self.token("AIDA"),
            "arn": arn,
            "accountId": account,
            "accessKeyId": key_id,
            "userName": name,
        }
        return Key(key_id, account, identity, arn, 0, None, [arn], True)

    def opened_from_outside_sts(self) -> tuple[Key, str]:
        """A session that a federated user, a workload or a service opens; it has no key before."""
        account = self.rng.choice(ACCOUNTS)
        kind = self.rng.choice(("SAML", "OIDC", "EC2", "Lambda"))
        if kind in ("SAML", "OIDC"):
            user = (
                f"user-{self.rng.randint(0, 30)}@example.com"
                if kind == "SAML"
                else "system:serviceaccount:shop:web"
            )
            caller: Record = {
                "type": "SAMLUser" if kind == "SAML" else "WebIdentityUser",
                "principalId": f"provider:{user}",
                "userName": user,
                "identityProvider": "https://idp.example.com",
            }
            api = "AssumeRoleWithSAML" if kind == "SAML" else "AssumeRoleWithWebIdentity"
            return self.issue(api, None, caller, user, account, account), kind
        service = "ec2.amazonaws.com" if kind == "EC2" else "lambda.amazonaws.com"
        caller = {"type": "AWSService", "invokedBy": service}
        extra: Record = {}
        session = self.rng.choice(NAMES)
        if kind == "EC2":
            session = f"i-{self.rng.getrandbits(64):016x}"
            extra = {"ec2RoleDelivery": "2.0"}
        key = self.issue(
            "AssumeRole", None, caller, f"service:{service}", account, account, session, extra
        )
        if kind == "EC2":
            key.aliases.add(session)
        else:
            function = f"arn:aws:lambda:eu-west-1:{account}:function:orders"
            key.identity["inScopeOf"] = {
                "issuerType": "AWS::Lambda::Function",
                "credentialsIssuedTo": function,
            }
            key.aliases.add(function)
        return key, kind

    def issue(
        self,
        api: str,
        parent: Key | None,
        caller: Record,
        human: str | None,
        caller_account: str,
        target_account: str,
        session: str | None = None,
        attributes: Record | None = None,
        source_identity: str | None = None,
        *,
        lost: bool = False,
    ) -> Key:
        """Log that STS gave somebody a key, and return the key."""
        role, session = self.rng.choice(ROLES), session or self.rng.choice(NAMES)
        # A role's id is as fixed as its ARN, so that names and ids repeat together.
        role_id = f"AROA{ACCOUNTS.index(target_account)}{role.upper():X<8}EXAMPLE"
        arn = f"arn:aws:sts::{target_account}:assumed-role/{role}/{session}"
        role_arn = f"arn:aws:iam::{target_account}:role/{role}"
        key_id = self.token("ASIA")
        request: Record = {
            "roleArn": role_arn,
            "roleSessionName": session,
            # An attacker's tag that looks like an answer with a key.
            "tags": [{"key": "x", "value": '"accessKeyId":"ASIAFORGEDXXXEXAMPLE"'}],
        }
        if source_identity:
            request["sourceIdentity"] = source_identity
        answer = {
            "credentials": {"accessKeyId": key_id, "expiration": "Feb 2, 2026, 9:00:00 PM"},
            "assumedRoleUser": {"assumedRoleId": f"{role_id}:{session}", "arn": arn},
        }
        fields: Record = {"requestParameters": request, "responseElements": answer}
        created = self.time()
        if caller_account != target_account:
            fields["sharedEventID"] = f"{self.rng.getrandbits(128):032x}"
        if not lost:
            if caller_account != OUTSIDE:
                self.record(api, caller, caller_account, **fields)
            if caller_account != target_account:
                stranger = {
                    "type": "AWSAccount",
                    "principalId": caller["principalId"],
                    "accountId": caller_account,
                }
                self.record(api, stranger, target_account, **fields)
        context: Record = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": role_arn,
                "accountId": target_account,
                "userName": role,
            },
            "attributes": {"creationDate": created, "mfaAuthenticated": "false"},
            **(attributes or {}),
        }
        if source_identity:
            context["sourceIdentity"] = source_identity
        identity = {
            "type": "AssumedRole",
            "principalId": f"{role_id}:{session}",
            "arn": arn,
            "accountId": target_account,
            "accessKeyId": key_id,
            "sessionContext": context,
        }
        before = parent.path if parent else [human or ""]
        return Key(
            key_id,
            target_account,
            identity,
            human,
            (parent.hop if parent else 0) + 1,
            parent.session_id if parent else None,
            [*before, arn],
            proven=not lost and (parent is None or parent.proven),
            aliases={source_identity} if source_identity else set(),
        )

    def chain(self, number: int) -> None:
        """A chain of up to five hand-overs, some of whose records may be lost."""
        hops = self.rng.randint(1, 5)
        source_identity = f"person-{number}" if self.rng.random() < 0.2 else None
        if self.rng.random() < 0.5:
            key = self.root_key()
            self.work(key)
        else:
            key, _ = self.opened_from_outside_sts()
            hops -= 1
            self.work(key)
            source_identity = None
        self.keys.append(key)
        for _ in range(hops):
            lost = self.rng.random() < 0.08
            key = self.issue(
                "AssumeRole",
                key,
                key.identity,
                key.human,
                key.account_id,
                self.rng.choice(ACCOUNTS),
                source_identity=source_identity,
                lost=lost,
            )
            if source_identity:
                key.aliases.add(source_identity)
            self.work(key)
            self.keys.append(key)

    def stranger(self) -> None:
        """A role taken from an account that sends no logs."""
        role_id = self.token("AROA")
        caller = {
            "type": "AssumedRole",
            "principalId": f"{role_id}:{self.rng.choice(NAMES)}",
            "arn": f"arn:aws:sts::{OUTSIDE}:assumed-role/partner/x",
            "accountId": OUTSIDE,
            "accessKeyId": self.token("ASIA"),
        }
        human = f"account:{OUTSIDE}:{caller['principalId']}"
        key = self.issue("AssumeRole", None, caller, human, OUTSIDE, self.rng.choice(ACCOUNTS))
        self.work(key)
        self.keys.append(key)

    def service_made(self) -> None:
        """A call that a service makes for a session, with a key that STS never logged."""
        parent = self.rng.choice(
            [
                key
                for key in self.keys
                if key.session_id[:4] == "ASIA" and "invokedBy" not in key.identity
            ]
        )
        identity = dict(parent.identity)
        identity |= {"accessKeyId": self.token("ASIA"), "invokedBy": "cloudformation.amazonaws.com"}
        began = _began(parent)
        twins = [
            key
            for key in self.keys
            if key.session_id[:4] == "ASIA"
            and "invokedBy" not in key.identity
            and key.identity["principalId"] == parent.identity["principalId"]
            and dt.timedelta() <= _began(key) - began <= dt.timedelta(seconds=1)
        ]
        key = Key(
            identity["accessKeyId"],
            parent.account_id,
            identity,
            parent.human,
            parent.hop,
            parent.parent,
            parent.path,
            # Where two sessions fit, logs prove neither.
            proven=parent.proven and len(twins) == 1,
            aliases=parent.aliases,
        )
        self.record("CreateBucket", identity, parent.account_id, eventSource="s3.amazonaws.com")
        self.keys.append(key)


def _began(key: Key) -> dt.datetime:
    created: str = key.identity["sessionContext"]["attributes"]["creationDate"]
    return dt.datetime.fromisoformat(created)


def world(seed: int, chains: int = 400) -> World:
    """Make a world of so many chains, with much that goes on in the same seconds."""
    made = World(seed)
    for number in range(chains):
        made.chain(number)
        if number % 10 == 0:
            made.stranger()
        if number % 4 == 0:
            made.clock -= dt.timedelta(seconds=made.rng.choice((0, 1, 30)))
    for _ in range(chains // 5):
        made.service_made()
    return made

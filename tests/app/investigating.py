"""An intruder's story in a lake, and what is asked about it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app.investigate import InvestigateResult, investigate
from tests import builders, logs

PROD, DEV = "111122223333", "444455556666"

DORA = f"arn:aws:iam::{PROD}:user/dora"

KEY, NEW_KEY = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"

FIRST, SECOND, FOREIGN = "ASIAFIRSTHOPEXAMPLE", "ASIASECONDHOEXAMPLE", "ASIASOMEONESEXAMPLE"

INTRUDER, OFFICE = "198.51.100.23", "192.0.2.10"

HOSTILE = "</style><script>alert(1)</script>\u202e'; drop table events; --"

NIGHT = dt.datetime(2026, 3, 12, 2, tzinfo=dt.UTC)

RULE = """
title: User made
id: 6f1b1d7c-3f0a-4a53-9a3c-0d7c1b3f2a11
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: CreateUser}
  condition: selection
level: high
tags: [attack.persistence, attack.t1136.003]
"""


def role(account: str, name: str, key: str) -> dict[str, Any]:
    """userIdentity of a session of a role."""
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{name.upper():X<9}EXAMPLE:work",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/work",
        "accountId": account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{name}"},
            "attributes": {"creationDate": "2026-03-12T02:20:00Z"},
        },
    }


def user(name: str, key: str) -> dict[str, Any]:
    """userIdentity of a user of PROD."""
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper():X<9}EXAMPLE",
        "arn": f"arn:aws:iam::{PROD}:user/{name}",
        "accountId": PROD,
        "accessKeyId": key,
        "userName": name,
    }


def answer(account: str, name: str, key: str) -> dict[str, Any]:
    """responseElements of AssumeRole."""
    return {
        "credentials": {"accessKeyId": key},
        "assumedRoleUser": {
            "arn": f"arn:aws:sts::{account}:assumed-role/{name}/work",
            "assumedRoleId": f"AROA{name.upper():X<9}EXAMPLE:work",
        },
    }


_MINUTE = dt.timedelta(minutes=1)
_OFFICE = {"sourceIPAddress": OFFICE, "userAgent": "aws-cli/2.31.0"}


class Story:
    """Records, one after the other."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def call(self, at: dt.datetime, who: dict[str, Any], api: str, **fields: Any) -> str:
        """Log `service:Name`; return the event's id."""
        service, _, name = api.partition(":")
        number = len(self.records) + 1
        fields.setdefault("readOnly", name.startswith(("Get", "List", "Describe", "Assume")))
        self.records.append(
            logs.record(number)
            | {
                "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "userIdentity": who,
                "eventSource": f"{service}.amazonaws.com",
                "eventName": name,
                "sourceIPAddress": INTRUDER,
                "userAgent": "Boto3/1.34.11",
                "requestParameters": None,
                "recipientAccountId": who.get("accountId", PROD),
            }
            | fields
        )
        return logs.event_id(number)


def story() -> tuple[Story, dict[str, str]]:
    """Ten quiet days of Dora's key, a night of somebody else's, a morning of repair."""
    told, ids = Story(), {}
    dora = user("dora", KEY)
    _quiet_days(told, dora)
    ids |= _with_the_key(told, dora)
    ids |= _with_roles(told, dora)
    _by_others(told)
    return told, ids


def _quiet_days(told: Story, dora: dict[str, Any]) -> None:
    for day in range(1, 11):
        at = dt.datetime(2026, 3, day, 9, tzinfo=dt.UTC)
        told.call(at, dora, "ec2:DescribeInstances", **_OFFICE)
        told.call(at, user("erin", "AKIAERINERINEEXAMPLE"), "ec2:DescribeInstances", **_OFFICE)


def _with_the_key(told: Story, dora: dict[str, Any]) -> dict[str, str]:
    """The night until the key has left a user and a key of its own."""
    ids = {}
    told.call(NIGHT, dora, "sts:GetCallerIdentity", userAgent=HOSTILE)
    for second in range(3):
        told.call(
            NIGHT + _MINUTE + dt.timedelta(seconds=second),
            dora,
            "iam:ListUsers",
            errorCode="AccessDenied",
            errorMessage=HOSTILE,
        )
    told.call(NIGHT + 2 * _MINUTE, dora, "iam:ListUsers")
    made = {"user": {"userName": "svc-backup", "arn": f"arn:aws:iam::{PROD}:user/svc-backup"}}
    ids["user"] = told.call(
        NIGHT + 3 * _MINUTE,
        dora,
        "iam:CreateUser",
        requestParameters={"userName": "svc-backup"},
        responseElements=made,
    )
    key = {"accessKey": {"accessKeyId": NEW_KEY, "userName": "svc-backup", "status": "Active"}}
    ids["key"] = told.call(
        NIGHT + 4 * _MINUTE,
        dora,
        "iam:CreateAccessKey",
        requestParameters={"userName": "svc-backup"},
        responseElements=key,
    )
    told.call(
        NIGHT + 5 * _MINUTE,
        dora,
        "secretsmanager:GetSecretValue",
        requestParameters={"secretId": "pay/db", "versionStage": HOSTILE},
    )
    return ids


def _with_roles(told: Story, dora: dict[str, Any]) -> dict[str, str]:
    """From role to role, into another account, and back with the new key."""
    ids = {}
    shared = {
        "requestParameters": {"roleArn": f"arn:aws:iam::{DEV}:role/deploy"},
        "responseElements": answer(DEV, "deploy", FIRST),
        "sharedEventID": "5f0e8f3a-0000-4000-8000-000000000001",
    }
    ids["assume"] = told.call(NIGHT + 20 * _MINUTE, dora, "sts:AssumeRole", **shared)
    stranger = {"type": "AWSAccount", "principalId": dora["principalId"], "accountId": PROD}
    told.call(NIGHT + 20 * _MINUTE, stranger, "sts:AssumeRole", **shared, recipientAccountId=DEV)
    first, second = role(DEV, "deploy", FIRST), role(DEV, "audit", SECOND)
    told.call(
        NIGHT + 21 * _MINUTE,
        first,
        "ec2:RunInstances",
        requestParameters={"imageId": "ami-0abcdef1234567890"},
        responseElements={"instancesSet": {"items": [{"instanceId": "i-0123456789abcdef0"}]}},
    )
    told.call(
        NIGHT + 22 * _MINUTE,
        first,
        "sts:AssumeRole",
        requestParameters={"roleArn": f"arn:aws:iam::{DEV}:role/audit"},
        responseElements=answer(DEV, "audit", SECOND),
    )
    ids["policy"] = told.call(
        NIGHT + 23 * _MINUTE,
        second,
        "s3:PutBucketPolicy",
        requestParameters={"bucketName": "pay-records"},
    )
    told.call(
        NIGHT + 24 * _MINUTE, second, "cloudtrail:StopLogging", requestParameters={"name": "main"}
    )
    # CloudFormation acts for the first session, with a key that no answer names.
    told.call(
        NIGHT + 25 * _MINUTE,
        {
            **first,
            "accessKeyId": "ASIACLOUDFORMEXAMPLE",
            "invokedBy": "cloudformation.amazonaws.com",
        },
        "s3:CreateBucket",
        requestParameters={"bucketName": "stack-bucket"},
        sourceIPAddress="cloudformation.amazonaws.com",
        userAgent="cloudformation.amazonaws.com",
    )
    for number in range(2):
        told.call(
            NIGHT + (40 + number) * _MINUTE,
            user("svc-backup", NEW_KEY),
            "ec2:DescribeInstances",
            sourceIPAddress="198.51.100.24",
        )
    return ids


def _by_others(told: Story) -> None:
    """What is not of this story, and what takes the new key away."""
    # The same role, in a session that somebody else began.
    told.call(
        NIGHT + 50 * _MINUTE,
        role(DEV, "deploy", FOREIGN) | {"principalId": "AROADEPLOYXXXEXAMPLE:else"},
        "s3:ListBuckets",
        **_OFFICE,
    )
    erin = user("erin", "AKIAERINERINEEXAMPLE")
    told.call(NIGHT + 55 * _MINUTE, erin, "iam:GetUser", requestParameters={"userName": "web"})
    told.call(
        NIGHT + 56 * _MINUTE, erin, "iam:GetRole", requestParameters={"roleName": "web"}, **_OFFICE
    )
    told.call(
        NIGHT + 600 * _MINUTE,
        user("admin", "AKIAADMINADMEXAMPLE"),
        "iam:DeleteAccessKey",
        requestParameters={"accessKeyId": NEW_KEY, "userName": "svc-backup"},
        **_OFFICE,
    )


@pytest.fixture(scope="module")
def ids() -> dict[str, str]:
    return story()[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("investigate")
    (folder / "logs").mkdir()
    (folder / "rules").mkdir()
    (folder / "rules" / "user_made.yml").write_text(RULE)
    (folder / "logs" / "a.json").write_text(json.dumps({"Records": story()[0].records}))
    ctanalytics.ingest(
        [str(folder / "logs")], str(folder / "lake"), settings=settings.load({"ingest.workers": 1})
    )
    named = {"account_id": DEV, "name": "Development <b>", "updated_at": NIGHT}
    builders.append(folder / "lake", "account_directory", named)
    # Each of the two states is a change of the bucket; before the second nobody called.
    seen = [
        {
            "capture_time": NIGHT + dt.timedelta(minutes=minutes),
            "account_id": DEV,
            "aws_region": "eu-west-1",
            "resource_type": "AWS::S3::Bucket",
            "resource_id": "pay-records",
            "resource_name": "pay-records",
            "arn": "arn:aws:s3:::pay-records",
            "status": "OK",
            "state_id": str(minutes),
            "state_hash": str(minutes),
            "item_id": f"item-{minutes}",
        }
        for minutes in (-600, 24, 300)
    ]
    builders.append(folder / "lake", "config_items", *seen)
    alarm = builders.anomaly(
        NIGHT,
        anomaly_id="a1",
        detector="novelty",
        kind="first_seen",
        ended_at=NIGHT + dt.timedelta(hours=1),
        principal_arn=DORA,
        series_key="dora",
        title="dora from a new network",
        explanation="dora was never there.",
    )
    builders.append(folder / "lake", "anomalies", alarm)
    told = {
        "incident_id": "i1",
        "state": "open",
        "revision": 1,
        "severity": "high",
        "started_at": NIGHT,
        "title": "somebody uses a key of dora's",
        "anomaly_ids": ["a1"],
        "linked_by": ["principal"],
        "principal_arns": [],
        "access_key_ids": [FIRST],
        "detected_at": NIGHT,
    }
    builders.append(folder / "lake", "incidents", told)
    return folder


def ask(home: Path, kind: Any, value: str, **more: Any) -> InvestigateResult:
    rules = settings.Rules(packaged=False, directories=[str(home / "rules")])
    return investigate(
        str(home / "lake"), kind=kind, value=value, settings=settings.Settings(rules=rules), **more
    )


@pytest.fixture(scope="module")
def of_key(home: Path) -> InvestigateResult:
    return ask(home, "key", KEY, output=home / "page")


def rows(result: InvestigateResult, part: str, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result.data()["parts"][part]["tables"][table]["rows"]
    return found


def credentials(result: InvestigateResult) -> dict[str, str]:
    return {row["session_id"]: row["relation"] for row in rows(result, "sessions", "sessions")}

"""An intruder's story in a lake, and what is asked about it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app.investigate import InvestigateResult, investigate
from ctanalytics.findings import ANOMALIES
from ctanalytics.lake import layout
from ctanalytics.lake.lake import Lake
from ctanalytics.records.directory import ACCOUNT_DIRECTORY
from ctanalytics.records.incidents import INCIDENTS
from tests import logs

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
    office = {"sourceIPAddress": OFFICE, "userAgent": "aws-cli/2.31.0"}
    for day in range(1, 11):
        at = dt.datetime(2026, 3, day, 9, tzinfo=dt.UTC)
        told.call(at, dora, "ec2:DescribeInstances", **office)
        told.call(at, user("erin", "AKIAERINERINEEXAMPLE"), "ec2:DescribeInstances", **office)
    minute = dt.timedelta(minutes=1)
    told.call(NIGHT, dora, "sts:GetCallerIdentity", userAgent=HOSTILE)
    for second in range(3):
        told.call(
            NIGHT + minute + dt.timedelta(seconds=second),
            dora,
            "iam:ListUsers",
            errorCode="AccessDenied",
            errorMessage=HOSTILE,
        )
    told.call(NIGHT + 2 * minute, dora, "iam:ListUsers")
    made = {"user": {"userName": "svc-backup", "arn": f"arn:aws:iam::{PROD}:user/svc-backup"}}
    ids["user"] = told.call(
        NIGHT + 3 * minute,
        dora,
        "iam:CreateUser",
        requestParameters={"userName": "svc-backup"},
        responseElements=made,
    )
    key = {"accessKey": {"accessKeyId": NEW_KEY, "userName": "svc-backup", "status": "Active"}}
    ids["key"] = told.call(
        NIGHT + 4 * minute,
        dora,
        "iam:CreateAccessKey",
        requestParameters={"userName": "svc-backup"},
        responseElements=key,
    )
    told.call(
        NIGHT + 5 * minute,
        dora,
        "secretsmanager:GetSecretValue",
        requestParameters={"secretId": "pay/db", "versionStage": HOSTILE},
    )
    shared = {
        "requestParameters": {"roleArn": f"arn:aws:iam::{DEV}:role/deploy"},
        "responseElements": answer(DEV, "deploy", FIRST),
        "sharedEventID": "5f0e8f3a-0000-4000-8000-000000000001",
    }
    ids["assume"] = told.call(NIGHT + 20 * minute, dora, "sts:AssumeRole", **shared)
    stranger = {"type": "AWSAccount", "principalId": dora["principalId"], "accountId": PROD}
    told.call(NIGHT + 20 * minute, stranger, "sts:AssumeRole", **shared, recipientAccountId=DEV)
    first, second = role(DEV, "deploy", FIRST), role(DEV, "audit", SECOND)
    told.call(
        NIGHT + 21 * minute,
        first,
        "ec2:RunInstances",
        requestParameters={"imageId": "ami-0abcdef1234567890"},
        responseElements={"instancesSet": {"items": [{"instanceId": "i-0123456789abcdef0"}]}},
    )
    told.call(
        NIGHT + 22 * minute,
        first,
        "sts:AssumeRole",
        requestParameters={"roleArn": f"arn:aws:iam::{DEV}:role/audit"},
        responseElements=answer(DEV, "audit", SECOND),
    )
    ids["policy"] = told.call(
        NIGHT + 23 * minute,
        second,
        "s3:PutBucketPolicy",
        requestParameters={"bucketName": "pay-records"},
    )
    told.call(
        NIGHT + 24 * minute, second, "cloudtrail:StopLogging", requestParameters={"name": "main"}
    )
    # CloudFormation acts for the first session, with a key that no answer names.
    told.call(
        NIGHT + 25 * minute,
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
            NIGHT + (40 + number) * minute,
            user("svc-backup", NEW_KEY),
            "ec2:DescribeInstances",
            sourceIPAddress="198.51.100.24",
        )
    # Not of this story: the same role, in a session that somebody else began.
    told.call(
        NIGHT + 50 * minute,
        role(DEV, "deploy", FOREIGN) | {"principalId": "AROADEPLOYXXXEXAMPLE:else"},
        "s3:ListBuckets",
        **office,
    )
    erin = user("erin", "AKIAERINERINEEXAMPLE")
    told.call(NIGHT + 55 * minute, erin, "iam:GetUser", requestParameters={"userName": "web"})
    told.call(
        NIGHT + 56 * minute, erin, "iam:GetRole", requestParameters={"roleName": "web"}, **office
    )
    told.call(
        NIGHT + 600 * minute,
        user("admin", "AKIAADMINADMEXAMPLE"),
        "iam:DeleteAccessKey",
        requestParameters={"accessKeyId": NEW_KEY, "userName": "svc-backup"},
        **office,
    )
    return told, ids


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
    Lake.open(folder / "lake").append(
        "account_directory", pa.Table.from_pylist([named], ACCOUNT_DIRECTORY)
    )
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
    Lake.open(folder / "lake").append(
        "config_items", pa.Table.from_pylist(seen, layout.TABLES["config_items"].schema)
    )
    alarm = {
        **dict.fromkeys(ANOMALIES.names),
        "anomaly_id": "a1",
        "state": "closed",
        "revision": 1,
        "detector": "novelty",
        "kind": "first_seen",
        "severity": "high",
        "score": 4.0,
        "started_at": NIGHT,
        "ended_at": NIGHT + dt.timedelta(hours=1),
        "principal_arn": DORA,
        "series_key": "dora",
        "title": "dora from a new network",
        "explanation": "dora was never there.",
        "evidence": "{}",
        "detected_at": NIGHT,
    }
    Lake.open(folder / "lake").append("anomalies", pa.Table.from_pylist([alarm], ANOMALIES))
    told = {
        **dict.fromkeys(INCIDENTS.names),
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
    Lake.open(folder / "lake").append("incidents", pa.Table.from_pylist([told], INCIDENTS))
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

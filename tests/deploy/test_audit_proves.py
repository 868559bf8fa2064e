"""Templates and audit prove each other.

What the template deploys passes every check that the local server can show; and each property that
protects, turned in the template, makes the check of its name fail.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.audit import policy_apis
from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit
from ctanalytics.posture import CHECKS
from ctanalytics.posture.actions import policy
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.reading import Reader
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.posture.view import View
from ctanalytics.settings import Aws
from tests.aws_server import ACCOUNT, REGION
from tests.deploy import stacks
from tests.posture import account
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

ALL = stacks.RECOMMENDED | {"LogDynamoDbTables": "yes", "LogLambda": "yes"}
EXPECTED = Expected(
    lake_buckets=tuple(f"ctanalytics-{name}-{ACCOUNT}-{REGION}" for name in ("lake", "reports"))
)
UNREPRESENTED = tomllib.loads((Path(__file__).parent / "unrepresented.toml").read_text("utf-8"))[
    "checks"
]

OUTSIDE = {
    "account-block-public-access": "CloudFormation can't set it for an account",
    "guardduty-on": "an organization has its own way to switch it on",
    "securityhub-on": "as GuardDuty",
    "vpc-flow-logs": "VPCs are not the template's",
    "trail-bedrock": "Bedrock's data events are no switch of the template",
    "bucket-mfa-delete": "CloudFormation can't set it; Object Lock and the policy do the same",
}
"""Checks of what the template does not deploy, and why."""


@dataclass(frozen=True)
class Flip:
    """A property turned: in a resource's block of the template, the first text becomes the second."""

    resource: str
    old: str
    new: str
    fails: tuple[str, ...]
    """The check of its name first; others that the same property feeds."""


def flip(resource: str, old: str, new: str, *fails: str) -> Any:
    return pytest.param(Flip(resource, old, new, fails), id=f"{resource}-{fails[0]}")


def without(name: str) -> str:
    """A pattern of a property and all that is indented below it."""
    return rf"(?m)^( +){name}:.*\n(?:\1 .*\n|\1- .*\n)*"


NOT_FOR_KMS = """              Equals: [Management]
            - Field: eventSource
              NotEquals: [kms.amazonaws.com]"""

FLIPS = [
    flip(
        "Trail",
        "EnableLogFileValidation: true",
        "EnableLogFileValidation: false",
        "trail-log-file-validation",
        "trail-digest-delivering",
    ),
    flip("Trail", without("KMSKeyId"), "", "trail-kms"),
    flip("Trail", r" +- InsightType: ApiErrorRateInsight\n", "", "trail-insights"),
    flip(
        "Trail",
        r" +Equals: \[Management\]",
        NOT_FOR_KMS,
        "trail-management-read-write",
        "trail-multi-region",
    ),
    flip(
        "Trail",
        'Equals: \\["AWS::S3::Object"\\]',
        'Equals: ["AWS::EC2::Snapshot"]',
        "trail-s3-data-write",
        "trail-s3-data-read",
        "trail-log-bucket-data",
    ),
    flip("Trail", 'Equals: \\["AWS::Lambda::Function"\\]', "Equals: [x]", "trail-lambda-dynamodb"),
    flip("WitnessTrail", without("Tags"), "", "trail-tagged"),
    flip(
        "LogBucket",
        "RestrictPublicBuckets: true",
        "RestrictPublicBuckets: false",
        "bucket-block-public-access",
    ),
    flip("LogBucket", "BucketOwnerEnforced", "ObjectWriter", "bucket-acl-disabled"),
    flip("LogBucket", without("LoggingConfiguration"), "", "bucket-access-logging"),
    flip("LogBucket", "Mode: !Ref ObjectLockMode", "Mode: GOVERNANCE", "bucket-object-lock"),
    flip(
        "LogBucket",
        "ExpirationInDays: !Ref ExpireAfterDays",
        "ExpirationInDays: 20",
        "bucket-lifecycle",
    ),
    flip(
        "WitnessBucket",
        r"SSEAlgorithm: aws:kms\n +KMSMasterKeyID: .*",
        "SSEAlgorithm: AES256",
        "bucket-encryption",
    ),
    flip(
        "LogBucketPolicy",
        'Bool: {"aws:SecureTransport": "false"}',
        'Bool: {"aws:SecureTransport": "true"}',
        "bucket-deny-non-tls",
    ),
    flip("LogBucketPolicy", r"AWSLogs/\$\{AWS::AccountId\}/\*", "*", "bucket-policy-least"),
    flip(
        "WitnessBucketPolicy",
        r"(?s)(Sid: CloudTrailDelivers.*?) +aws:SourceArn: [^\n]*\n",
        r"\1",
        "bucket-policy-source-arn",
    ),
    flip("LogKey", "EnableKeyRotation: true", "EnableKeyRotation: false", "key-rotation"),
    flip(
        "LogKey",
        "kms:EncryptionContext:aws:cloudtrail:arn",
        "kms:EncryptionContext:other",
        "key-policy-cloudtrail",
    ),
    flip(
        "LogKey",
        r"(?s)(Sid: IngestDecrypts.*?)AWS: [^\n]*",
        r'\1AWS: "arn:aws:iam::999999999999:root"',
        "key-policy-not-public",
    ),
    flip(
        "WatchKey",
        "Service: cloudwatch.amazonaws.com",
        "Service: sns.amazonaws.com",
        "topic-encrypted",
    ),
    flip(
        "AlertTopicPolicy",
        r"(?s)(Sid: RulesPublish.*?)Principal: \{Service: events.amazonaws.com\}",
        r'\1Principal: "*"',
        "topic-not-public",
    ),
    flip(
        "TrailLogGroup",
        "RetentionInDays: !Ref LogRetentionDays",
        "RetentionInDays: 30",
        "loggroup-retention",
    ),
    flip("TrailLogGroup", without("KmsKeyId"), "", "loggroup-kms"),
    flip("TrailLogRole", "logs:PutLogEvents", "logs:*", "loggroup-role"),
    flip("PolicyChangesFilter", "DetachRolePolicy", "DetachNothing", "monitor-iam-policy-changes"),
    flip(
        "RouteChangesAlarm",
        "TreatMissingData: notBreaching",
        "TreatMissingData: notBreaching\n      ActionsEnabled: false",
        "alarm-actions-enabled",
        "monitor-route-table-changes",
    ),
    flip(
        "VpcChangesAlarm",
        without("AlarmActions"),
        "",
        "alarm-actions-exist",
        "alarm-topic-subscribed",
        "monitor-vpc-changes",
    ),
    flip("RootUseAlarm", "Period: 300", "Period: 86400", "alarm-muted"),
    flip(
        "WatchAlert",
        "State: ENABLED",
        "State: DISABLED",
        "tampering-rule",
        "monitor-selector-changes",
    ),
    flip("TrailAuditors", without("ManagedPolicyArns"), "", "iam-read-only"),
    flip(
        "ConfigRecorder",
        r"AllSupported: true\n( +)IncludeGlobalResourceTypes: true",
        r'AllSupported: false\n\1ResourceTypes: ["AWS::EC2::Instance"]',
        "config-recorder-on",
    ),
    flip("ConfigRecorder", r"role/aws-service-role/\S+", 'role/some"', "config-service-role"),
    flip(
        "LakeBucket",
        "BlockPublicPolicy: true",
        "BlockPublicPolicy: false",
        "lake-block-public-access",
    ),
    flip("LakeBucket", without("LoggingConfiguration"), "", "lake-access-logging"),
    flip("ReportBucket", "BucketOwnerEnforced", "ObjectWriter", "lake-acl-disabled"),
    flip(
        "ReportBucket",
        r"SSEAlgorithm: aws:kms\n +KMSMasterKeyID: .*",
        "SSEAlgorithm: AES256",
        "lake-encryption",
    ),
    flip(
        "LakeBucket",
        "Status: Enabled",
        "Status: Suspended",
        "lake-versioning",
        "lake-delete-protected",
    ),
    flip(
        "ReportBucketPolicy",
        'Bool: {"aws:SecureTransport": "false"}',
        'Bool: {"aws:SecureTransport": "true"}',
        "lake-deny-non-tls",
    ),
    flip("ReportBucketPolicy", "ArnNotEquals", "ArnEquals", "lake-delete-protected"),
]
TURNED = [parameter.values[0] for parameter in FLIPS]


def turned(template: str) -> str:
    """Turn every property of the table: each is about another, so that all can be seen at once."""
    for one in TURNED:
        block = re.search(rf"(?ms)^  {one.resource}:\n.*?(?=^  \S|^\S|\Z)", template)
        assert block, one.resource
        text, count = re.subn(_pattern(one), one.new, block[0], count=1)
        assert count, f"{one.resource} has no {one.old}"
        template = template.replace(block[0], text, 1)
    return template


def _pattern(one: Flip) -> str:
    """The old text as a pattern: braces of YAML are meant as they stand."""
    return re.escape(one.old) if one.old.startswith("Bool: {") else one.old


@dataclass(frozen=True)
class Audited:
    """(check, resource, status) of the template as it is and with all properties turned."""

    right: set[tuple[str, str, str]]
    turned: set[tuple[str, str, str]]
    after: dict[str, set[tuple[str, str, str]]]
    """What a call on what the template deployed makes of it."""
    role: dict[str, Any]


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    with pytest.MonkeyPatch.context() as patch, names_below_addresses(patch):
        with stacks.deployer(patch) as server:
            stack = stacks.deploy("single-account", ALL)
            server.disturb.append(Proxy(answers=dict(UNHELD)))
            snapshot = account.snapshot(EXPECTED)
            after = {name: _after(stack, snapshot, name) for name in CALLS}
            role = stack.client("iam").get_role_policy(
                RoleName="ctanalytics-audit", PolicyName="read-setup"
            )["PolicyDocument"]
        with stacks.deployer(patch) as server:
            template = turned(compose.template(kit("single-account"), "", ALL))
            stacks.deploy("single-account", ALL, template=template)
            server.disturb.append(Proxy(answers=dict(UNHELD)))
            bad = account.snapshot(EXPECTED)
        yield Audited(_judged(snapshot), _judged(bad), after, role)


def _judged(snapshot: Snapshot) -> set[tuple[str, str, str]]:
    view = View(snapshot, EXPECTED)
    checks = [(name, check) for name, check in CHECKS.items() if about()[name].needs != "lake"]
    return {(one.check_id, one.resource, one.status) for one in run(view, checks)}


CALLS = {
    "trail-logging": (
        "cloudtrail",
        "stop_logging",
        "GetTrailStatus",
        {"Name": "ctanalytics-trail"},
    ),
    "trail-global-events": (
        "cloudtrail",
        "update_trail",
        "DescribeTrails",
        {
            "Name": "ctanalytics-trail",
            "IncludeGlobalServiceEvents": False,
            "IsMultiRegionTrail": False,
        },
    ),
    "key-enabled": ("kms", "disable_key", "DescribeKey", {}),
    "bucket-not-public": ("s3", "delete_public_access_block", "GetPublicAccessBlock", {}),
    "alarm-topic-subscribed": ("sns", "unsubscribe", "ListSubscriptionsByTopic", {}),
}
"""What protects many checks at once is turned by the call that would set it so: service, method, the
API to read again, parameters."""


def _after(stack: stacks.Stack, snapshot: Snapshot, name: str) -> set[tuple[str, str, str]]:
    service, method, api, values = CALLS[name]
    client = stack.client(service)
    outputs = stack.outputs
    found = {
        "kms": lambda: {"KeyId": outputs["LogKeyArn"].rpartition("/")[2]},
        "s3": lambda: {"Bucket": outputs["LogBucketName"]},
        "sns": lambda: {
            "SubscriptionArn": client.list_subscriptions_by_topic(
                TopicArn=outputs["AlertTopicArn"]
            )["Subscriptions"][0]["SubscriptionArn"]
        },
        "cloudtrail": dict,
    }[service]()
    if name == "bucket-not-public":
        client.put_bucket_acl(Bucket=outputs["LogBucketName"], ACL="public-read")
    getattr(client, method)(**found, **values)
    apis = {api, "GetBucketAcl", "GetBucketPolicyStatus"} if service == "s3" else {api}
    asks = [read.ask for read in snapshot.reads.values() if read.ask.operation in apis]
    with ThreadPoolExecutor(4) as pool:
        changed = snapshot
        while asks:
            changed = changed.with_reads(Reader(Aws(), pool).read_all(asks))
            view = View(changed, EXPECTED)
            run(view, [(name, CHECKS[name])])
            asks = list(view.wanted.values())
    return _judged(changed)


def test_what_the_template_deploys_passes_every_check(audited: Audited) -> None:
    allowed = {*OUTSIDE, *UNREPRESENTED}
    assert {row for row in audited.right if row[2] != "pass" and row[0] not in allowed} == set()
    assert {name for name, _, status in audited.right if status == "fail"} <= allowed


def test_what_is_outside_of_the_template_is_still_so(audited: Audited) -> None:
    failing = {name for name, _, status in audited.right if status != "pass"}
    assert set(OUTSIDE) <= failing


@pytest.mark.parametrize("turn", FLIPS)
def test_a_property_that_is_turned_fails_its_check(turn: Flip, audited: Audited) -> None:
    failing = {row[0] for row in audited.turned - audited.right if row[2] == "fail"}
    assert set(turn.fails) <= failing


def test_no_check_fails_that_no_turned_property_feeds(audited: Audited) -> None:
    failing = {row[0] for row in audited.turned - audited.right if row[2] != "pass"}
    assert failing == {name for one in TURNED for name in one.fails}


@pytest.mark.parametrize("name", CALLS)
def test_what_many_checks_stand_on_is_seen_when_it_goes(name: str, audited: Audited) -> None:
    assert name in {row[0] for row in audited.after[name] - audited.right if row[2] == "fail"}


def test_the_role_of_the_template_may_do_what_an_audit_needs(audited: Audited) -> None:
    needed = set(policy(policy_apis())["Statement"][0]["Action"])
    (statement,) = audited.role["Statement"]
    assert set(statement["Action"]) == needed | {"organizations:ListAccounts"}

from __future__ import annotations

import json
from typing import Any

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit
from tests.deploy import cloudformation, stacks
from tests.deploy.stacks import LOG_ARCHIVE, MANAGEMENT, MEMBER, SECURITY, Stack

TRAIL = f"arn:aws:cloudtrail:eu-west-1:{MANAGEMENT}:trail/ctanalytics-trail"


def test_the_organization_trail_is_let_into_bucket_and_key_of_another_account(
    organization: dict[str, Stack],
) -> None:
    archive, management = organization["log-archive"], organization["management"]
    (trail,) = management.client("cloudtrail").describe_trails()["trailList"]
    root = management.client("organizations").describe_organization()["Organization"]["Id"]
    policy = _statements(archive.client("s3").get_bucket_policy(Bucket=trail["S3BucketName"]))
    key = archive.client("kms").get_key_policy(KeyId=trail["KmsKeyId"], PolicyName="default")

    assert trail["TrailARN"] == TRAIL
    assert trail["IsOrganizationTrail"]
    assert trail["S3BucketName"] == f"ctanalytics-logs-{LOG_ARCHIVE}-eu-west-1"
    assert policy["CloudTrailDelivers"]["Resource"] == [
        f"arn:aws:s3:::{trail['S3BucketName']}/AWSLogs/{MANAGEMENT}/*",
        f"arn:aws:s3:::{trail['S3BucketName']}/AWSLogs/{root}/*",
    ]
    assert policy["CloudTrailDelivers"]["Condition"]["StringEquals"]["aws:SourceArn"] == TRAIL
    encrypts = _statements(key)["CloudTrailEncrypts"]["Condition"]["StringEquals"]
    witness = f"arn:aws:cloudtrail:eu-west-1:{LOG_ARCHIVE}:trail/ctanalytics-witness"
    assert encrypts["aws:SourceArn"] == [TRAIL, witness]


def test_roles_of_other_accounts_trust_the_nightly_role_alone(
    organization: dict[str, Stack],
) -> None:
    nightly = organization["security-tooling"].outputs["NightlyRoleArn"]
    for name, role in (
        ("log-archive", "ctanalytics-ingest"),
        ("management", "ctanalytics-audit"),
        ("management", "ctanalytics-accounts"),
        ("region", "ctanalytics-audit"),
    ):
        found = organization[name].client("iam").get_role(RoleName=role)["Role"]
        (trust,) = found["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"AWS": f"arn:aws:iam::{SECURITY}:root"}, name
        assert trust["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [nightly]}}, name


def test_tampering_in_every_region_goes_to_the_bus_of_the_security_account(
    organization: dict[str, Stack],
) -> None:
    bus = organization["security-tooling"].outputs["WatchBusArn"]
    counts = {}
    for name, stack in organization.items():
        events = stack.client("events")
        watching = events.list_rules(NamePrefix="ctanalytics-watch-")["Rules"]
        for rule in watching:
            (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            assert target["Arn"] == bus
            assert f":{stack.account}:role/" in target["RoleArn"]
        counts[name] = len(watching)
    member = (
        organization["other-region"].client("events").describe_rule(Name="ctanalytics-watch-trail")
    )

    # Keys are watched where they were made; all else in every account and region.
    assert counts == {
        "security-tooling": 1,
        "log-archive": 1,
        "management": 11,
        "region": 10,
        "other-region": 10,
    }
    assert member["Arn"].startswith(f"arn:aws:events:ap-northeast-1:{MEMBER}:rule/")
    assert "StopLogging" in member["EventPattern"]


def test_the_bus_takes_events_of_the_organization_alone(organization: dict[str, Stack]) -> None:
    stack = organization["security-tooling"]
    found = stack.client("events").describe_event_bus(Name="ctanalytics-watch")["Policy"]
    (statement,) = json.loads(found)["Statement"]
    root = organization["management"].client("organizations").describe_organization()
    assert statement["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": root["Organization"]["Id"]}
    }


def test_global_resources_are_made_and_recorded_once(organization: dict[str, Stack]) -> None:
    recorders = [
        organization[name].client("config").describe_configuration_recorders()
        for name in ("region", "other-region")
    ]
    groups = [found["ConfigurationRecorders"][0]["recordingGroup"] for found in recorders]
    roles = organization["region"].client("iam").list_roles()["Roles"]
    assert [group["includeGlobalResourceTypes"] for group in groups] == [True, False]
    assert [role["RoleName"] for role in roles].count("ctanalytics-audit") == 1


def test_the_guard_is_attached_and_lets_break_glass_through(
    organization: dict[str, Stack],
) -> None:
    api = organization["management"].client("organizations")
    root = api.list_roots()["Roots"][0]["Id"]
    policies = api.list_policies_for_target(TargetId=root, Filter="SERVICE_CONTROL_POLICY")
    (guard,) = [one for one in policies["Policies"] if one["Name"] == "ctanalytics-guard"]
    content = json.loads(api.describe_policy(PolicyId=guard["Id"])["Policy"]["Content"])
    for statement in content["Statement"]:
        assert statement["Effect"] == "Deny"
        assert statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"] == [
            "arn:aws:iam::*:role/break-glass",
            "arn:aws:iam::*:role/stacksets-exec-*",
        ]
    assert "cloudtrail:StopLogging" in content["Statement"][0]["Action"]


def test_what_is_there_is_left_as_it_was(organization: dict[str, Stack]) -> None:
    """A trail with a bucket of its own; then the stack of --existing-trail beside it."""
    account = "555555555555"
    s3 = cloudformation.client("s3", stacks.REGION, account)
    trails = cloudformation.client("cloudtrail", stacks.REGION, account)
    logs = cloudformation.client("logs", stacks.REGION, account)
    s3.create_bucket(
        Bucket="old-logs", CreateBucketConfiguration={"LocationConstraint": stacks.REGION}
    )
    trails.create_trail(Name="old-trail", S3BucketName="old-logs")
    logs.create_log_group(logGroupName="old-group")

    def state() -> Any:
        return (
            [one for one in trails.describe_trails()["trailList"] if one["Name"] == "old-trail"],
            trails.get_event_selectors(TrailName="old-trail")["EventSelectors"],
            s3.get_bucket_versioning(Bucket="old-logs").get("Status"),
            s3.get_bucket_acl(Bucket="old-logs")["Grants"],
            _error(s3.get_bucket_policy, Bucket="old-logs"),
            _error(s3.get_bucket_lifecycle_configuration, Bucket="old-logs"),
            [
                {key: value for key, value in group.items() if key != "metricFilterCount"}
                for group in logs.describe_log_groups()["logGroups"]
            ],
        )

    before = state()
    values = {"LogBucketName": "old-logs", "LogGroupName": "old-group"}
    stack = stacks.deploy("single-account", values, mode="existing-trail", account=account)
    read = stack.client("iam").get_role_policy(
        RoleName="ctanalytics-ingest", PolicyName="read-logs"
    )["PolicyDocument"]["Statement"]

    assert state() == before
    assert [one["Resource"] for one in read][:2] == [
        ["arn:aws:s3:::old-logs"],
        ["arn:aws:s3:::old-logs/*"],
    ]
    assert "kms:Decrypt" not in [one["Action"] for one in read]  # no key was named
    assert len(logs.describe_metric_filters(logGroupName="old-group")["metricFilters"]) == 15
    assert set(stack.outputs) >= {"AlertTopicArn", "IngestRoleArn", "EmitRoleArn", "LakePlace"}


def test_linked_templates_ask_for_the_same_accounts() -> None:
    """What one template is told, the next needs no other word for."""
    asked = {
        name: set(compose.body(kit(name), "")[1])
        for name in ("security-tooling", "log-archive", "management", "region")
    }
    accounts = {"ManagementAccountId", "LogArchiveAccountId", "SecurityAccountId"}
    assert asked["log-archive"] >= accounts - {"LogArchiveAccountId"}
    assert asked["management"] >= accounts - {"ManagementAccountId"} | {"LogKeyArn"}
    assert asked["region"] >= {"SecurityAccountId", "HomeRegion"}


def _statements(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads(answer["Policy"])["Statement"]}


def _error(call: Any, **arguments: Any) -> str:
    try:
        call(**arguments)
    except Exception as error:
        return str(error)
    return ""

"""The map from calls to IAM actions: held against IAM's own list and against botocore's operations."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from ctanalytics.policy import actions
from ctanalytics.policy.actions import Needed


def test_every_action_of_the_table_is_one_of_iam() -> None:
    named = {
        action
        for calls in actions.table()["actions"].values()
        for wanted in calls.values()
        for action in wanted
    }
    assert {action for action in named if actions.spelling(action) != action} == set()


def test_every_service_of_the_table_is_one_of_iam() -> None:
    assert set(actions.table()["sources"].values()) <= set(actions.services())


def test_every_pattern_of_what_is_not_recorded_matches_something() -> None:
    groups = [*actions.table()["unrecorded"], *actions.table()["data_events"]]
    patterns = [pattern for group in groups for pattern in group["actions"]]
    assert [
        pattern for pattern in patterns if not any(True for _ in actions.expanded(pattern))
    ] == []


@pytest.mark.parametrize(
    "service",
    [
        "cloudformation",
        "dynamodb",
        "ecs",
        "iam",
        "kms",
        "lambda",
        "organizations",
        "s3",
        "sns",
        "sqs",
    ],
)
def test_nearly_every_operation_of_a_service_has_its_actions(service: str) -> None:
    model = Loader().load_service_model(service, "service-2")
    source = f"{model['metadata']['endpointPrefix']}.amazonaws.com"
    unknown = [name for name in model["operations"] if not actions.needed(source, name).known]
    # botocore has operations that IAM's list has not yet.
    assert len(unknown) <= max(0.07 * len(model["operations"]), 1), unknown


@pytest.mark.parametrize(
    ("source", "name", "versioned", "expected"),
    [
        ("ec2", "RunInstances", False, ["ec2:RunInstances"]),
        ("lambda", "UpdateFunctionCode20150331v2", False, ["lambda:UpdateFunctionCode"]),
        ("lambda", "Invoke", False, ["lambda:InvokeFunction"]),
        ("cloudfront", "CreateInvalidation2020_05_31", False, ["cloudfront:CreateInvalidation"]),
        ("monitoring", "PutMetricAlarm", False, ["cloudwatch:PutMetricAlarm"]),
        ("email", "SendEmail", False, ["ses:SendEmail"]),
        ("s3", "ListObjects", False, ["s3:ListBucket"]),
        ("s3", "ListBuckets", False, ["s3:ListAllMyBuckets"]),
        ("s3", "GetBucketCors", False, ["s3:GetBucketCORS"]),
        ("s3", "HeadObject", False, ["s3:GetObject"]),
        ("s3", "GetObject", True, ["s3:GetObjectVersion"]),
        ("s3", "PutObject", True, ["s3:PutObject"]),
        ("s3", "CopyObject", False, ["s3:GetObject", "s3:PutObject"]),
        ("kms", "ReEncrypt", False, ["kms:ReEncryptFrom", "kms:ReEncryptTo"]),
        ("apigateway", "UpdateStage", False, ["apigateway:PATCH"]),
        ("sts", "GetCallerIdentity", False, []),
        ("signin", "ConsoleLogin", False, []),
    ],
)
def test_a_call_needs_these_actions(
    source: str, name: str, versioned: bool, expected: list[str]
) -> None:
    found = actions.needed(f"{source}.amazonaws.com", name, versioned=versioned)
    assert found == Needed(tuple(expected), True)


def test_what_iam_does_not_list_is_a_guess() -> None:
    assert actions.needed("ec2.amazonaws.com", "NoSuchCall") == Needed(("ec2:NoSuchCall",), False)
    assert actions.needed("new.amazonaws.com", "Call") == Needed(("new:Call",), False)


def test_patterns_expand_without_regard_to_capitals() -> None:
    assert list(actions.expanded("KMS:re*")) == [
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:ReplicateKey",
        "kms:RetireGrant",
        "kms:RevokeGrant",
    ]
    assert sum(1 for _ in actions.expanded("*")) > 15_000


def test_data_events_count_as_seen_where_the_lake_has_some() -> None:
    assert "no data events" in (actions.unrecorded("s3:GetObject", frozenset()) or "")
    assert actions.unrecorded("s3:GetObject", frozenset(("s3.amazonaws.com",))) is None
    assert actions.unrecorded("iam:PassRole", frozenset(("iam.amazonaws.com",)))
    assert actions.unrecorded("ec2:RunInstances", frozenset()) is None

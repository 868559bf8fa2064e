"""The IAM action that each API call of an audit needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

_OTHERWISE: Final = {
    "ec2:DescribeRegions": "ec2:DescribeRegions",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}
"""Where the action is not called like the API."""

_ALWAYS: Final = ("ec2:DescribeRegions", "iam:GenerateCredentialReport")


def action_of(api: str) -> str:
    """Return the IAM action of an API call such as s3:GetBucketEncryption."""
    return _OTHERWISE.get(api, api)


def policy(apis: Iterable[str]) -> dict[str, Any]:
    """Return the policy document that allows these API calls and nothing else."""
    actions = sorted({action_of(api) for api in apis} | set(_ALWAYS))
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "ReadPosture", "Effect": "Allow", "Action": actions, "Resource": "*"}
        ],
    }


def policy_text(apis: Iterable[str]) -> str:
    """Return that policy as JSON."""
    return json.dumps(policy(apis), indent=2)

"""The one place that puts AWS's errors in our words: what is wrong, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ctanalytics import untrusted
from ctanalytics.errors import (
    CtanalyticsError,
    EmitError,
    LakeError,
    LakeMissing,
    SourceDenied,
    SourceError,
    SourceMissing,
)

Kind = Literal[
    "denied",
    "missing",
    "gone",
    "changed",
    "archived",
    "throttled",
    "credentials",
    "region",
    "unreachable",
    "other",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An AWS error in words a person can act on."""

    kind: Kind
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which of our errors an AWS error becomes."""

    denied: type[CtanalyticsError]
    missing: type[CtanalyticsError]
    other: type[CtanalyticsError]


SOURCE = Kinds(SourceDenied, SourceMissing, SourceError)
LAKE = Kinds(LakeError, LakeMissing, LakeError)
EMIT = Kinds(EmitError, EmitError, EmitError)


@contextmanager
def aws_errors(where: str, kinds: Kinds) -> Iterator[None]:
    """Turn what boto3 raises into our errors.

    Args:
        where: the bucket, object or topic that was asked for.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        found = explain(error)
        by_kind = {
            "denied": kinds.denied,
            "credentials": kinds.denied,
            "missing": kinds.missing,
            "gone": kinds.missing,
        }
        kind = by_kind.get(found.kind, kinds.other)
        raise kind(found.what, where=where, mend=found.mend) from error


_CREDENTIALS = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "RequestTimeTooSkewed",
        "TokenRefreshRequired",
    )
)
_DENIED = frozenset(
    (
        "AccessDenied",
        "AccessDeniedException",
        "Forbidden",
        "403",
        "AuthorizationError",
        "AuthorizationErrorException",
        "AllAccessDisabled",
        "UnauthorizedOperation",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
    )
)
_THROTTLED = frozenset(
    (
        "Throttling",
        "Throttled",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "InternalFailure",
        "KMSThrottling",
        "KMSThrottlingException",
        "429",
        "500",
        "503",
    )
)
_GRANTS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "PublishBatch": "sns:Publish",
    "Publish": "sns:Publish",
    "GetTopicAttributes": "sns:GetTopicAttributes",
    "PutMetricData": "cloudwatch:PutMetricData",
    "PutLogEvents": "logs:PutLogEvents",
    "CreateLogStream": "logs:CreateLogStream",
    "PutEvents": "events:PutEvents",
    "BatchImportFindings": "securityhub:BatchImportFindings",
    "AssumeRole": "sts:AssumeRole",
    "RestoreObject": "s3:RestoreObject",
    "ReceiveMessage": "sqs:ReceiveMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
}
_ACTION = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)")
_KMS_ACTION = re.compile(r"kms:[A-Za-z]+")
_KMS_STATE = re.compile(r"KMS\.?(Disabled|InvalidState|NotFound|OptInRequired)")
_KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)/[A-Za-z0-9/_-]+")


def explain(error: Exception) -> Explanation:
    """Say what an error of boto3 means and what mends it."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _explain_answer(error)
    return _explain_failure(error)


def throttled(code: str) -> bool:
    """Tell whether an error code of AWS means: the same request may succeed later."""
    return code.removeprefix("KMS.") in _THROTTLED


def _explain_answer(error: Any) -> Explanation:
    """An error that AWS answered."""
    details = error.response.get("Error", {})
    code = str(details.get("Code", ""))
    said = untrusted.one_line(details.get("Message") or code, limit=600)
    operation = str(error.operation_name)
    if throttled(code):
        return Explanation("throttled", f"AWS asks to slow down: {said}", "try again later")
    if code.startswith("KMS") or (code in _DENIED and _about_kms(code, said)):
        return _explain_kms(code, said)
    if code in _CREDENTIALS:
        return Explanation(
            "credentials",
            f"AWS does not accept the credentials: {said}",
            "renew them (`aws sso login`, a new session), and check the clock and the profile",
        )
    if code == "400" and operation in ("HeadBucket", "HeadObject"):
        # An answer to HEAD has no body, so S3 can't say what it holds against the request.
        return Explanation(
            "credentials",
            f"S3 refuses {operation} without a reason, as it does when a session has expired",
            "renew the credentials (`aws sso login`, a new session); else check the bucket's name",
        )
    if code in _DENIED:
        return _explain_denied(operation, said)
    if code == "NoSuchBucket" or (code in ("404", "NotFound") and operation == "HeadBucket"):
        return Explanation("missing", "there is no such bucket", "check its name and the account")
    if code in ("NoSuchKey", "404") and operation in ("GetObject", "HeadObject"):
        return Explanation("gone", "the object is not there any more", "list the source again")
    if code.endswith((".NonExistentQueue", "QueueDoesNotExist")):
        mend = "check the URL (`aws sqs list-queues`), its region and account"
        return Explanation("missing", "there is no such queue", mend)
    if code in ("NotFound", "NotFoundException", "ResourceNotFoundException"):
        return Explanation("missing", f"AWS does not know it: {said}", "check the name and region")
    if code in ("PreconditionFailed", "412"):
        return Explanation("changed", "the object was replaced by another", "list it again")
    if code == "InvalidObjectState":
        return Explanation(
            "archived",
            "the object lies in an archive storage class",
            "restore it first (`aws s3api restore-object`), then ingest again",
        )
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "TemporaryRedirect"):
        region = details.get("Region")
        return Explanation(
            "region",
            "the bucket is in another region" + (f", {region}" if region else ""),
            "leave the region open, or give that one with --region",
        )
    return Explanation("other", f"{operation} failed with {code}: {said}", "see the AWS message")


def _explain_denied(operation: str, said: str) -> Explanation:
    found = _ACTION.search(said)
    grant = found["action"] if found else _GRANTS.get(operation, operation)
    what = f"access denied: {grant} is missing"
    if said not in ("Access Denied", "Forbidden", "403"):
        what += f" ({said})"
    mend = f"allow {grant} to this principal, in its policy and in the resource's"
    if operation in ("GetObject", "HeadObject"):
        # Without ListBucket S3 hides whether an object exists.
        mend += "; without s3:ListBucket, a missing object shows as denied too"
    if operation in ("GetObject", "HeadObject", "ListObjectsV2"):
        mend += "; where the requester pays, S3 refuses requests without --requester-pays"
    return Explanation("denied", what, mend)


def _about_kms(code: str, said: str) -> bool:
    return (
        code.startswith("KMS")
        or _KMS_ACTION.search(said) is not None
        or "ciphertext refers to" in said
        or "customer master key" in said
    )


def _explain_kms(code: str, said: str) -> Explanation:
    """S3 and SNS pass on the errors of the key that encrypts their content."""
    named = _KEY.search(said)
    action = _KMS_ACTION.search(said)
    key = named[0] if named else "the key that encrypts it"
    if _KMS_STATE.match(code):
        return Explanation(
            "denied",
            f"the KMS key can't be used: {said}",
            f"enable or restore {key} (`aws kms describe-key` shows its state)",
        )
    grant = action[0] if action else "kms:Decrypt"
    return Explanation(
        "denied",
        f"KMS denies {grant} on {key}: the object itself may be read, its key may not",
        f"allow {grant} on {key} to this principal, in the key's policy and in its own",
    )


def _explain_failure(error: Exception) -> Explanation:
    """An error before any answer came."""
    from botocore import exceptions as botocore

    said = untrusted.one_line(error, limit=600)
    no_credentials = (
        botocore.NoCredentialsError,
        botocore.PartialCredentialsError,
        botocore.CredentialRetrievalError,
        botocore.SSOError,
        botocore.TokenRetrievalError,
    )
    if isinstance(error, no_credentials):
        return Explanation(
            "credentials",
            f"there are no AWS credentials: {said}",
            "set AWS_PROFILE, give --profile, or run `aws configure` / `aws sso login`",
        )
    if isinstance(error, botocore.ParamValidationError) and "bucket name" in said:
        return Explanation("missing", f"AWS can't have such a name: {said}", "check its spelling")
    if isinstance(error, botocore.HTTPClientError | botocore.ConnectionError | ConnectionError):
        return Explanation(
            "unreachable",
            f"AWS can't be reached: {said}",
            "check network, proxy (HTTPS_PROXY), AWS_CA_BUNDLE and AWS_ENDPOINT_URL",
        )
    return Explanation("other", f"the AWS call failed: {said}", "see the message")

"""The only file that makes boto3 clients.

Profile, region, role and endpoint come from the settings; whatever they leave open, boto3 finds
by itself (environment, shared config, instance roles, AWS_ENDPOINT_URL, AWS_CA_BUNDLE, proxies).
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from ctanalytics import aws_get, untrusted
from ctanalytics._version import __version__
from ctanalytics.aws_errors import explain
from ctanalytics.errors import SettingsError
from ctanalytics.settings import Aws, LakeAws

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sts.client import STSClient

ATTEMPTS = 8
"""Tries of one request, botocore's standard mode: exponential, at most 20 s between two."""

BODY_ATTEMPTS = 4
"""Tries of one object's body: botocore does not repeat a body that breaks off."""

_LOCK = threading.Lock()  # making boto3 sessions and clients is not thread-safe; using them is


@overload
def client(
    service: Literal["s3"], aws: Aws, *, region: str | None = None, connections: int = 16
) -> S3Client: ...
@overload
def client(
    service: Literal["sns"], aws: Aws, *, region: str | None = None, connections: int = 16
) -> SNSClient: ...
@overload
def client(
    service: Literal["sqs"], aws: Aws, *, region: str | None = None, connections: int = 16
) -> SQSClient: ...
@overload
def client(
    service: Literal["cloudwatch"], aws: Aws, *, region: str | None = None, connections: int = 16
) -> CloudWatchClient: ...
@overload
def client(
    service: Literal["sts"], aws: Aws, *, region: str | None = None, connections: int = 16
) -> STSClient: ...
@overload
def client(
    service: Literal["cloudtrail", "ec2", "events", "logs", "organizations", "securityhub"],
    aws: Aws,
    *,
    region: str | None = None,
    connections: int = 16,
) -> Any: ...


def client(service: str, aws: Aws, *, region: str | None = None, connections: int = 16) -> Any:
    """Return a client of an AWS service, the same one for the same settings and environment.

    Args:
        region: instead of the settings' region, for a bucket or topic that names its own.
        connections: requests that may run at once.

    Raises:
        SettingsError: the profile, region or endpoint can't be used at all.
    """
    with _LOCK:
        return _client(service, _plain(aws), region or "", connections, _environment())


def frozen_credentials(aws: Aws) -> ReadOnlyCredentials:
    """Return the keys that are valid now, renewed first when they are about to expire.

    Raises:
        botocore's NoCredentialsError: see `aws_errors`.
    """
    from botocore.exceptions import NoCredentialsError

    with _LOCK:
        session = _session(_plain(aws), _environment())
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError()
    return credentials.get_frozen_credentials()


def partition_of(region: str) -> str:
    """Return the partition of a region, the second part of its ARNs.

    Raises:
        SettingsError: no partition has a region of that shape.
    """
    import botocore.session
    from botocore.exceptions import UnknownRegionError

    try:
        found: str = botocore.session.get_session().get_partition_for_region(region)
    except UnknownRegionError as error:
        raise SettingsError(
            f"there is no AWS region {untrusted.one_line(region)}", mend="check its spelling"
        ) from error
    return found


def bucket_of(uri: str) -> tuple[str, str] | None:
    """Split s3://bucket/prefix into bucket and prefix; None when it is no S3 address."""
    if not uri.lower().startswith("s3://"):
        return None
    bucket, _, prefix = uri[5:].partition("/")
    return bucket, prefix


def encryption(aws: LakeAws) -> dict[str, str]:
    """Return how S3 is asked to encrypt an object: as the lake is, else with its own KMS key."""
    asked = {"ServerSideEncryption": aws.sse or "aws:kms"}
    return asked | ({"SSEKMSKeyId": aws.kms_key_id} if aws.kms_key_id else {})


def bucket_region(bucket: str, aws: Aws) -> str:
    """Find the region of a bucket, which its readers sign for; any access to it is enough.

    Raises:
        botocore's ClientError: there is no such bucket; see `aws_errors`.
    """
    from botocore.exceptions import ClientError

    s3 = client("s3", aws)
    try:
        answer: Any = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
        if explain(error).kind not in ("denied", "region"):
            raise
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region") or s3.meta.region_name)


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment wants for an address, for clients that don't ask."""
    from botocore.utils import get_environ_proxies

    proxies: dict[str, str] = get_environ_proxies(url)
    return proxies.get(url.partition(":")[0])


def ca_bundle(aws: Aws) -> str | None:
    """Return the file of certificates to trust instead of the system's, when one is set."""
    with _LOCK:
        core: Any = _session(_plain(aws), _environment())._session
    found = core.get_config_variable("ca_bundle")
    return str(found) if found else None


def read_object(
    s3: S3Client,
    bucket: str,
    key: str,
    *,
    if_match: str | None = None,
    max_bytes: int | None = None,
    requester_pays: bool = False,
    many: bool = False,
) -> bytes:
    """Read an object whole; a body that breaks off is asked for again.

    Args:
        many: it is one of very many that are there: each costs less, one that is not costs two
            requests.

    Raises:
        aws_get.TooLarge: it has more than max_bytes; none of them was read.
        botocore's ClientError and BotoCoreError: see `aws_errors` and `explain`.
    """
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    condition: dict[str, Any] = {"IfMatch": if_match} if if_match else {}
    headers = {"If-Match": if_match} if if_match else {}
    if requester_pays:
        condition["RequestPayer"] = headers["x-amz-request-payer"] = "requester"
    if many:
        found = aws_get.get(s3, bucket, key, headers, max_bytes=max_bytes)
        if found is not None:
            return found
    for attempt in range(1, BODY_ATTEMPTS + 1):
        try:
            answer = s3.get_object(Bucket=bucket, Key=key, **condition)
            if max_bytes is not None and answer["ContentLength"] > max_bytes:
                answer["Body"].close()
                raise aws_get.TooLarge(answer["ContentLength"])
            body: bytes = answer["Body"].read()
            if many:
                aws_get.learn(s3, bucket, key)
            return body
        except (HTTPClientError, IncompleteReadError):
            if attempt == BODY_ATTEMPTS:
                raise
            pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def pause(
    attempt: int,
    *,
    base_seconds: float = 0.2,
    limit_seconds: float = 20.0,
    sleep: Callable[[float], None] | None = None,
) -> None:
    """Wait before try `attempt + 1`: doubling, with full jitter so that many don't step alike."""
    seconds = random.uniform(0, min(limit_seconds, base_seconds * 2**attempt))
    (sleep or time.sleep)(seconds)


def _plain(aws: Aws) -> Aws:
    # The lake's settings hold encryption too, which makes no other session.
    return Aws(
        profile=aws.profile,
        region=aws.region,
        role_arn=aws.role_arn,
        external_id=aws.external_id,
        endpoint_url=aws.endpoint_url,
    )


def _environment() -> tuple[tuple[str, str], ...]:
    # What boto3 reads from the environment, so that a kept session never outlives a change of it.
    return tuple(
        sorted(
            (name, value)
            for name, value in os.environ.items()
            if name.startswith("AWS_") or name.upper().endswith("_PROXY")
        )
    )


@functools.lru_cache(maxsize=32)
def _session(aws: Aws, environment: tuple[tuple[str, str], ...]) -> boto3.Session:  # noqa: ARG001
    # Kept, so that a worker that reads a thousand parts asks for its role once.
    import boto3
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    core = botocore.session.Session(profile=aws.profile or None)
    # botocore's own way of reading times takes three quarters of a listing: 67 ms a page, now 19.
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    try:
        if aws.region:
            core.set_config_variable("region", aws.region)
        if aws.role_arn:
            _assume(core, aws)
        return boto3.Session(botocore_session=core)
    except ProfileNotFound as error:
        raise SettingsError(
            f"there is no AWS profile {untrusted.one_line(aws.profile)}",
            mend="`aws configure list-profiles` shows those there are",
        ) from error


def _moment(value: Any) -> dt.datetime:
    """Read a time of an answer of AWS: ISO 8601 at once, other forms as botocore does."""
    from botocore.utils import parse_timestamp

    if isinstance(value, str) and value[10:11] == "T":
        try:
            found = dt.datetime.fromisoformat(value)
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None:
            return found
    parsed: dt.datetime = parse_timestamp(value)
    return parsed


def _assume(core: Any, aws: Aws) -> None:
    """Give a session the credentials of a role, asked for when first used and renewed in time."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    source = core.get_credentials()
    if source is None:
        raise NoCredentialsError()

    def sts(service: str, **keys: Any) -> Any:
        return core.create_client(
            service, endpoint_url=aws.endpoint_url or None, config=_config(1), **keys
        )

    extra = {"RoleSessionName": "ctanalytics"}
    if aws.external_id:
        extra["ExternalId"] = aws.external_id
    fetcher = AssumeRoleCredentialFetcher(sts, source, aws.role_arn, extra_args=extra)
    # botocore offers no public way to put credentials that renew themselves into a session.
    core._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


@functools.lru_cache(maxsize=64)
def _client(
    service: str, aws: Aws, region: str, connections: int, environment: tuple[tuple[str, str], ...]
) -> Any:
    from botocore.exceptions import InvalidRegionError, NoRegionError

    session = _session(aws, environment)
    try:
        make: Any = session.client
        made = make(
            service,
            region_name=region or None,
            endpoint_url=aws.endpoint_url or None,
            config=_config(connections),
        )
    except NoRegionError as error:
        raise SettingsError(
            f"no AWS region is set for {service}", mend="give --region or set AWS_REGION"
        ) from error
    except (InvalidRegionError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise SettingsError(
            f"AWS can't be reached so: {untrusted.one_line(error)}",
            where=aws.endpoint_url or region or aws.region,
            mend="correct the region, the endpoint_url or AWS_ENDPOINT_URL",
        ) from error
    if service == "s3":
        aws_get.watch(made)
    return made


def _config(connections: int) -> Any:
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "max_attempts": ATTEMPTS},
        max_pool_connections=connections,
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra=f"ctanalytics/{__version__}",
    )

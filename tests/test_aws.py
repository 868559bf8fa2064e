"""Clients, their credentials, and AWS's errors in our words."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as botocore
from botocore.exceptions import ClientError

from ctanalytics import aws as amazon
from ctanalytics.aws_errors import EMIT, LAKE, SOURCE, Kinds, aws_errors, explain
from ctanalytics.errors import (
    CtanalyticsError,
    EmitError,
    LakeError,
    LakeMissing,
    SettingsError,
    SourceDenied,
    SourceError,
    SourceMissing,
)
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.store import open_store
from ctanalytics.settings import Aws, LakeAws
from tests.aws_server import Server, aws_server, s3_error
from tests.emitters import alerts

ROLE = "arn:aws:iam::444455556666:role/log-reader"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def expire_in(server: Server, seconds: float) -> list[str]:
    """Let STS give sessions that end so soon, AWS itself allowing none below 15 minutes.

    Returns a list that grows by the form of every request to STS. Sessions that ended are refused.
    """
    asked: list[str] = []
    ends: dict[str, dt.datetime] = {}

    def shorten(request, passed):  # type: ignore[no-untyped-def]
        form = request.get_data(as_text=True) if request.path == "/" else ""
        if "Action=AssumeRole" not in form:
            token = request.headers.get("x-amz-security-token")
            if token and ends[token] < dt.datetime.now(dt.UTC):
                return s3_error("ExpiredToken", "The provided token has expired.", 400)
            return None
        asked.append(form)
        answer = passed()
        text = answer.get_data(as_text=True)
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        ends[re.findall("<SessionToken>(.*?)</SessionToken>", text)[0]] = end
        answer.set_data(
            re.sub("<Expiration>.*?</Expiration>", f"<Expiration>{end:%FT%TZ}</Expiration>", text)
        )
        return answer

    server.disturb.append(shorten)
    return asked


def test_a_role_is_assumed_once_and_with_its_external_id(server: Server) -> None:
    asked = expire_in(server, 3600)
    aws = Aws(role_arn=ROLE, external_id="only-us")
    for _ in range(3):
        me = amazon.client("sts", aws).get_caller_identity()
        assert ":assumed-role/log-reader/ctanalytics" in me["Arn"]
    amazon.client("s3", aws).list_buckets()
    assert len(asked) == 1
    assert "ExternalId=only-us" in asked[0]


def test_a_session_that_ends_in_mid_run_is_renewed(server: Server) -> None:
    asked = expire_in(server, 15)
    aws = Aws(role_arn=ROLE, external_id="fifteen-seconds")
    keys = set()
    for _ in range(3):
        amazon.client("s3", aws).list_buckets()
        keys.add(amazon.frozen_credentials(aws).access_key)
    assert len(asked) >= 3
    assert len(keys) == 3


def test_the_delta_writer_and_duckdb_get_the_renewed_keys(server: Server) -> None:
    server.bucket("lake")
    expire_in(server, 15)
    store = open_store("s3://lake/x", LakeAws(role_arn=ROLE, external_id="lake"))
    seen = {(store.storage_options() or {}).get("aws_session_token") for _ in range(2)}
    assert len(seen) == 2
    assert None not in seen
    files = store.filesystem()
    assert files.fs is not files.fs


def test_a_lake_stays_usable_when_the_session_of_its_role_ends(server: Server) -> None:
    server.bucket("lake")
    lake = Lake.create("s3://lake/x")
    expire_in(server, 3)
    lake = Lake.open("s3://lake/x", LakeAws(role_arn=ROLE, external_id="ends"))
    alerts.add(lake, alerts.row("a"))
    time.sleep(3)
    alerts.add(lake, alerts.row("b"))
    assert lake.table("anomalies").version() == 2
    with lake.engine() as engine:
        assert engine.sql("select count(*) as n from lake.anomalies")["n"][0].as_py() == 2


def test_the_same_settings_share_a_client_and_another_environment_does_not(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = amazon.client("s3", Aws())
    assert amazon.client("s3", LakeAws(sse="AES256")) is first
    assert amazon.client("s3", Aws(region="ap-southeast-2")) is not first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE")
    second = amazon.client("s3", Aws())
    assert second is not first
    assert amazon.frozen_credentials(Aws()).access_key == "AKIAI44QH8DHBEXAMPLE"


def test_the_settings_name_profile_and_endpoint(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile audit]\nregion = us-gov-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    made = amazon.client("sns", Aws(profile="audit", endpoint_url="http://127.0.0.1:9"))
    assert made.meta.region_name == "us-gov-west-1"
    assert made.meta.endpoint_url == "http://127.0.0.1:9"
    with pytest.raises(SettingsError, match="no AWS profile auditt"):
        amazon.client("sns", Aws(profile="auditt"))


def test_settings_that_make_no_client_say_which(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="can't be reached"):
        amazon.client("s3", Aws(endpoint_url="localhost:4566"))
    with pytest.raises(SettingsError, match="can't be reached"):
        amazon.client("s3", Aws(region="eu west 1"))
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SettingsError, match="no AWS region"):
        amazon.client("sns", Aws())


def test_a_role_without_credentials_to_assume_it_is_denied(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceDenied, match="no AWS credentials"), aws_errors("s3://x", SOURCE):
        amazon.client("s3", Aws(role_arn=ROLE))


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("us-iso-east-1", "aws-iso"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_a_region_tells_its_partition(region: str, partition: str) -> None:
    assert amazon.partition_of(region) == partition


def test_a_region_of_no_partition_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="no AWS region"):
        amazon.partition_of("westeros")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b", ("b", "")),
        ("s3://b/", ("b", "")),
        ("S3://b/p/q/", ("b", "p/q/")),
        ("/b/p", None),
        ("s3:/b", None),
    ],
)
def test_an_s3_address_is_split(uri: str, expected: tuple[str, str] | None) -> None:
    assert amazon.bucket_of(uri) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T08:00:01.250Z", "2026-03-01T08:00:01.250000+00:00", id="iso"),
        pytest.param("2026-03-01T08:00:01+02:00", "2026-03-01T06:00:01+00:00", id="offset"),
        pytest.param("Sun, 01 Mar 2026 08:00:01 GMT", "2026-03-01T08:00:01+00:00", id="http"),
        pytest.param(1772352001.5, "2026-03-01T08:00:01.500000+00:00", id="number"),
        pytest.param("1772352001", "2026-03-01T08:00:01+00:00", id="number-as-text"),
    ],
)
def test_times_of_answers_are_read_in_every_form(text: Any, expected: str) -> None:
    assert amazon._moment(text).astimezone(dt.UTC).isoformat() == expected


def test_a_pause_grows_and_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    for attempt in range(1, 40):
        amazon.pause(attempt, base_seconds=1, limit_seconds=5)
    assert all(0 <= wait <= 5 for wait in waits)
    assert waits[0] <= 2


def answer(code: str, message: str, operation: str = "GetObject", **more: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message, **more},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },  # type: ignore[arg-type, typeddict-unknown-key]
        operation,
    )


KEY = "arn:aws-us-gov:kms:us-gov-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("error", "kind", "what", "mend"),
    [
        pytest.param(
            answer("AccessDenied", "Access Denied"),
            "denied",
            "s3:GetObject is missing",
            "a missing object shows as denied too",
            id="s3-without-reason",
        ),
        pytest.param(
            answer("AccessDenied", "Access Denied", "ListObjectsV2"),
            "denied",
            "s3:ListBucket is missing",
            "allow s3:ListBucket",
            id="s3-list",
        ),
        pytest.param(
            answer(
                "AccessDenied",
                "User: arn:aws:iam::111122223333:user/u is not authorized to perform: "
                's3:GetObjectVersion on resource: "arn:aws:s3:::b/k" because no identity-based '
                "policy allows the s3:GetObjectVersion action",
            ),
            "denied",
            "s3:GetObjectVersion is missing",
            "allow s3:GetObjectVersion",
            id="s3-with-reason",
        ),
        pytest.param(
            answer(
                "AccessDenied",
                "User: arn:aws-us-gov:sts::111122223333:assumed-role/r/s is not authorized to "
                f"perform: kms:Decrypt on resource: {KEY} because no identity-based policy",
            ),
            "denied",
            f"KMS denies kms:Decrypt on {KEY}",
            "in the key's policy",
            id="kms-names-its-key",
        ),
        pytest.param(
            answer(
                "AccessDenied",
                "The ciphertext refers to a customer master key that does not exist, does not "
                "exist in this region, or you are not allowed to access.",
            ),
            "denied",
            "KMS denies kms:Decrypt on the key that encrypts it",
            "allow kms:Decrypt",
            id="kms-unnamed",
        ),
        pytest.param(
            answer("KMS.DisabledException", f"{KEY} is disabled."),
            "denied",
            "the KMS key can't be used",
            f"enable or restore {KEY}",
            id="kms-disabled",
        ),
        pytest.param(
            answer("KMSAccessDenied", "denied", "PublishBatch"),
            "denied",
            "KMS denies",
            "allow",
            id="kms-of-a-topic",
        ),
        pytest.param(
            answer("KMS.ThrottlingException", "Rate exceeded"),
            "throttled",
            "slow down",
            "later",
            id="kms-throttled",
        ),
        pytest.param(
            answer("ThrottlingException", "Rate exceeded"), "throttled", "slow", "", id="throttled"
        ),
        pytest.param(answer("NoSuchKey", "x"), "gone", "not there any more", "", id="no-key"),
        pytest.param(
            answer("404", "Not Found", "HeadObject"), "gone", "not there", "", id="no-key-by-head"
        ),
        pytest.param(answer("NoSuchBucket", "x"), "missing", "no such bucket", "", id="no-bucket"),
        pytest.param(
            answer("404", "Not Found", "HeadBucket"), "missing", "no such bucket", "", id="head"
        ),
        pytest.param(
            answer("NotFound", "Topic does not exist", "PublishBatch"),
            "missing",
            "Topic does not exist",
            "region",
            id="no-topic",
        ),
        pytest.param(answer("PreconditionFailed", "x"), "changed", "replaced", "", id="etag"),
        pytest.param(
            answer("InvalidObjectState", "x"), "archived", "archive", "restore", id="archived"
        ),
        pytest.param(
            answer("AuthorizationHeaderMalformed", "x", Region="eu-central-1"),
            "region",
            "another region, eu-central-1",
            "--region",
            id="region",
        ),
        pytest.param(
            answer("ExpiredToken", "The provided token has expired."),
            "credentials",
            "has expired",
            "aws sso login",
            id="expired",
        ),
        pytest.param(
            answer("SomethingNew", "\x1b[2Jboo"),
            "other",
            "\\x1b[2Jboo",
            "",
            id="unknown-and-hostile",
        ),
        pytest.param(
            botocore.NoCredentialsError(),
            "credentials",
            "no AWS credentials",
            "AWS_PROFILE",
            id="none",
        ),
        pytest.param(
            botocore.UnauthorizedSSOTokenError(),
            "credentials",
            "SSO",
            "aws sso login",
            id="sso-ended",
        ),
        pytest.param(
            botocore.EndpointConnectionError(endpoint_url="https://x"),
            "unreachable",
            "can't be reached",
            "proxy",
            id="network",
        ),
        pytest.param(
            botocore.SSLError(endpoint_url="https://x", error="self-signed"),
            "unreachable",
            "self-signed",
            "AWS_CA_BUNDLE",
            id="tls",
        ),
        pytest.param(
            botocore.ParamValidationError(report='Invalid bucket name "A b"'),
            "missing",
            "Invalid bucket name",
            "spelling",
            id="bucket-name",
        ),
    ],
)
def test_an_error_of_aws_is_explained(error: Exception, kind: str, what: str, mend: str) -> None:
    found = explain(error)
    assert found.kind == kind
    assert what in found.what
    assert mend in found.mend


@pytest.mark.parametrize(
    ("kinds", "code", "expected"),
    [
        (SOURCE, "AccessDenied", SourceDenied),
        (SOURCE, "ExpiredToken", SourceDenied),
        (SOURCE, "NoSuchBucket", SourceMissing),
        (SOURCE, "SlowDown", SourceError),
        (LAKE, "NoSuchBucket", LakeMissing),
        (LAKE, "AccessDenied", LakeError),
        (EMIT, "NotFound", EmitError),
    ],
)
def test_an_error_of_aws_becomes_ours(
    kinds: Kinds, code: str, expected: type[CtanalyticsError]
) -> None:
    with pytest.raises(expected) as caught, aws_errors("s3://b/k", kinds):
        raise answer(code, "x")
    assert type(caught.value) is expected
    assert caught.value.where == "s3://b/k"
    assert caught.value.mend

"""The short way to an S3 object gives what botocore's call gives, or leaves it to botocore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.wrappers import Request

from ctanalytics import aws, aws_get
from ctanalytics.settings import Aws
from tests.aws_server import DroppedError, Server, aws_server, s3_error

BODY = b"12345"
ODD_KEYS = [
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/05/01/x_1.json.gz",
    "a b+c/=&?#%25~'().gz",
    "ü/€/\N{GRINNING FACE}",
    "//double//slash/",
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        s3 = running.bucket("short-way")
        for key in ("first", *ODD_KEYS):
            s3.put_object(Bucket="short-way", Key=key, Body=BODY)
        running.requests.clear()
        yield running


def client() -> Any:
    return aws.client("s3", Aws())


def read(key: str, **options: Any) -> bytes:
    return aws.read_object(client(), "short-way", key, many=True, **options)


def short(key: str, headers: dict[str, str] | None = None, max_bytes: int = 5) -> bytes | None:
    """The short way alone, after a first object has shown it."""
    read("first")
    return aws_get.get(client(), "short-way", key, headers or {}, max_bytes=max_bytes)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_known_bucket_is_asked_once_and_as_botocore_asks(server: Server, key: str) -> None:
    seen: list[Request] = []
    server.disturb.append(lambda request, passed: seen.append(request))
    assert short(key) == BODY
    quick = seen[-1]
    client().get_object(Bucket="short-way", Key=key)
    full = seen[-1]
    assert quick.environ["RAW_URI"] == full.environ["RAW_URI"].partition("?")[0]
    assert quick.headers["User-Agent"].startswith("Boto3/")
    for name in ("Host", "X-Amz-Content-SHA256"):
        assert quick.headers[name] == full.headers[name]
    scopes = [r.headers["Authorization"].split(", ")[0].split("/")[2:] for r in (quick, full)]
    assert scopes[0] == scopes[1] == ["eu-west-1", "s3", "aws4_request"]


def test_a_bucket_that_was_never_read_is_left_to_botocore(server: Server) -> None:
    server.bucket("unknown")
    server.requests.clear()
    assert aws_get.get(client(), "unknown", "first", {}, max_bytes=5) is None
    assert server.requests == []


def test_without_a_signature_there_is_no_short_way(server: Server) -> None:
    import boto3

    bare = boto3.client("s3", config=Config(signature_version=UNSIGNED))
    server.client("s3").put_object_acl(Bucket="short-way", Key="first", ACL="public-read")
    aws_get.watch(bare)
    aws.read_object(bare, "short-way", "first", many=True)
    assert aws_get.get(bare, "short-way", "first", {}, max_bytes=5) is None


def test_another_content_is_told_by_botocores_error(server: Server) -> None:
    assert short("first", {"If-Match": '"another"'}) is None
    with pytest.raises(ClientError) as error:
        read("first", if_match='"another"')
    assert error.value.response["Error"]["Code"] == "PreconditionFailed"


@pytest.mark.parametrize(
    "disturbance",
    [
        pytest.param(lambda: s3_error("SlowDown", "Reduce your request rate", 503), id="busy"),
        pytest.param(lambda: s3_error("AccessDenied", "Access Denied"), id="denied"),
        pytest.param(None, id="broken"),
    ],
)
def test_what_fails_once_is_asked_again(server: Server, disturbance: Any) -> None:
    read("first")

    def once(request: Request, passed: Any) -> Any:
        server.disturb.clear()
        if disturbance is None:
            raise DroppedError
        return disturbance()

    server.disturb.append(once)
    assert read("first") == BODY


def test_a_body_that_ends_early_is_asked_again(server: Server) -> None:
    read("first")

    def cut(request: Request, passed: Any) -> Any:
        server.disturb.clear()
        answer = passed()
        answer.direct_passthrough = False
        answer.response = [b"12"]
        answer.headers["Content-Length"] = "5"
        return answer

    server.disturb.append(cut)
    assert read("first") == BODY


def test_an_object_above_the_limit_is_not_read(server: Server) -> None:
    with pytest.raises(aws_get.TooLarge):
        short("first", max_bytes=4)


def test_the_payer_is_told(server: Server) -> None:
    seen: list[Request] = []
    read("first")
    server.disturb.append(lambda request, passed: seen.append(request))
    assert read("first", requester_pays=True) == BODY
    assert [request.headers["x-amz-request-payer"] for request in seen] == ["requester"]

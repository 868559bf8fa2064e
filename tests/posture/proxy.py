"""Stands before the local AWS server: denies one API at a time, and answers what it can't hold.

What the server can't hold is listed in tests/deploy/unrepresented.toml; its recorded answers are in
tests/posture/recorded/.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from werkzeug.wrappers import Request, Response

from tests.aws_server import json_error, s3_error, sns_error

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4")
_SERVICES = {"monitoring": "cloudwatch"}
_SUBRESOURCES = {
    "policyStatus": "GetBucketPolicyStatus",
    "policy": "GetBucketPolicy",
    "acl": "GetBucketAcl",
    "publicAccessBlock": "GetPublicAccessBlock",
    "versioning": "GetBucketVersioning",
    "logging": "GetBucketLogging",
    "encryption": "GetBucketEncryption",
    "lifecycle": "GetBucketLifecycleConfiguration",
    "object-lock": "GetObjectLockConfiguration",
    "ownershipControls": "GetBucketOwnershipControls",
    "replication": "GetBucketReplication",
    "location": "GetBucketLocation",
    "notification": "GetBucketNotificationConfiguration",
    "requestPayment": "GetBucketRequestPayment",
    "list-type": "ListObjectsV2",
}


@dataclass
class Proxy:
    """A disturbance for `tests.aws_server`."""

    denied: set[str] = field(default_factory=set)
    """APIs such as cloudtrail:GetTrailStatus that are answered with AccessDenied."""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Recorded answers of APIs that the server does not hold."""
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request, passed: Callable[[], Response]) -> Response | None:
        service, api = api_of(request)
        self.asked.append(api)
        if api in self.denied:
            return _denial(service, api)
        if api in self.answers:
            body = json.dumps(self.answers[api])
            return Response(body, 200, content_type="application/x-amz-json-1.1")
        return None


@contextmanager
def names_below_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let ACCOUNT.127.0.0.1 be found: S3 Control puts the account before its endpoint's name."""
    find = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        text = str(host)
        return find(text.partition(".")[2] if text.endswith(".127.0.0.1") else host, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", found)
        yield


def api_of(request: Request) -> tuple[str, str]:
    """Return the service and the API of a request, as boto3 names them."""
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    service = scope["service"] if scope else ""
    service = _SERVICES.get(service, service)
    if target := request.headers.get("X-Amz-Target"):
        return service, f"{service}:{target.rpartition('.')[2]}"
    if request.path.startswith("/service/"):  # CBOR: /service/NAME/operation/API
        return service, f"{service}:{request.path.rpartition('/')[2]}"
    if service == "s3" and "/v20180820/" in request.path:
        return "s3control", "s3control:GetPublicAccessBlock"
    if service == "s3":
        for name, api in _SUBRESOURCES.items():
            if name in request.args:
                return service, f"s3:{api}"
        return service, "s3:HeadBucket" if request.method == "HEAD" else f"s3:{request.method}"
    if service == "guardduty":
        return service, "guardduty:" + (
            "ListDetectors" if request.path.endswith("/detector") else "GetDetector"
        )
    if service == "securityhub":
        return service, "securityhub:DescribeHub"
    form = parse_qs(request.get_data(as_text=True))
    return service, f"{service}:{form.get('Action', [''])[0]}"


def _denial(service: str, api: str) -> Response:
    message = f"User is not authorized to perform: {api}"
    if service in ("s3", "s3control"):
        return s3_error("AccessDenied", "Access Denied")
    if service in ("iam", "sns", "sts"):
        return sns_error("AccessDenied", message)
    if service == "ec2":
        body = (
            "<Response><Errors><Error><Code>UnauthorizedOperation</Code>"
            f"<Message>{message}</Message></Error></Errors></Response>"
        )
        return Response(body, 403, content_type="text/xml")
    made = json_error("AccessDeniedException", message)
    made.headers["x-amzn-errortype"] = "AccessDeniedException"
    return made

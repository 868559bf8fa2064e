"""Reads S3 objects at half of the CPU time that a botocore call takes.

For each GET botocore checks the parameters, resolves the endpoint, runs its hooks and parses the
answer: 1.4 ms, of which sending and receiving is a quarter. Thousands of GETs of one bucket differ
in the key alone. So the first is botocore's; what it made of it (host, path, signing region) is
kept, and the next ones are signed and sent the same way, by the same signer and on the same
connections, so that certificates, proxies, time-outs and renewed credentials are botocore's own.
Whatever answers with anything but the object is asked again by botocore, which knows what to do:
retries, redirects, errors.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([a-z0-9-]+)/s3/aws4_request, ")
_OK: Final = 200


class TooLarge(Exception):
    """An object is larger than its reader allows; the argument is its size in bytes."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How botocore asks for the objects of a bucket."""

    base: str
    """The address of a key that is empty."""
    region: str
    """What requests are signed for."""
    agent: str
    """What botocore calls itself, which the owner of the bucket finds in its own logs."""


class _Sent(threading.local):
    """The last request of this thread as botocore sent it."""

    url = ""
    authorization = ""
    agent = ""


_sent = _Sent()
_ways: WeakKeyDictionary[Any, dict[str, _Way]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def watch(s3: S3Client) -> None:
    """Let a client show what it sends, so that `learn` can see it; twice is once."""
    s3.meta.events.register_last("before-send.s3.GetObject", _keep, unique_id="ctanalytics-aws-get")


def learn(s3: S3Client, bucket: str, key: str) -> None:
    """Keep how this thread's last GET, which was answered, was asked."""
    found = _way(_sent, key)
    if found is not None:
        with _LOCK:
            _ways.setdefault(s3, {})[bucket] = found


def get(
    s3: S3Client, bucket: str, key: str, headers: Mapping[str, str], *, max_bytes: int | None
) -> bytes | None:
    """Return an object's bytes, or None when botocore has to ask for it.

    Raises:
        TooLarge: it has more than max_bytes; none of them was read.
        botocore's errors of credentials that can't be renewed.
    """
    found = answer(s3, bucket, key, headers, max_bytes=max_bytes)
    return None if found is None else found[0]


def answer(
    s3: S3Client, bucket: str, key: str, headers: Mapping[str, str], *, max_bytes: int | None
) -> tuple[bytes, Mapping[str, str]] | None:
    """As `get`, with the headers of the answer, which hold the ETag and the object's metadata."""
    way = _ways.get(s3, {}).get(bucket)
    if way is None:
        return None
    from botocore.exceptions import HTTPClientError
    from urllib3.exceptions import HTTPError

    client: Any = s3  # its connections and credentials have no public name
    try:
        sent = client._endpoint.http_session.send(_request(client, way, key, headers))
        size = int(sent.headers.get("Content-Length", -1))
        if sent.status_code != _OK or size < 0:
            sent.raw.drain_conn()
            return None
        if max_bytes is not None and size > max_bytes:
            sent.raw.close()
            raise TooLarge(size)
        body: bytes = sent.content
    except (HTTPClientError, HTTPError):
        return None
    return (body, sent.headers) if len(body) == size else None


def _request(client: Any, way: _Way, key: str, headers: Mapping[str, str]) -> Any:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(
        "GET",
        way.base + _quoted(key),
        headers={"User-Agent": way.agent, **headers},
        stream_output=True,
    )
    request.context["payload_signing_enabled"] = False  # there is no payload
    keys = client._request_signer._credentials.get_frozen_credentials()
    S3SigV4Auth(keys, "s3", way.region).add_auth(request)
    return request.prepare()


def _keep(request: Any, **_: Any) -> None:
    _sent.url = request.url
    _sent.authorization = _text(request.headers.get("Authorization", ""))
    _sent.agent = _text(request.headers.get("User-Agent", ""))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _way(sent: _Sent, key: str) -> _Way | None:
    """What a request tells about the bucket's other objects; None when it is no plain one."""
    scope = _SCOPE.match(sent.authorization)
    url, path = sent.url.partition("?")[0], "/" + _quoted(key)
    if scope is None or not url.endswith(path):
        return None
    return _Way(url[: len(url) - len(path) + 1], scope[1], sent.agent)


def _quoted(key: str) -> str:
    return quote(key, safe="/~")

"""GetObject without most of what botocore does for one: thousands of small files are read.

Only the plain case is done here. Whatever is not a complete answer with status 200 is asked for
again through the client, which knows errors, redirects and repeats. A read takes 0.4 ms of
processor time so, and 1.4 ms through the client (`python benchmarks/validate.py`).
"""

from __future__ import annotations

import re
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ctanalytics import aws as amazon
from ctanalytics import settings
from ctanalytics._version import __version__
from ctanalytics.integrity.place import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_PLAIN = re.compile(r"(?!.*--x-s3$)[a-z0-9][a-z0-9.-]{1,62}")
_PROBE = "ctanalytics-probe"
_METADATA = "x-amz-meta-"
_KEYS_SECONDS = 30.0


@dataclass
class QuickReader:
    """Reads objects of plain buckets over connections that are kept."""

    aws: settings.Aws
    connections: int
    _bases: dict[str, str | None] = field(default_factory=dict, repr=False)
    _keys: tuple[float, Any] = field(default=(0.0, None), repr=False)
    _session: Any = field(default=None, repr=False)
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, client: S3Client, bucket: str, key: str) -> Stored | None:
        """Return an object, or None where the client has to be asked."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, HTTPClientError

        base = self._base(client, bucket)
        if base is None:
            return None
        try:
            request = AWSRequest(
                method="GET",
                url=base + urllib.parse.quote(key, safe="/~"),
                headers={"User-Agent": f"ctanalytics/{__version__}"},
            )
            signer = S3SigV4Auth(amazon.frozen_credentials(self.aws), "s3", client.meta.region_name)
            signer.add_auth(request)
            answer = self._session.send(request.prepare())
        except (BotoCoreError, HTTPClientError, OSError):
            return None
        if answer.status_code != 200:
            return None
        data: bytes = answer.content
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if headers.get("content-length") != str(len(data)) or "etag" not in headers:
            return None
        metadata = {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        }
        return Stored(data, headers["etag"].strip('"'), metadata)

    def _credentials(self) -> Any:
        """Keys that are valid now; asked for twice a minute, for each look takes 0.1 ms."""
        at, found = self._keys
        if found is None or time.monotonic() - at > _KEYS_SECONDS:
            found = amazon.frozen_credentials(self.aws)
            self._keys = time.monotonic(), found
        return found

    def _base(self, client: S3Client, bucket: str) -> str | None:
        """The address of a bucket, as the client's own rules make it."""
        with self._making:
            if bucket not in self._bases:
                self._bases[bucket] = self._address(client, bucket)
            return self._bases[bucket]

    def _address(self, client: S3Client, bucket: str) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        if not _PLAIN.fullmatch(bucket):
            return None
        try:
            url = client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": _PROBE}, ExpiresIn=60
            )
            base = url.partition("?")[0].removesuffix(_PROBE)
            if self._session is None:
                self._session = self._new_session(base)
        except (BotoCoreError, ClientError):
            return None
        return base if base.endswith("/") else None

    def _new_session(self, base: str) -> Any:
        from botocore.httpsession import URLLib3Session

        proxy = amazon.proxy_of(base)
        scheme = base.partition(":")[0]
        make: Any = URLLib3Session  # its stubs know neither a bundle nor two timeouts
        return make(
            verify=amazon.ca_bundle(self.aws) or True,
            proxies={scheme: proxy} if proxy else None,
            timeout=(10, 60),
            max_pool_connections=self.connections,
        )

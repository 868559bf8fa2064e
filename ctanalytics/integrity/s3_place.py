"""A bucket in which a trail delivers, or a replica of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from ctanalytics import aws as amazon
from ctanalytics import aws_get, settings
from ctanalytics.aws_errors import SOURCE, aws_errors, explain
from ctanalytics.integrity.place import Entry, Stored, Version
from ctanalytics.sources.base import Reason, Unread

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECTIONS: Final = 32
_THROTTLED_ATTEMPTS: Final = 6  # each of them is already repeated by botocore
_NOT_THE_OBJECT: Final = frozenset(("credentials", "unreachable", "throttled"))
_MAX_VERSIONS: Final = 20
_METADATA: Final = "x-amz-meta-"


@dataclass
class S3Place:
    """See `place.Place`."""

    name: str
    bucket: str
    root: str
    aws: settings.Aws
    _clients: dict[str, S3Client] = field(default_factory=dict, repr=False)
    _finding: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def folders(self, prefix: str) -> list[str]:
        """See `place.Place`."""
        found = []
        for page in self._pages(prefix, {"Delimiter": "/"}):
            found += [one["Prefix"][len(prefix) : -1] for one in page.get("CommonPrefixes", [])]
        return found

    def files(self, prefix: str, *, first: str = "", last: str = "") -> Iterator[Entry]:
        """See `place.Place`."""
        for page in self._pages(prefix, {"StartAfter": first} if first else {}):
            for found in page.get("Contents", []):
                key = found["Key"]
                if last and key[: len(last)] > last:
                    return
                if found["Size"] or not key.endswith("/"):
                    yield Entry(key, found.get("ETag", "").strip('"'), found["Size"])

    def read(self, bucket: str, key: str) -> Stored | Unread:
        """See `place.Place`."""
        from botocore.exceptions import BotoCoreError, ClientError

        for attempt in range(1, _THROTTLED_ATTEMPTS + 1):
            with aws_errors(f"s3://{bucket}/{key}", SOURCE):
                try:
                    return self._quick(bucket, key) or self._get(bucket, key)
                except (ClientError, BotoCoreError) as error:
                    found = explain(error)
                    if found.kind not in _NOT_THE_OBJECT:
                        reason = "gone" if found.kind in ("gone", "missing") else found.kind
                        return Unread(cast("Reason", reason), f"{found.what}; {found.mend}")
                    # Keys have a quota of requests: a busy one is waited for.
                    if found.kind != "throttled" or attempt == _THROTTLED_ATTEMPTS:
                        raise
            amazon.pause(attempt, base_seconds=1.0)
        raise AssertionError("the last attempt returns or raises")

    def etag(self, bucket: str, key: str) -> str | None:
        """See `place.Place`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._client(bucket).head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
        except (ClientError, BotoCoreError):
            return None

    def versions(self, bucket: str, key: str) -> list[Version]:
        """See `place.Place`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            reply: Any = self._client(bucket).list_object_versions(
                Bucket=bucket, Prefix=key, MaxKeys=_MAX_VERSIONS
            )
        except (ClientError, BotoCoreError):
            return []  # it may be read and its history may not: then there is nothing to add
        rows = [
            Version(
                version_id=found["VersionId"],
                written_at=found["LastModified"],
                owner=str(found.get("Owner", {}).get("ID", "")),
                is_latest=found["IsLatest"],
                is_delete_marker=deleted,
            )
            for name, deleted in (("Versions", False), ("DeleteMarkers", True))
            for found in reply.get(name, [])
            if found["Key"] == key and found["VersionId"] != "null"
        ]
        return sorted(rows, key=lambda row: (row.written_at, row.is_latest), reverse=True)

    def read_version(self, bucket: str, key: str, version_id: str) -> bytes | None:
        """See `place.Place`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            reply = self._client(bucket).get_object(Bucket=bucket, Key=key, VersionId=version_id)
            return reply["Body"].read()
        except (ClientError, BotoCoreError):
            return None

    def _quick(self, bucket: str, key: str) -> Stored | None:
        """Read an object past most of botocore; None where it has to be asked."""
        found = aws_get.answer(self._client(bucket), bucket, key, {}, max_bytes=None)
        if found is None:
            return None
        headers = {name.lower(): value for name, value in found[1].items()}
        metadata = {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        }
        return Stored(found[0], headers.get("etag", "").strip('"'), metadata)

    def _get(self, bucket: str, key: str) -> Stored:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        for attempt in range(1, amazon.BODY_ATTEMPTS + 1):
            try:
                reply = self._client(bucket).get_object(Bucket=bucket, Key=key)
                metadata = {name.lower(): value for name, value in reply["Metadata"].items()}
                data = reply["Body"].read()
                aws_get.learn(self._client(bucket), bucket, key)
                return Stored(data, reply["ETag"].strip('"'), metadata)
            except (HTTPClientError, IncompleteReadError):
                if attempt == amazon.BODY_ATTEMPTS:
                    raise
                amazon.pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _pages(self, prefix: str, more: dict[str, Any]) -> Iterator[dict[str, Any]]:
        request = {"Bucket": self.bucket, "Prefix": prefix, **more}
        while True:
            with aws_errors(f"s3://{self.bucket}/{prefix}", SOURCE):
                page: Any = self._client(self.bucket).list_objects_v2(**request)
            yield page
            if not page.get("NextContinuationToken"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _client(self, bucket: str) -> S3Client:
        found = self._clients.get(bucket)
        if found is None:
            with self._finding:
                region = amazon.bucket_region(bucket, self.aws)
                found = amazon.client("s3", self.aws, region=region, connections=CONNECTIONS)
                aws_get.watch(found)
                self._clients[bucket] = found
        return found

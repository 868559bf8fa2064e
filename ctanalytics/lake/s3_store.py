"""A lake in S3: each file an object, `put_once` a conditional put."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics import aws as amazon
from ctanalytics.aws_errors import LAKE, aws_errors, explain
from ctanalytics.errors import LakeError
from ctanalytics.lake.store import Entry, checked, probe_store
from ctanalytics.settings import LakeAws

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from ctanalytics.lake.s3_files import S3Files

_CONFLICTS = 10  # tries of a conditional put that another put disturbs


@dataclass(frozen=True)
class S3Store:
    """A lake below a prefix of a bucket."""

    bucket: str
    prefix: str
    aws: LakeAws
    known_region: str = ""
    is_local: ClassVar[bool] = False

    @property
    def uri(self) -> str:
        """See `Store`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def read(self, path: str) -> bytes:
        """See `Store`."""
        from botocore.exceptions import ClientError

        with aws_errors(self.location(path), LAKE):
            try:
                return amazon.read_object(self._client(), self.bucket, self._key(path))
            except ClientError as error:
                if explain(error).kind == "gone":
                    raise FileNotFoundError(self.location(path)) from error
                raise

    def write(self, path: str, data: bytes) -> None:
        """See `Store`."""
        with aws_errors(self.location(path), LAKE):
            self._client().put_object(
                Bucket=self.bucket, Key=self._key(path), Body=bytes(data), **self._encryption()
            )

    @contextlib.contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:  # noqa: ARG002 - S3 always is
        """See `Store`; in S3 all is durable."""
        file = io.BytesIO()
        yield file
        self.write(path, file.getvalue())

    def buffer(self, path: str) -> pa.Buffer:
        """See `Store`."""
        return pa.py_buffer(self.read(path))

    def put_once(self, path: str, data: bytes) -> bool:
        """See `Store`."""
        from botocore.exceptions import ClientError

        with aws_errors(self.location(path), LAKE):
            for attempt in range(1, _CONFLICTS + 1):
                try:
                    self._client().put_object(
                        Bucket=self.bucket,
                        Key=self._key(path),
                        Body=bytes(data),
                        IfNoneMatch="*",
                        **self._encryption(),
                    )
                    return True
                except ClientError as error:
                    answer = error.response["ResponseMetadata"]
                    status = answer["HTTPStatusCode"]
                    if status == 412:
                        # A put whose answer was lost and that botocore sent again meets itself.
                        again = attempt > 1 or answer.get("RetryAttempts", 0) > 0
                        return again and self.read(path) == data
                    # 409: another put or delete of the same key is under way; its end decides.
                    if status != 409 or attempt == _CONFLICTS:
                        raise
                    amazon.pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    def exists(self, path: str) -> bool:
        """See `Store`."""
        from botocore.exceptions import ClientError

        with aws_errors(self.location(path), LAKE):
            try:
                self._client().head_object(Bucket=self.bucket, Key=self._key(path))
            except ClientError as error:
                if explain(error).kind == "gone":
                    return False
                raise
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `Store`."""
        for entry in self.entries(prefix):
            yield entry.path

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """See `Store`."""
        root = f"{self.prefix}/" if self.prefix else ""
        with aws_errors(self.uri, LAKE):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=root + prefix):
                for found in page.get("Contents", []):
                    path = found["Key"].removeprefix(root)
                    yield Entry(path, found["Size"], found["LastModified"])

    def delete(self, path: str) -> None:
        """See `Store`."""
        with aws_errors(self.location(path), LAKE):
            self._client().delete_object(Bucket=self.bucket, Key=self._key(path))

    def delete_tree(self, prefix: str) -> None:
        """See `Store`."""
        self.delete_all(list(self.list(f"{checked(prefix.rstrip('/'))}/")))

    def delete_all(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        waiting = iter(paths)
        while some := list(islice(waiting, 1_000)):
            keys = [self._key(path) for path in some]
            with aws_errors(self.uri, LAKE):
                answer = self._client().delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                )
            for fault in answer.get("Errors", []):
                raise LakeError(
                    f"S3 did not delete it: {fault.get('Message', fault.get('Code', ''))}",
                    where=f"s3://{self.bucket}/{fault.get('Key', '')}",
                    mend="allow s3:DeleteObject below the lake",
                )

    def sweep(self) -> None:
        """See `Store`; S3 knows no half-written objects."""

    def location(self, path: str = "") -> str:
        """See `Store`."""
        return f"{self.uri}/{checked(path)}" if path else self.uri

    def storage_options(self) -> dict[str, str] | None:
        """See `Store`.

        The keys are those of now: a session of an hour outlives no longer-running handle.
        """
        with aws_errors(self.uri, LAKE):
            s3 = self._client()
            keys = amazon.frozen_credentials(self.aws)
            bundle = amazon.ca_bundle(self.aws)
        if bundle:
            # deltalake has no option for it, and reads this variable for every client it makes.
            os.environ.setdefault("SSL_CERT_FILE", bundle)
        endpoint = s3.meta.endpoint_url
        options: dict[str, str] = {
            "aws_region": self.region,
            # Always named: deltalake knows only the endpoints of the commercial regions.
            "aws_endpoint": endpoint,
            "aws_virtual_hosted_style_request": "false",
            "aws_conditional_put": "etag",
            "aws_access_key_id": keys.access_key or "",
            "aws_secret_access_key": keys.secret_key or "",
            "allow_http": str(endpoint.startswith("http://")).lower(),
        }
        if keys.token:
            options["aws_session_token"] = keys.token
        if self.aws.sse:
            options["aws_server_side_encryption"] = self.aws.sse
        if self.aws.kms_key_id:
            options["aws_sse_kms_key_id"] = self.aws.kms_key_id
        proxy = amazon.proxy_of(endpoint)
        return options | ({"proxy_url": proxy} if proxy else {})

    def filesystem(self) -> Any:
        """See `Store`."""
        from ctanalytics.lake.s3_files import S3Files

        return S3Files(self.storage_options, amazon.ca_bundle(self.aws))

    def open_parquet(self, path: str, **options: Any) -> pq.ParquetFile:
        """See `Store`."""
        with aws_errors(self.location(path), LAKE):
            return pq.ParquetFile(self._files.handle(f"{self.bucket}/{self._key(path)}"), **options)

    @functools.cached_property
    def _files(self) -> S3Files:
        from ctanalytics.lake.s3_files import S3Files

        return S3Files(self.storage_options, amazon.ca_bundle(self.aws))

    def spec(self) -> dict[str, Any]:
        """See `Store`."""
        with aws_errors(self.uri, LAKE):
            region = self.region
        return {"uri": self.uri, "aws": msgspec.to_builtins(self.aws), "region": region}

    def probe(self) -> None:
        """See `Store`."""
        probe_store(self)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{checked(path)}" if self.prefix else checked(path)

    def _encryption(self) -> dict[str, Any]:
        wanted = {"ServerSideEncryption": self.aws.sse, "SSEKMSKeyId": self.aws.kms_key_id}
        return {name: value for name, value in wanted.items() if value}

    @functools.cached_property
    def region(self) -> str:
        """The bucket's region, asked for once."""
        return self.known_region or amazon.bucket_region(self.bucket, self.aws)

    def _client(self) -> S3Client:
        return amazon.client("s3", self.aws, region=self.region)

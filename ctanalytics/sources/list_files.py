"""Files that lists of objects are in: local or in a bucket, read from a copy whose sum was checked."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final

from ctanalytics import aws as amazon
from ctanalytics import untrusted
from ctanalytics.aws_errors import SOURCE, aws_errors
from ctanalytics.errors import SourceError, SourceMissing
from ctanalytics.settings import Aws

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CHUNK: Final = 1024 * 1024
_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
MANIFEST: Final = "manifest.json"
_KEY_BYTES: Final = 1024
"""That S3 allows a key."""


@dataclass(frozen=True)
class ListFile:
    """A file by its path, or an object by its address."""

    text: str
    aws: Aws

    @property
    def _place(self) -> tuple[str, str] | None:
        return amazon.bucket_of(self.text)

    def beside(self, name: str) -> ListFile:
        """Return the file of another name in the same folder."""
        if self._place:
            return ListFile(f"{self.text.rpartition('/')[0]}/{name}", self.aws)
        return ListFile(str(Path(self.text).parent / name), self.aws)

    def in_bucket(self, key: str) -> ListFile:
        """Return the file that has this key in the bucket of this one.

        A copy on disk has the key's folders above it, or lies beside this one or in `../data`.

        Raises:
            SourceError: the key leads out of the copy.
        """
        if place := self._place:
            return ListFile(f"s3://{place[0]}/{key}", self.aws)
        path = Path(self.text).resolve()
        parts = Path(key).parts
        if not parts or ".." in parts or key.startswith("/") or not _can_be_a_path(parts):
            raise SourceError(
                "a file of the list lies outside of it, or has no name that a file can have",
                where=untrusted.one_line(key),
                mend="don't use it",
            )
        name = parts[-1]
        near = [path.parent / name, path.parent / "data" / name, path.parent.parent / "data" / name]
        for found in [*(parent / key for parent in path.parents), *near]:
            if found.is_file():
                return ListFile(str(found), self.aws)
        return ListFile(str(near[0]), self.aws)

    def newest(self) -> ListFile:
        """Return the newest manifest below this place, if it is a folder of reports; else itself.

        Raises:
            SourceMissing: there is no report in the folder.
        """
        if not self.text.endswith("/") and not (self._place is None and Path(self.text).is_dir()):
            return self
        folder = self.text.rstrip("/")
        for name in sorted(filter(_DATED.fullmatch, self._folders()), reverse=True):
            found = ListFile(f"{folder}/{name}/{MANIFEST}", self.aws)
            # The folder comes before the manifest, which is written last.
            if found._exists():
                return found
        if (found := ListFile(f"{folder}/{MANIFEST}", self.aws))._exists():
            return found
        raise SourceMissing(
            "there is no inventory report in this folder",
            where=self.text,
            mend="name a manifest.json, or the folder that has dated folders such as "
            "2026-11-28T01-00Z in it",
        )

    @contextmanager
    def opened(self, md5: str | None = None) -> Iterator[IO[bytes]]:
        """Open the file for reading from its beginning; of an object, a copy in a temporary file.

        Args:
            md5: its sum in hexadecimal digits, which is checked before anything is read.

        Raises:
            SourceMissing, SourceDenied, SourceError: it can't be read.
            SourceError: it has another sum.
        """
        if place := self._place:
            with TemporaryFile(prefix="ctanalytics-") as copy:
                self._check(self._download(*place, copy), md5)
                copy.seek(0)
                yield copy
            return
        with self._local() as file:
            if md5:
                self._check(hashlib.file_digest(file, _md5).hexdigest(), md5)
                file.seek(0)
            yield file

    def _local(self) -> io.BufferedReader:
        try:
            return Path(self.text).open("rb")
        except OSError as error:
            raise SourceMissing(
                f"the file can't be opened: {error.strerror}",
                where=self.text,
                mend="check the path",
            ) from error

    def _check(self, found: str, md5: str | None) -> None:
        if md5 and found != md5.lower():
            raise SourceError(
                f"the file is not the one that the manifest names: its MD5 is {found}, not {md5}",
                where=self.text,
                mend="take another report, or fetch this file again; nothing of it was read",
            )

    def _download(self, bucket: str, key: str, copy: IO[bytes]) -> str:
        """Copy an object; return its MD5. A body that breaks off is asked for again."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        with aws_errors(self.text, SOURCE):
            for attempt in range(1, amazon.BODY_ATTEMPTS + 1):
                copy.seek(0)
                copy.truncate()
                total = _md5()
                try:
                    body = self._client(bucket).get_object(Bucket=bucket, Key=key)["Body"]
                    for chunk in body.iter_chunks(_CHUNK):
                        total.update(chunk)
                        copy.write(chunk)
                    return total.hexdigest()
                except (HTTPClientError, IncompleteReadError):
                    if attempt == amazon.BODY_ATTEMPTS:
                        raise
                    amazon.pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _folders(self) -> Iterator[str]:
        """Names of the folders in this one."""
        if (place := self._place) is None:
            yield from (each.name for each in Path(self.text).iterdir() if each.is_dir())
            return
        bucket, key = place
        prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
        with aws_errors(self.text, SOURCE):
            pages = self._client(bucket).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"][len(prefix) : -1]

    def _exists(self) -> bool:
        if (place := self._place) is None:
            return Path(self.text).is_file()
        bucket, key = place
        with aws_errors(self.text, SOURCE):
            page = self._client(bucket).list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(found["Key"] == key for found in page.get("Contents", []))

    def _client(self, bucket: str) -> S3Client:
        return amazon.client("s3", self.aws, region=amazon.bucket_region(bucket, self.aws))


def _can_be_a_path(parts: Sequence[str]) -> bool:
    """Tell whether a file system takes these names: most take 255 bytes each, none a NUL."""
    named = [part.encode("utf-8", "surrogatepass") for part in parts]
    return all(len(one) <= 255 and b"\0" not in one for one in named) and (
        sum(map(len, named)) < _KEY_BYTES
    )


def _md5() -> hashlib._Hash:
    # S3 Inventory gives no other sum: it tells a damaged copy, and no forged one.
    return hashlib.md5(usedforsecurity=False)

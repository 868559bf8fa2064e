"""Where a report goes: a folder of its owner alone, or a prefix of an S3 bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics import whole
from ctanalytics.aws_errors import Kinds, aws_errors
from ctanalytics.errors import ReportError
from ctanalytics.settings import LakeAws

_REPORT: Final = Kinds(ReportError, ReportError, ReportError)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder; files in it may be read by their owner alone, and are written whole or not at all."""

    folder: Path

    def at(self, name: str) -> str:
        """Return where a file lies."""
        return str(self.folder / name)

    def put(self, forms: Mapping[str, str]) -> None:
        """Write files by their names.

        Raises:
            ReportError: the folder or a file can't be written.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for name, text in forms.items():
                with whole.replacing(self.folder / name) as file:
                    file.write(text.encode())
        except (FileExistsError, NotADirectoryError) as error:
            raise ReportError(
                "this is a file, or lies below one, and a report is a folder of files",
                where=str(self.folder),
                mend="name a folder with --output",
            ) from error
        except OSError as error:
            raise ReportError(
                f"the report can't be written: {error.strerror or error}",
                where=str(error.filename or self.folder),
                mend="name another folder with --output",
            ) from error


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A prefix of a bucket. Objects get no ACL: who may read them is the bucket's policy."""

    bucket: str
    prefix: str
    client: Any
    encryption: Mapping[str, str]

    def at(self, name: str) -> str:
        """Return the URI of an object."""
        return f"s3://{self.bucket}/{self._key(name)}"

    def put(self, forms: Mapping[str, str]) -> None:
        """Write objects by their names, encrypted as the lake is.

        Raises:
            ReportError: an object can't be written.
        """
        for name, text in forms.items():
            with aws_errors(self.at(name), _REPORT):
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=self._key(name),
                    Body=text.encode(),
                    ContentType=_TYPES.get(Path(name).suffix, "application/octet-stream"),
                    **self.encryption,
                )

    def _key(self, name: str) -> str:
        return "/".join(filter(None, (self.prefix, name)))


Place = FolderPlace | BucketPlace


def place_of(output: str | Path, aws: LakeAws) -> Place:
    """Return where a report goes.

    Args:
        output: a folder, or s3://bucket/prefix. In S3, objects are encrypted by `aws.sse` and
            `aws.kms_key_id`, else by SSE-KMS with the account's key for S3.

    Raises:
        ReportError: the bucket can't be reached.
    """
    bucket = amazon.bucket_of(str(output))
    if bucket is None:
        return FolderPlace(Path(output))
    with aws_errors(f"s3://{bucket[0]}", _REPORT):
        client = amazon.client("s3", aws, region=amazon.bucket_region(bucket[0], aws))
    return BucketPlace(bucket[0], bucket[1].strip("/"), client, amazon.encryption(aws))

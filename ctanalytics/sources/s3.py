"""Log files in an S3 bucket: listed in parallel, narrowed by folder before a page is asked for."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import msgspec

from ctanalytics import aws as amazon
from ctanalytics import settings, untrusted
from ctanalytics.aws_errors import SOURCE, Explanation, aws_errors, explain
from ctanalytics.aws_get import TooLarge
from ctanalytics.errors import SourceDenied, SourceMissing, UsageError
from ctanalytics.sources.base import (
    BATCH,
    Fetched,
    LogObject,
    Notes,
    Reason,
    Requests,
    Selection,
    Unread,
    batched,
)
from ctanalytics.sources.s3_layout import Folder, Layout, Leaf, Walker

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.literals import TierType
    from mypy_boto3_s3.type_defs import RestoreRequestTypeDef

Restoring = Literal["asked", "waiting", "refused"]
"""What became of a request to restore: accepted, made before and under way, or not allowed."""

_THREADS: Final = 16  # stretches listed at a time; each holds at most two pages of objects
_CONNECTIONS: Final = 64
_THROTTLED_ATTEMPTS: Final = 6  # each of them is already repeated by botocore
_OBJECT_FAULTS: Final = frozenset({"gone", "denied", "changed", "archived"})


@dataclass(frozen=True, slots=True)
class _Page:
    objects: list[LogObject]
    folders: list[str]
    token: str | None


@dataclass
class S3Source:
    """A bucket, or what lies below a prefix of it, or one object."""

    name: str
    bucket: str
    prefix: str
    aws: settings.Aws
    known_region: str = ""
    requests: Requests = field(default_factory=Requests)
    notes: Notes = field(default_factory=Notes)
    found: tuple[str, ...] = ()
    """Prefixes of the stretches that the last walk came to; what `again` takes."""
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if not self.bucket:
            raise UsageError("the bucket is missing", where=self.name, mend="s3://BUCKET/PREFIX")

    @functools.cached_property
    def region(self) -> str:
        """The bucket's region."""
        return self.known_region or amazon.bucket_region(self.bucket, self.aws)

    @property
    def _payer(self) -> dict[str, Any]:
        """What a request says of its cost."""
        pays = isinstance(self.aws, settings.SourceAws) and self.aws.requester_pays
        return {"RequestPayer": "requester"} if pays else {}

    def list(self, selection: Selection) -> Iterator[list[LogObject]]:
        """See `sources.base.Source`."""
        with ThreadPoolExecutor(_THREADS) as pool:
            prefix, walked = self._place()
            layout = Layout([Leaf(prefix, check=True)])
            if walked:
                layout = Walker(self._look, pool, selection, self.notes).layout(prefix)
            self.found = tuple(leaf.prefix for leaf in layout.leaves)
            loose = (found for found in layout.loose if selection.takes(found.key))
            found_any = False
            for batch in batched(chain(loose, self._listed(pool, layout.leaves, selection))):
                found_any = True
                yield batch
            if not found_any:
                self._say_why(prefix)

    def again(self, prefixes: Iterable[str], selection: Selection) -> Iterator[Sequence[LogObject]]:
        """Yield the objects of stretches that an earlier listing came to; no folder is looked for.

        Args:
            prefixes: as `found` had them.

        Raises:
            SourceDenied, SourceError: as for `list`.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            leaves = Walker(self._look, pool, selection, self.notes).again(prefixes)
            yield from batched(self._listed(pool, leaves, selection))

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:
        """See `sources.base.Source`."""
        from botocore.exceptions import BotoCoreError, ClientError

        if obj.archived:
            return Unread("archived", f"the storage class is {obj.storage_class}")
        if obj.size_bytes > max_bytes:
            return Unread("too_large", f"{obj.size_bytes} bytes, the limit is {max_bytes}")
        where = f"s3://{self.bucket}/{obj.key}"
        for attempt in range(1, _THROTTLED_ATTEMPTS + 1):
            with aws_errors(where, SOURCE):
                try:
                    self._count(gets=1)
                    return amazon.read_object(
                        self._client(),
                        self.bucket,
                        obj.key,
                        if_match=f'"{obj.etag}"' if obj.etag else None,
                        max_bytes=max_bytes,
                        requester_pays=bool(self._payer),
                        many=True,
                    )
                except TooLarge as error:
                    # What named it gave no size, or a wrong one.
                    return Unread("too_large", f"{error} bytes, the limit is {max_bytes}")
                except (ClientError, BotoCoreError) as error:
                    found = explain(error)
                    if found.kind in _OBJECT_FAULTS:
                        return _unread(found)
                    # Keys have a quota of requests: a busy one is waited for, and says nothing
                    # about the object.
                    if found.kind != "throttled" or attempt == _THROTTLED_ATTEMPTS:
                        raise
            amazon.pause(attempt, base_seconds=1.0)
        raise AssertionError("the last attempt returns or raises")

    def spec(self) -> dict[str, Any]:
        """See `sources.base.Source`."""
        with aws_errors(self.name, SOURCE):
            region = self.region
        return {"source": self.name, "aws": msgspec.to_builtins(self.aws), "region": region}

    def holds(self, bucket: str, key: str) -> bool:
        """Tell whether an object lies in this source."""
        return bucket == self.bucket and key.startswith(self.prefix)

    def head(self, key: str) -> LogObject | None:
        """Return an object as it is now; None when it is not there, or not for us: a read tells.

        Raises:
            SourceError: the bucket can't be asked at all.
        """
        from botocore.exceptions import ClientError

        with aws_errors(f"s3://{self.bucket}/{key}", SOURCE):
            self._count(gets=1)
            try:
                answer = self._client().head_object(Bucket=self.bucket, Key=key, **self._payer)
            except ClientError as error:
                if explain(error).kind in ("gone", "denied", "missing"):
                    return None
                raise
        return LogObject(
            bucket=self.bucket,
            key=key,
            etag=answer["ETag"].strip('"'),
            size_bytes=answer["ContentLength"],
            last_modified=answer["LastModified"],
            storage_class=answer.get("StorageClass"),
            restored='ongoing-request="false"' in answer.get("Restore", ""),
        )

    def restore(self, obj: LogObject, days: int, tier: str) -> Restoring:
        """Ask S3 for a copy of an archived object that can be read for some days.

        Raises:
            SourceError: the bucket can't be asked at all.
        """
        from botocore.exceptions import ClientError

        request: RestoreRequestTypeDef = {"GlacierJobParameters": {"Tier": cast("TierType", tier)}}
        if obj.storage_class != "INTELLIGENT_TIERING":
            request["Days"] = days  # what is tiered comes back for good
        with aws_errors(f"s3://{self.bucket}/{obj.key}", SOURCE):
            try:
                self._client().restore_object(
                    Bucket=self.bucket, Key=obj.key, RestoreRequest=request, **self._payer
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "RestoreAlreadyInProgress":
                    return "waiting"
                found = explain(error)
                if found.kind in _OBJECT_FAULTS:
                    self.notes.add(f"a restore was refused: {found.what}; {found.mend}")
                    return "refused"
                raise
        return "asked"

    def _place(self) -> tuple[str, bool]:
        """Tell the prefix to list, and whether it is a folder, to be walked.

        A text without a slash at its end may name a folder, an object, or the beginning of
        several names; a folder goes before the others.
        """
        if not self.prefix or self.prefix.endswith("/"):
            return self.prefix, True
        folder = f"{self.prefix}/"
        try:
            page = self._page(self.prefix, delimiter="/")
        except SourceDenied:
            return folder, True  # a policy may allow what is in the folder, and nothing beside it
        if folder in page.folders:
            return folder, True
        if not page.objects and not page.folders:
            raise self._missing(self.prefix)
        return self.prefix, False

    def _look(self, prefix: str) -> Folder:
        """List what lies directly in a folder."""
        folders: list[str] = []
        objects: list[LogObject] = []
        token: str | None = None
        while True:
            page = self._page(prefix, delimiter="/", token=token)
            objects += page.objects
            folders += [found[len(prefix) : -1] for found in page.folders]
            token = page.token
            # A folder of very many files is no level of a layout; it is listed as a stretch.
            if token is None or len(objects) > 5 * BATCH:
                return Folder(folders, objects, complete=token is None)

    def _listed(
        self, pool: ThreadPoolExecutor, leaves: Iterable[Leaf], selection: Selection
    ) -> Iterator[LogObject]:
        """Yield the objects of stretches in their order, while the next ones are being fetched."""
        waiting = iter(leaves)
        window: deque[tuple[Leaf, Future[_Page]]] = deque()

        def fill() -> None:
            while len(window) < _THREADS and (leaf := next(waiting, None)) is not None:
                window.append((leaf, pool.submit(self._page_of, leaf, None)))

        try:
            fill()
            while window:
                leaf, coming = window.popleft()
                fill()
                while True:
                    page = coming.result()
                    ended = _ended(leaf, page.objects)
                    if page.token and not ended:
                        coming = pool.submit(self._page_of, leaf, page.token)
                    for found in page.objects:
                        if _beyond(leaf, found.key):
                            break
                        if not leaf.check or selection.takes(found.key):
                            yield found
                    if ended or not page.token:
                        break
        finally:
            for _, future in window:
                future.cancel()

    def _page_of(self, leaf: Leaf, token: str | None) -> _Page:
        return self._page(leaf.prefix, token=token, start_after=leaf.start_after)

    def _page(
        self, prefix: str, *, delimiter: str = "", token: str | None = None, start_after: str = ""
    ) -> _Page:
        """Ask S3 for one page of a listing."""
        request: dict[str, Any] = {
            "Bucket": self.bucket,
            "Prefix": prefix,
            "MaxKeys": BATCH,
            "OptionalObjectAttributes": ["RestoreStatus"],
            **self._payer,
        }
        if delimiter:
            request["Delimiter"] = delimiter
        if token:
            request["ContinuationToken"] = token
        elif start_after:
            request["StartAfter"] = start_after
        with aws_errors(f"s3://{self.bucket}/{prefix}", SOURCE):
            self._count(lists=1)
            answer = self._client().list_objects_v2(**request)
        return _Page(
            [
                _log_object(self.bucket, cast("dict[str, Any]", x))
                for x in answer.get("Contents", [])
            ],
            [found["Prefix"] for found in answer.get("CommonPrefixes", [])],
            answer.get("NextContinuationToken"),
        )

    def _say_why(self, prefix: str) -> None:
        """Nothing was chosen: there is nothing at all, or all of it lies outside the selection."""
        objects = self._page(prefix).objects
        if not objects:
            raise self._missing(prefix)
        self.notes.add(
            f"{self.name} holds objects, but none of the chosen days, accounts and regions; "
            f"the first is {untrusted.one_line(objects[0].key)}"
        )

    def _missing(self, prefix: str) -> SourceMissing:
        """Say that nothing is there, and what is near."""
        parent = prefix.rstrip("/").rpartition("/")[0]
        parent = f"{parent}/" if parent else ""
        mend = "check the prefix"
        if prefix:
            try:
                page = self._page(parent, delimiter="/")
                names = page.folders + [found.key for found in page.objects]
                shown = ", ".join(untrusted.one_line(name) for name in names[:5]) or "nothing"
                mend += f"; the bucket has {shown}" + (" and more" if len(names) > 5 else "")
            except SourceDenied:
                mend += "; what is near it may not be listed"
        else:
            mend = "the bucket is empty: check that the trail delivers to it"
        return SourceMissing(
            "there is no object below this prefix", where=f"s3://{self.bucket}/{prefix}", mend=mend
        )

    def _client(self) -> S3Client:
        return amazon.client("s3", self.aws, region=self.region, connections=_CONNECTIONS)

    def _count(self, *, lists: int = 0, gets: int = 0) -> None:
        with self._counting:
            self.requests.lists += lists
            self.requests.gets += gets


def _beyond(leaf: Leaf, key: str) -> bool:
    return bool(leaf.last) and key[: len(leaf.last)] > leaf.last


def _ended(leaf: Leaf, objects: list[LogObject]) -> bool:
    return bool(objects) and _beyond(leaf, objects[-1].key)


def _unread(found: Explanation) -> Unread:
    return Unread(cast("Reason", found.kind), f"{found.what}; {found.mend}")


def _log_object(bucket: str, found: dict[str, Any]) -> LogObject:
    restore = found.get("RestoreStatus", {})
    return LogObject(
        bucket=bucket,
        key=found["Key"],
        etag=found.get("ETag", "").strip('"'),
        size_bytes=found["Size"],
        last_modified=found["LastModified"],
        storage_class=found.get("StorageClass"),
        restored="RestoreExpiryDate" in restore,
    )

"""Messages that announce new objects: what a body says, in whatever envelopes it came.

S3 event notifications, direct or through SNS (wrapped or raw) or EventBridge, and the notification
of a trail's own SNS topic. Anyone who may send to the queue writes these texts: they are read as
strictly as log files, and what an object is, only S3 tells.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

_ENVELOPES: Final = 4
"""Envelopes in one another: EventBridge in SNS in a Lambda's event in SQS is the deepest known."""
_KEY_BYTES: Final = 1_024
"""A longer key can't be one of S3."""
_LARGEST: Final = 2**53
_ETAG: Final = re.compile(r'"?[0-9A-Za-z-]{1,80}"?')
"""It goes into a header of a request."""
_S3_VERSION: Final = "2"
_EVENTBRIDGE_VERSION: Final = "1"
_NEW_OBJECT: Final = ("ObjectCreated:", "ObjectRestore:Completed")
_NEW_DETAIL: Final = ("Object Created", "Object Restore Completed")


class NotANoticeError(ValueError):
    """A body that can't be understood, in words."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An object that a message names; empty where the message is silent."""

    bucket: str
    key: str
    etag: str = ""
    size_bytes: int = 0
    at: dt.datetime | None = None


@dataclass
class Notice:
    """What a message says."""

    objects: list[Announced] = field(default_factory=list)
    ignored: int = 0
    """Things said that announce no new object: tests, deletions, tags."""
    fault: str = ""
    """What of it can't be understood, while the rest can."""


def read(body: str) -> Notice:
    """Read a message's body.

    Raises:
        NotANoticeError: nothing of it is of a known kind and version.
    """
    notice = Notice()
    _unwrap(_json(body), _ENVELOPES, notice)
    if notice.fault and not notice.objects and not notice.ignored:
        raise NotANoticeError(notice.fault)
    return notice


def _json(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise NotANoticeError(f"it is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotANoticeError("it is not a JSON object")
    return found


def _unwrap(found: dict[str, Any], depth: int, notice: Notice) -> None:
    """Read what is in the envelopes: each S3 record, or the whole of another kind."""
    if depth < 0:
        raise NotANoticeError("there are too many envelopes in one another")
    if found.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise NotANoticeError("it is SNS's request to confirm a subscription: confirm it by hand")
    if isinstance(found.get("Message"), str) and "TopicArn" in found:
        _unwrap(_json(found["Message"]), depth - 1, notice)
        return
    records = found.get("Records")
    if not isinstance(records, list):
        _read(found, notice)
        return
    for record in records:
        try:
            _unwrap_record(record, depth, notice)
        except NotANoticeError as error:
            # One that can't be understood costs its neighbours nothing.
            notice.fault = str(error)


def _unwrap_record(record: Any, depth: int, notice: Notice) -> None:
    if not isinstance(record, dict):
        raise NotANoticeError("a record is not an object")
    if isinstance(record.get("Sns"), dict):  # as Lambda gets it
        _unwrap(record["Sns"], depth - 1, notice)
    elif isinstance(record.get("body"), str):
        _unwrap(_json(record["body"]), depth - 1, notice)
    else:
        _read(record, notice)


def _read(said: dict[str, Any], notice: Notice) -> None:
    if said.get("Event") == "s3:TestEvent":
        notice.ignored += 1
    elif "s3ObjectKey" in said:
        _read_trail(said, notice)
    elif said.get("source") == "aws.s3" and isinstance(said.get("detail"), dict):
        _read_eventbridge(said, notice)
    elif isinstance(said.get("s3"), dict):
        _read_s3(said, notice)
    else:
        raise NotANoticeError("it announces no object in a known form")


def _read_trail(said: dict[str, Any], notice: Notice) -> None:
    """A trail's own notification: keys as they are, without ETag and size."""
    keys = said["s3ObjectKey"]
    for key in keys if isinstance(keys, list) else [keys]:
        notice.objects.append(_announced(said.get("s3Bucket"), key, {}, None))


def _read_eventbridge(said: dict[str, Any], notice: Notice) -> None:
    detail = said["detail"]
    if said.get("detail-type") not in _NEW_DETAIL:
        notice.ignored += 1
        return
    _check_version(detail.get("event-version", _EVENTBRIDGE_VERSION), _EVENTBRIDGE_VERSION)
    found = _member(detail, "object")
    restored = said["detail-type"] == _NEW_DETAIL[1]
    # EventBridge gives keys as they are; a plus sign in them is one.
    notice.objects.append(
        _announced(
            _member(detail, "bucket").get("name"),
            found.get("key"),
            # A restored copy has the old ETag, and nothing says for how long: S3 is asked.
            {} if restored else found,
            said.get("time"),
        )
    )


def _read_s3(said: dict[str, Any], notice: Notice) -> None:
    name = said.get("eventName")
    if not isinstance(name, str):
        raise NotANoticeError("eventName is missing")
    if not name.removeprefix("s3:").startswith(_NEW_OBJECT):
        notice.ignored += 1
        return
    _check_version(said.get("eventVersion", _S3_VERSION), _S3_VERSION)
    found = _member(said["s3"], "object")
    key = found.get("key")
    if isinstance(key, str):
        try:
            key = unquote_plus(key, errors="strict")  # S3 encodes keys as in a form
        except UnicodeDecodeError as error:
            raise NotANoticeError("the key is not UTF-8") from error
    restored = not name.removeprefix("s3:").startswith(_NEW_OBJECT[0])
    notice.objects.append(
        _announced(
            _member(said["s3"], "bucket").get("name"),
            key,
            {} if restored else {"etag": found.get("eTag"), "size": found.get("size")},
            said.get("eventTime"),
        )
    )


def _announced(bucket: Any, key: Any, found: dict[str, Any], time: Any) -> Announced:
    if not isinstance(bucket, str) or not bucket:
        raise NotANoticeError("the bucket is missing")
    if not isinstance(key, str) or not key:
        raise NotANoticeError("the key is missing")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise NotANoticeError("the key is no Unicode text") from error
    if length > _KEY_BYTES:
        raise NotANoticeError(f"the key is longer than {_KEY_BYTES} bytes")
    etag, size = found.get("etag"), found.get("size")
    if isinstance(etag, str) and isinstance(size, int) and _ETAG.fullmatch(etag) and size >= 0:
        return Announced(bucket, key, etag.strip('"'), min(size, _LARGEST), _moment(time))
    return Announced(bucket, key, at=_moment(time))


def _moment(time: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(time)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _member(found: dict[str, Any], name: str) -> dict[str, Any]:
    member = found.get(name)
    if not isinstance(member, dict):
        raise NotANoticeError(f"{name} is missing")
    return member


def _check_version(version: Any, major: str) -> None:
    if str(version).partition(".")[0] != major:
        raise NotANoticeError(f"version {str(version)[:20]} is not {major}.x")

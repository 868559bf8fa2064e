"""What a file holds, told by its content: which records, in which wrapping, or why none.

The shapes that occur: `{"Records": [...]}`, a bare list, one record, newline-separated JSON, an
EventBridge event (`detail`), a LookupEvents reply (`CloudTrailEvent` as text), what comes out of
CloudWatch Logs (a subscription's `logEvents[].message`, also packed as Lambda and Kinesis get it;
export tasks' lines of time and message; replies of its API), any of these one behind the other
without a line break, as Firehose writes them; and files that are not logs: digests, AWS Config and
what lies beside logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ctanalytics.lake import json_text, other_files
from ctanalytics.lake.unpack import BASE64_GZIP, payload

Text = bytes | msgspec.Raw
Object = dict[str, msgspec.Raw] | dict[str, bytes]

_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode

_RECORD_KEYS = frozenset(
    (
        "eventVersion",
        "eventName",
        "eventSource",
        "eventID",
        "eventId",
        "eventTime",
        "insightDetails",
    )
)
_HOLDERS: Final = ("events", "records", "results")
"""Lists in replies of CloudWatch Logs and in events of Firehose."""
_CODED: Final = ("data", "rawData")
"""What is a payload in base64; rawData, in the objects of what Firehose could not process."""
_PACKED: Final = ("awslogs", "kinesis")
"""What holds a packed payload in the events that Lambda gets."""
_MAX_WRAPPING: Final = 8
_MAX_PAYLOAD: Final = 64 * 1024 * 1024
"""Unpacked; CloudWatch Logs makes payloads of at most 1 MB."""
_MAX_TEXT: Final = 1024 * 1024 * 1024
"""Of all records of a file together, which packed payloads may make larger than the file."""
_TIME_AND_STREAM: Final = 600
"""Bytes before the message in a line of an export, or of `aws logs tail`, at most."""
_MAX_ODD: Final = 10_000
"""A file with more things than this that are no records, and fewer records, is no log."""


class NotJsonError(Exception):
    """The text is not JSON; the message says where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing found in a file: a record's JSON text, or why it can't be one."""

    text: bytes
    reason: str | None = None  # not_json, not_utf8, not_cloudtrail
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """All items of a file, and the kind of file: log, digest, config, companion, unknown."""

    kind: str
    items: list[Item]


def read(content: bytes) -> Contents:
    """Find the records of a file.

    Every item that can't be a record says why; a file with nothing recognisable is "unknown".
    """
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return Contents("empty", [])
    if text == other_files.WRITE_TEST:
        return Contents("companion", [])
    try:
        _check(text)
    except NotJsonError as error:
        return (
            _contents(_rescued(text))
            or _contents(_lines(text))
            or _contents(_documents(text))
            or _not_json(other_files.told(content) or str(error))
        )
    kind = _document_kind(text)
    if kind != "log":
        return Contents(kind, [])
    items, odd = _bounded(_items(text, 0))
    return Contents("log", items) if items is not None else _other(odd)


def _check(text: bytes) -> None:
    """Make sure that a text is JSON, where half a surrogate pair may stand for a character."""
    try:
        try:
            _decode_any(text)
        except msgspec.DecodeError:
            mended = json_text.mended(text)
            if mended == text:
                raise
            _decode_any(mended)
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJsonError(str(error)) from error


def _object(text: Text) -> Object | None:
    if bytes(memoryview(text)[:1]) != b"{":
        return None
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json_text.members(bytes(text))


def _list(text: bytes) -> list[msgspec.Raw] | list[bytes]:
    try:
        return _decode_list(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json_text.elements(text) or []


def _document_kind(whole: bytes) -> str:
    document = _object(whole)
    if document is None:
        return "log"
    if "digestStartTime" in document and "logFiles" in document:
        return "digest"
    if "configurationItems" in document or "configurationItem" in document:
        return "config"
    if "hashSignature" in document and "files" in document:  # of query results in S3
        return "companion"
    return "log"


def _bounded(items: Iterable[Item]) -> tuple[list[Item] | None, int]:
    """All items, and how many can't be records; None for the items when those prevail."""
    taken: list[Item] = []
    odd = size = 0
    for item in items:
        taken.append(item)
        odd += item.reason is not None
        size += len(item.text)
        if (odd > _MAX_ODD and odd > len(taken) - odd) or size > _MAX_TEXT:
            return None, odd
    return taken, odd


def _contents(found: Iterable[Item]) -> Contents | None:
    """A file that is not one JSON text, if any record was found in it."""
    items, odd = _bounded(found)
    return Contents("log", items) if items is not None and odd < len(items) else None


def _not_json(fault: str) -> Contents:
    # One fault for the file, not one for each of its lines.
    return Contents("unknown", [Item(b"", "not_json", fault)])


def _other(odd: int) -> Contents:
    detail = f"more than {odd - 1} things in it are no records"
    if odd <= _MAX_ODD:
        detail = f"its packed payloads unpack to more than {_MAX_TEXT} bytes"
    return Contents("log", [Item(b"", "not_cloudtrail", detail)])


def _rescued(text: bytes) -> Iterator[Item]:
    """The records of a document that one of its records spoils; its brackets still pair up."""
    holder = json_text.members(text)
    records = bytes(holder.get("Records", b"")) if holder is not None else text
    for record in json_text.elements(records) or ():
        try:
            _check(record)
        except NotJsonError as error:
            yield Item(record, "not_json", str(error))
        else:
            yield from _items(record, 1)


def _lines(text: bytes) -> Iterator[Item]:
    """Newline-separated JSON, or a CloudWatch Logs export: `2026-11-24T00:00:00.000Z {...}`."""
    for line in text.splitlines():
        line = line.strip()
        if not line:
            continue
        timed = line[:4].isdigit() and line[:_TIME_AND_STREAM].find(b" {") > 0
        text = line[line.find(b"{") :] if timed else line
        try:
            _check(text)
        except NotJsonError as error:
            several = json_text.documents(text)[0][1:]
            yield from _documents(text) if several else [Item(line, "not_json", str(error))]
        else:
            yield from _items(text, 0)


def _documents(text: bytes) -> Iterator[Item]:
    """JSON objects one behind the other."""
    found, rest = json_text.documents(text)
    for document in found:
        try:
            _check(document)
        except NotJsonError as error:
            yield Item(document, "not_json", str(error))
        else:
            yield from _items(document, 0)
    if rest:
        yield Item(rest, "not_json", "it ends early, or is no JSON")


def _items(text: bytes, depth: int) -> Iterator[Item]:
    if depth > _MAX_WRAPPING:
        yield Item(text, "not_cloudtrail", "wrapped too deeply")
        return
    if text[:1] == b"[":
        for element in _list(text):
            yield from _items(bytes(element), depth + 1)
        return
    wrapper = _object(text)
    if wrapper is None:
        yield Item(text, "not_cloudtrail", "a JSON object is expected")
        return
    yield from _unwrapped(text, wrapper, depth)


def _unwrapped(text: bytes, wrapper: Object, depth: int) -> Iterator[Item]:
    if _is_list(wrapper.get("Records")):
        yield from _items(bytes(wrapper["Records"]), depth + 1)
    elif len(_RECORD_KEYS & wrapper.keys()) >= 2:
        # Before the wrappers of other channels: a record may have their keys, they not a record's.
        yield Item(text)
    elif _is_list(wrapper.get("Events")):
        yield from _items(bytes(wrapper["Events"]), depth + 1)
    elif _is_list(wrapper.get("logEvents")) and "messageType" in wrapper:
        if bytes(wrapper["messageType"]) != b'"CONTROL_MESSAGE"':
            yield from _messages(bytes(wrapper["logEvents"]), depth)
    elif "CloudTrailEvent" in wrapper:
        yield from _quoted(bytes(wrapper["CloudTrailEvent"]), depth)
    elif "detail-type" in wrapper and "detail" in wrapper:
        yield from _items(bytes(wrapper["detail"]), depth + 1)
    else:
        yield from _of_log_groups(text, wrapper, depth)


def _of_log_groups(text: bytes, wrapper: Object, depth: int) -> Iterator[Item]:
    """What CloudWatch Logs, Lambda and Firehose wrap records in; what is none of it is no record."""
    holder = next((name for name in _HOLDERS if _is_list(wrapper.get(name))), None)
    packed = next((name for name in _PACKED if name in wrapper), None)
    if holder or packed:
        yield from _items(bytes(wrapper[str(holder or packed)]), depth + 1)
    elif "message" in wrapper and "timestamp" in wrapper:
        yield from _quoted(bytes(wrapper["message"]), depth)
    elif wrapper.keys() == {"field", "value"}:  # of a row that Logs Insights found
        if bytes(wrapper["field"]) == b'"@message"':
            yield from _quoted(bytes(wrapper["value"]), depth)
    elif "data" in wrapper and bytes(wrapper["data"])[:1] in (b"{", b"["):
        yield from _items(bytes(wrapper["data"]), depth + 1)
    elif coded := next((x for x in _CODED if _is_coded(wrapper.get(x))), None):
        yield from _payload(text, bytes(wrapper[coded]), depth)
    elif "QueryResultRows" in wrapper:
        yield Item(text, "not_cloudtrail", other_files.LAKE_ROWS)
    elif "class_uid" in wrapper:
        yield Item(text, "not_cloudtrail", other_files.OCSF)
    else:
        keys = ", ".join(sorted(wrapper)[:6])
        yield Item(text, "not_cloudtrail", f"no CloudTrail record; top-level keys: {keys[:200]}")


def _payload(text: bytes, data: bytes, depth: int) -> Iterator[Item]:
    """What CloudWatch Logs packed for a subscriber, as base64 of gzip."""
    found = payload(data.strip(b'"').replace(b"\\/", b"/"), max_bytes=_MAX_PAYLOAD)
    if found.reason:
        yield Item(text, "not_json", f"a packed payload can't be read: {found.detail}")
        return
    try:
        _check(found.content)
    except NotJsonError as error:
        yield Item(text, "not_json", f"a packed payload is no JSON: {error}")
    else:
        yield from _items(found.content, depth + 1)


def _messages(events: bytes, depth: int) -> Iterator[Item]:
    for event in _list(events):
        holder = _object(event)
        if holder is None or "message" not in holder:
            yield Item(bytes(event), "not_cloudtrail", "a log event without a message")
        else:
            yield from _quoted(bytes(holder["message"]), depth)


def _quoted(text: bytes, depth: int) -> Iterator[Item]:
    """A record that stands as JSON text in a JSON string (or, in exports, as an object)."""
    if text[:1] == b"{":
        yield from _items(text, depth + 1)
        return
    try:
        inner = _decode_text(json_text.mended(text)).encode()
        _check(inner)
    except UnicodeDecodeError as error:
        yield Item(text, "not_utf8", str(error))
    except (msgspec.DecodeError, NotJsonError) as error:
        yield Item(text, "not_json", str(error))
    else:
        yield from _items(inner.strip(), depth + 1)


def _is_coded(value: Text | None) -> bool:
    return value is not None and bytes(memoryview(value)[:5]) == b'"' + BASE64_GZIP


def _is_list(value: Text | None) -> bool:
    return value is not None and bytes(memoryview(value)[:1]) == b"["

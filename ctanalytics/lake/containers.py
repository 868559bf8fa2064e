"""What a file holds, told by its content: which records, in which wrapping, or why none.

The shapes that occur: `{"Records": [...]}`, a bare list, one record, newline-separated JSON, an
EventBridge event (`detail`), a LookupEvents reply (`CloudTrailEvent` as text), a CloudWatch Logs
subscription (`logEvents[].message`) or export (lines of time and message), and files that are
not logs: digests and AWS Config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

Object = dict[str, msgspec.Raw]

_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
_decode_object = msgspec.json.Decoder(Object).decode
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
_MAX_WRAPPING = 4


class NotJsonError(Exception):
    """The text is not JSON; the message says where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing found in a file: a record's JSON text, or why it can't be one."""

    text: bytes
    reason: str | None = None  # not_json, not_cloudtrail
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """All items of a file, and the kind of file: log, digest, config or unknown."""

    kind: str
    items: list[Item]


def read(content: bytes) -> Contents:
    """Find the records of a file.

    Every item that can't be a record says why; a file with nothing recognisable is "unknown".
    """
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return Contents("empty", [])
    try:
        whole = _parse(text)
    except NotJsonError as error:
        return _lines(text, str(error))
    kind = _document_kind(whole)
    if kind != "log":
        return Contents(kind, [])
    return Contents("log", list(_items(whole, 0)))


def _parse(text: bytes | msgspec.Raw) -> msgspec.Raw:
    try:
        return _decode_any(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError(str(error)) from error


def _object(text: bytes | msgspec.Raw) -> Object | None:
    if bytes(memoryview(text)[:1]) != b"{":
        return None
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _document_kind(whole: msgspec.Raw) -> str:
    document = _object(whole)
    if document is None:
        return "log"
    if "digestStartTime" in document and "logFiles" in document:
        return "digest"
    if "configurationItems" in document or "configurationItem" in document:
        return "config"
    return "log"


def _lines(text: bytes, fault: str) -> Contents:
    """Newline-separated JSON, or a CloudWatch Logs export: `2026-11-24T00:00:00.000Z {...}`."""
    items: list[Item] = []
    found = False
    for line in text.splitlines():
        line = line.strip()
        if not line:
            continue
        start = line.find(b"{") if line[:4].isdigit() and line[:40].find(b" {") > 0 else 0
        try:
            value = _parse(line[start:])
        except NotJsonError as error:
            items.append(Item(line, "not_json", str(error)))
            continue
        parsed = list(_items(value, 0))
        found = found or any(item.reason is None for item in parsed)
        items.extend(parsed)
    if not found:
        # One fault for the file, not one for each of its lines.
        return Contents("unknown", [Item(b"", "not_json", fault)])
    return Contents("log", items)


def _items(value: msgspec.Raw, depth: int) -> Iterator[Item]:
    text = bytes(value)
    if depth > _MAX_WRAPPING:
        yield Item(text, "not_cloudtrail", "wrapped too deeply")
        return
    if text[:1] == b"[":
        for element in _decode_list(text):
            yield from _items(element, depth + 1)
        return
    wrapper = _object(text)
    if wrapper is None:
        yield Item(text, "not_cloudtrail", "a JSON object is expected")
        return
    yield from _unwrapped(text, wrapper, depth)


def _unwrapped(text: bytes, wrapper: Object, depth: int) -> Iterator[Item]:
    if _is_list(wrapper.get("Records")):
        yield from _items(wrapper["Records"], depth + 1)
    elif _is_list(wrapper.get("Events")):
        yield from _items(wrapper["Events"], depth + 1)
    elif _is_list(wrapper.get("logEvents")) and "messageType" in wrapper:
        if bytes(wrapper["messageType"]) != b'"CONTROL_MESSAGE"':
            yield from _messages(wrapper["logEvents"], depth)
    elif "CloudTrailEvent" in wrapper:
        yield from _quoted(wrapper["CloudTrailEvent"], depth)
    elif "detail-type" in wrapper and "detail" in wrapper:
        yield from _items(wrapper["detail"], depth + 1)
    elif len(_RECORD_KEYS & wrapper.keys()) >= 2:
        yield Item(text)
    elif "data" in wrapper and bytes(wrapper["data"])[:1] in (b"{", b"["):
        yield from _items(wrapper["data"], depth + 1)
    else:
        keys = ", ".join(sorted(wrapper)[:6])
        yield Item(text, "not_cloudtrail", f"no CloudTrail record; top-level keys: {keys[:200]}")


def _messages(events: msgspec.Raw, depth: int) -> Iterator[Item]:
    for event in _decode_list(events):
        holder = _object(event)
        if holder is None or "message" not in holder:
            yield Item(bytes(event), "not_cloudtrail", "a log event without a message")
        else:
            yield from _quoted(holder["message"], depth)


def _quoted(value: msgspec.Raw, depth: int) -> Iterator[Item]:
    """A record that stands as JSON text in a JSON string (or, in exports, as an object)."""
    if bytes(value)[:1] == b"{":
        yield from _items(value, depth + 1)
        return
    try:
        inner = _decode_text(value).encode("utf-8", "surrogatepass")
        yield from _items(_parse(inner), depth + 1)
    except (msgspec.DecodeError, NotJsonError) as error:
        yield Item(bytes(value), "not_json", str(error))


def _is_list(value: msgspec.Raw | None) -> bool:
    return value is not None and bytes(value)[:1] == b"["

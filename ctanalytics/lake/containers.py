"""What a file holds, told by its content: which records, in which wrapping, or why none.

The shapes that occur: `{"Records": [...]}`, a bare list, one record, newline-separated JSON, an
EventBridge event (`detail`), a LookupEvents reply (`CloudTrailEvent` as text), a CloudWatch Logs
subscription (`logEvents[].message`) or export (lines of time and message), and files that are
not logs: digests and AWS Config.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ctanalytics.lake import json_text

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
_MAX_WRAPPING: Final = 4
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
        _check(text)
    except NotJsonError as error:
        return _contents(_rescued(text)) or _contents(_lines(text)) or _not_json(str(error))
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
    return "log"


def _bounded(items: Iterable[Item]) -> tuple[list[Item] | None, int]:
    """All items, and how many can't be records; None for the items when those prevail."""
    taken: list[Item] = []
    odd = 0
    for item in items:
        taken.append(item)
        odd += item.reason is not None
        if odd > _MAX_ODD and odd > len(taken) - odd:
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
    return Contents(
        "log", [Item(b"", "not_cloudtrail", f"more than {odd - 1} things in it are no records")]
    )


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
        start = line.find(b"{") if line[:4].isdigit() and line[:40].find(b" {") > 0 else 0
        try:
            _check(line[start:])
        except NotJsonError as error:
            yield Item(line, "not_json", str(error))
        else:
            yield from _items(line[start:], 0)


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
    elif "data" in wrapper and bytes(wrapper["data"])[:1] in (b"{", b"["):
        yield from _items(bytes(wrapper["data"]), depth + 1)
    else:
        keys = ", ".join(sorted(wrapper)[:6])
        yield Item(text, "not_cloudtrail", f"no CloudTrail record; top-level keys: {keys[:200]}")


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


def _is_list(value: Text | None) -> bool:
    return value is not None and bytes(memoryview(value)[:1]) == b"["

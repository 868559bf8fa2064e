"""Hides chosen values of JSON text: each becomes `"***"` or a keyed hash, and no other byte changes.

Nothing is parsed and written anew, so order, white space, escapes, duplicate keys and numbers stay
as they were. Keys are compared after their escapes are read: `"session\\u0054oken"` is hidden too.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from ctanalytics.lake import json_text
from ctanalytics.lake.inflate import GZIP_MAGIC
from ctanalytics.lake.redact_paths import Node, Rule, rule, tree

MASK: Final = "***"
MASKED: Final = b'"***"'
HASH_PREFIX: Final = "hmac:"

_BLANK: Final = rb"[ \t\r\n]*+"
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_MEMBER = re.compile(_BLANK + b"(" + _STRING + b")" + _BLANK + b":" + _BLANK, re.S)
_BLANKS = re.compile(_BLANK)
_SCALAR = re.compile(_STRING + rb"|[^ \t\r\n,\]}\[{\":]++", re.S)
_BRACKETS = re.compile(_STRING + rb"|[\[\]{}]", re.S)
# How a letter, digit, - or _ of a key may hide from a search for the key.
_ESCAPED_LETTER = re.compile(
    rb"\\u00(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
)
_CUT: Final = b"*** (the rest is not kept: it may hold a masked value)"
_NOT_HIDDEN: Final = rb'(?!"\s*+:\s*+"(?:\*\*\*|hmac:[0-9a-f]{32})")'
_MAX_MEMBERS: Final = 16
_MAX_UNPACKED: Final = 64 * 1024 * 1024
_KNOWN: Final = 16_384
"""Values whose hash, and texts whose hidden form is kept at hand."""

Raw = msgspec.Raw
_ABSENT: Final = Raw(b"")
_decode_text = msgspec.json.Decoder(str).decode

Edit = tuple[int, int, Rule]
"""Where a value begins and ends, and the rule that hides it."""


class UnscannableError(ValueError):
    """The text is not JSON, so that no path can be followed in it."""


@dataclass
class Redactor:
    """What is hidden in records, and how.

    Args:
        rules: from `rules`.
        key: for the rules that hash.
    """

    rules: tuple[Rule, ...] = ()
    key: bytes | None = field(default=None, repr=False)
    root: Node = field(init=False)
    _needles: tuple[bytes, ...] | None = field(init=False)
    _hashes: dict[bytes, bytes] = field(default_factory=dict, init=False, repr=False)
    _texts: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.root = tree(self.rules)
        self._needles = needles(self.rules)

    def mentions(self, text: bytes) -> bool:
        """Tell whether a text may hold something to hide: one search for each key."""
        return may_hold(text, self._needles) if self.rules else False

    def record(self, text: bytes) -> tuple[bytes, tuple[str, ...]]:
        """Hide what has to be hidden in one record; also return the paths that led to something.

        Raises:
            UnscannableError: the text is not JSON.
        """
        return self.value(text, self.root)

    def value(
        self, text: bytes, node: Node, shortcut: Shortcut | None = None
    ) -> tuple[bytes, tuple[str, ...]]:
        """As `record`, for the value that a node of the tree stands for."""
        edit = shortcut.edit(text) if shortcut else None
        if edit:
            start, end, hiding = edit
            made = text[:start] + self.hidden(text[start:end], hiding) + text[end:]
            return made, (hiding.path,)
        found = list(edits(text, node))
        if not found:
            return text, ()
        pieces, place = [], 0
        for start, end, hidden in found:
            pieces += [text[place:start], self.hidden(text[start:end], hidden)]
            place = end
        paths = dict.fromkeys(hidden.path for _, _, hidden in found)
        return b"".join([*pieces, text[place:]]), tuple(paths)

    def hidden(self, value: bytes, hiding: Rule) -> bytes:
        """Return the JSON text that stands for a value from now on."""
        if hiding.action == "mask":
            return MASKED
        made = self._hashes.get(value)
        if made is None:
            made = b'"%s"' % self.hash(_plain(value)).encode()
            self._hashes = _with(self._hashes, value, made)
        return made

    def text(self, value: str, hiding: Rule) -> str:
        """As `hidden`, for a text outside JSON."""
        if hiding.action == "mask":
            return MASK
        made = self._texts.get(value)
        if made is None:
            made = self.hash(value.encode())
            self._texts = _with(self._texts, value, made)
        return made

    def hash(self, value: bytes) -> str:
        """Return the keyed hash of a value: equal values have equal hashes in all fields."""
        if self.key is None:
            raise ValueError("hashing needs a key")
        return HASH_PREFIX + hmac.digest(self.key, value, "sha256").hex()[:32]

    def kept(self, text: bytes) -> bytes:
        """Return what may be kept of a text that can't become a row.

        Where paths can't be followed, or lead elsewhere than in a record, nothing is kept from the
        first key on that stands for something to hide.
        """
        if not self.rules:
            return text
        if any(map(self.mentions, _unpacked(text))):
            return _CUT
        if not self.mentions(text):
            return text
        with contextlib.suppress(UnscannableError):
            text, _ = self.record(text)
        if self._needles is None or _ESCAPED_LETTER.search(text):
            return _CUT
        keys = b"|".join(map(re.escape, self._needles))
        left = re.search(b"(?:" + keys + b")" + _NOT_HIDDEN, text)
        return text[: left.start()] + _CUT if left else text


def _unpacked(text: bytes) -> Iterator[bytes]:
    """What gzip members within a text hold, as far as they can be read."""
    for match in islice(re.finditer(re.escape(GZIP_MAGIC), text), _MAX_MEMBERS):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(text[match.start() :], _MAX_UNPACKED)


def _with(known: dict[Any, Any], value: Any, made: Any) -> dict[Any, Any]:
    """Remember a value, and forget all others when they are too many."""
    found = known if len(known) < _KNOWN else {}
    found[value] = made
    return found


def rules(mask: Iterable[str], hashed: Iterable[str]) -> tuple[Rule, ...]:
    """Read the paths of the settings.

    Raises:
        SettingsError: one is no path, or hides what a lake can't do without.
    """
    return (
        *(rule(path, "mask") for path in mask),
        *(rule(path, "hash") for path in hashed),
    )


def needles(chosen: Iterable[Rule]) -> tuple[bytes, ...] | None:
    """Return keys of which a text holds one if a rule applies to it; None when none can tell."""
    found = [each.needle for each in chosen]
    names = tuple(dict.fromkeys(name for name in found if name is not None))
    return names if len(found) == len([name for name in found if name is not None]) else None


def may_hold(text: bytes, names: Sequence[bytes] | None) -> bool:
    """Tell whether a text may hold one of some keys, as `needles` gives them."""
    if names is None or any(name in text for name in names):
        return True
    return escapes(text)


def escapes(text: bytes) -> bool:
    """Tell whether some letter, digit, - or _ is written as an escape, as it may be in a key."""
    # A search for one byte takes a tenth of the time of any other.
    return b"\\" in text and _ESCAPED_LETTER.search(text) is not None


def edits(text: bytes, node: Node) -> Iterator[Edit]:
    """Find the values to hide, in their order; `null` hides nothing and stays.

    The loop keeps its own stack: nesting is as deep as whoever wrote the record likes.

    Raises:
        UnscannableError: the text is not JSON.
    """
    start = _blanks(text, 0)
    if node.rule is not None:
        yield from _edit(text, start, _value_end(text, start), node.rule)
        return
    if text[start : start + 1] not in (b"{", b"["):
        return
    stack: list[tuple[bool, tuple[Node, ...]]] = [(text[start] == 0x7B, (node,))]
    place = start + 1
    while stack:
        is_object, nodes = stack[-1]
        place = _blanks(text, place)
        sign = text[place : place + 1]
        if sign in (b"}", b"]"):
            if is_object != (sign == b"}"):
                raise UnscannableError
            stack.pop()
            place += 1
            continue
        if sign == b",":
            place += 1
            continue
        if is_object:
            member = _MEMBER.match(text, place)
            if member is None:
                raise UnscannableError
            place = member.end()
            within = _under_key(nodes, member[1])
        else:
            within = tuple(each.any_element for each in nodes if each.any_element is not None)
        hiding = _rule_of(within)
        if hiding is not None:
            end = _value_end(text, place)
            yield from _edit(text, place, end, hiding)
            place = end
        elif within and text[place : place + 1] in (b"{", b"["):
            stack.append((text[place] == 0x7B, within))
            place += 1
        else:
            place = _value_end(text, place)


def _edit(text: bytes, start: int, end: int, hiding: Rule) -> Iterator[Edit]:
    if text[start:end] != b"null":
        yield start, end, hiding


def _under_key(nodes: Iterable[Node], quoted: bytes) -> tuple[Node, ...]:
    key = quoted[1:-1]
    if b"\\" in key:
        try:
            key = _decode_text(json_text.mended(quoted)).encode()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnscannableError from error
    found = [node.keys[key] for node in nodes if key in node.keys]
    return (*found, *(node.any_key for node in nodes if node.any_key is not None))


def _rule_of(nodes: Iterable[Node]) -> Rule | None:
    found = [node.rule for node in nodes if node.rule is not None]
    masks = [each for each in found if each.action == "mask"]
    return next(iter(masks or found), None)


def _blanks(text: bytes, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place


def _value_end(text: bytes, start: int) -> int:
    if text[start : start + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(text, start)
        if scalar is None:
            raise UnscannableError
        return scalar.end()
    depth = 0
    for match in _BRACKETS.finditer(text, start):
        sign = match[0]
        if sign in (b"{", b"["):
            depth += 1
        elif sign in (b"}", b"]"):
            depth -= 1
            if not depth:
                return match.end()
    raise UnscannableError


def _plain(value: bytes) -> bytes:
    """What of a value is hashed: a text's characters, or anything else's JSON without blanks."""
    if value[:1] == b'"':
        try:
            return _decode_text(json_text.mended(value)).encode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return value
    try:
        return msgspec.json.format(value, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return value


class Shortcut:
    """Finds the value of one plain path in well-formed JSON in 1.5 us where `edits` takes 25.

    It only answers when the last key stands once in the text and leads to a value.
    """

    def __init__(self, hiding: Rule) -> None:
        *outer, last = hiding.segments[1:]
        # The names of members are ours, the keys are those of the path.
        kind: object = msgspec.defstruct(
            "Last", [("v", Raw, _ABSENT)], rename={"v": last}, gc=False
        )
        for key in reversed(outer):
            member = ("v", kind, msgspec.UNSET)
            kind = msgspec.defstruct("Outer", [member], rename={"v": key}, gc=False)
        self._decode = msgspec.json.Decoder(kind).decode
        self._depth = len(outer) + 1
        self._rule = hiding
        self._quoted = b'"%s"' % last.encode()
        self._member = re.compile(re.escape(self._quoted) + _BLANK + b":" + _BLANK)

    @classmethod
    def of(cls, field: Node) -> Shortcut | None:
        """Return one for a top-level field, when a single plain path leads into it."""
        node = field
        while node.rule is None:
            if len(node.keys) != 1 or node.any_key or node.any_element:
                return None
            (node,) = node.keys.values()
        alone = not (node.keys or node.any_key or node.any_element)
        needs = alone and node is not field and node.rule.needle is not None
        return cls(node.rule) if needs else None

    def edit(self, text: bytes) -> Edit | None:
        """Return where the value is; None when that takes `edits` to tell."""
        if text.count(self._quoted) != 1:
            return None
        if b"\\" in text and _ESCAPED_LETTER.search(text):
            return None
        try:
            value: Any = self._decode(text)
            for _ in range(self._depth):
                value = value.v
        except (msgspec.DecodeError, AttributeError, RecursionError):
            return None
        found = bytes(value)
        member = self._member.search(text)
        if not found or found == b"null" or member is None:
            return None
        end = member.end() + len(found)
        return (member.end(), end, self._rule) if text[member.end() : end] == found else None

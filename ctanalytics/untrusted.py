"""The only way log content reaches a path, a SQL identifier, HTML or a terminal.

HTML is rendered by Jinja with autoescape on, which is that way for HTML.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # spreadsheets take full-width signs too
_SAFE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def terminal(value: object, *, limit: int = 2_000) -> str:
    """Make text harmless to print: control, escape and bidi characters become visible escapes.

    Args:
        value: anything; its `str()` is shown.
        limit: characters to keep; what is cut is marked with an ellipsis.
    """
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable() and text.isascii():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    if character in _BIDI or unicodedata.category(character) in (
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Zl",
        "Zp",
    ):
        point = ord(character)
        return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"
    return character


def one_line(value: object, *, limit: int = 200) -> str:
    """As `terminal`, with line breaks and tabs shown as escapes too: for table cells and logs."""
    return terminal(value, limit=limit).replace("\n", "\\n").replace("\t", "\\t")


def file_name(value: object) -> str:
    """Turn text into one path component of letters, digits, dot, underscore and hyphen."""
    name = _SAFE_NAME.sub("_", str(value)).lstrip(".")[:120]
    return name or "_"


def shell_word(value: object) -> str:
    """Quote text for a shell command that a person may copy: one word, whatever it holds."""
    return shlex.quote(one_line(value, limit=2_000))


def sql_identifier(name: str) -> str:
    """Quote a name for SQL; a quote inside is doubled, a NUL refused."""
    if "\x00" in name:
        raise ValueError("a SQL identifier can't hold a NUL character")
    return '"' + name.replace('"', '""') + '"'


def sql_text(value: str) -> str:
    """Quote a text for a place where SQL takes no bound value (a view's file list)."""
    if "\x00" in value:
        raise ValueError("a SQL text can't hold a NUL character")
    return "'" + value.replace("'", "''") + "'"


def spreadsheet(value: str) -> str:
    """Keep a CSV cell from being read as a formula: what could begin one gets a quote before it."""
    return "'" + value if value[:1] in FORMULA else value

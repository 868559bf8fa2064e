"""How a report speaks: its language, its time zone, and the catalogue of what it says.

All that a report says by itself is in data/messages.*.toml. What the lake holds in English is
retold from data/stored.*.toml, see `retold`.
"""

from __future__ import annotations

import datetime as dt
import re
import string
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from ctanalytics.errors import UsageError

LANGUAGES: Final = ("en", "ja")

_DAY_SECONDS: Final = 86_400
_LATIN: Final = re.compile("[A-Za-z0-9]")
_JAPANESE: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


@cache
def catalogue(name: str, language: str) -> Mapping[str, str]:
    """Read a catalogue of `data/`, its tables joined to dotted keys."""
    file = resources.files("ctanalytics.reporting").joinpath(f"data/{name}.{language}.toml")
    return dict(_flat(tomllib.loads(file.read_text("utf-8"))))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def spaced(template: str, values: Mapping[str, object]) -> str:
    """Put values into Japanese, with a space where Latin letters or digits meet Japanese ones.

    Only the seams are touched: what is inside a value stays as it is.
    """
    shown = ""
    for text, name, spec, _ in string.Formatter().parse(template):
        shown = _joined(shown, text)
        if name is not None:
            shown = _joined(shown, format(values[name], spec or ""))
    return shown


def _joined(left: str, right: str) -> str:
    before, after = left.rstrip(" "), right.lstrip(" ")
    if not before or not after:
        return left + right
    if _LATIN.match(before[-1]) and _JAPANESE.match(after[0]):
        return f"{before} {after}"
    if _JAPANESE.match(before[-1]) and _LATIN.match(after[0]):
        return f"{before} {after}"
    if _JAPANESE.match(before[-1]) and _JAPANESE.match(after[0]):
        return before + after
    return left + right


@dataclass(frozen=True, slots=True)
class Voice:
    """A language and a time zone; times that are given to it are aware."""

    language: str = "en"
    timezone: str = "UTC"
    zone: dt.tzinfo = dt.UTC
    messages: Mapping[str, str] = field(default_factory=lambda: catalogue("messages", "en"))
    stored: Mapping[str, str] = field(default_factory=dict)
    """How what the lake holds in English reads; nothing in English itself."""

    @property
    def is_english(self) -> bool:
        """Whether what the lake holds is told as it is."""
        return self.language == "en"

    def say(self, key: str, /, **values: object) -> str:
        """Return what a key of the catalogue says, with these values in it."""
        return self._filled(self.messages[key], values)

    def retell(self, key: str, values: Mapping[str, object]) -> str:
        """Return what a key of the stored sentences says, with these values in it."""
        return self._filled(self.stored[key], values)

    def _filled(self, template: str, values: Mapping[str, object]) -> str:
        return template.format_map(values) if self.is_english else spaced(template, values)

    def many(self, noun: str, count: int) -> str:
        """Return a count with its noun, such as «3 anomalies»."""
        return self.say(f"{noun}.{'one' if count == 1 else 'other'}", n=count)

    def count(self, noun: str, count: int) -> str:
        """Return a count of one of the nouns under `count`."""
        return self.many(f"count.{noun}", count)

    def word(self, value: str | None) -> str:
        """Return a word of a vocabulary as this language has it; others stay as they are."""
        return self.stored.get(f"words.{value}", value or "")

    def label(self, table: str, column: str) -> str:
        """Return the heading of a column."""
        own = self.messages.get(f"columns_of.{table}.{column}")
        return own or self.messages[f"columns.{column}"]

    def listed(self, parts: Sequence[str]) -> str:
        """Join parts as a sentence lists them."""
        if len(parts) < 2:
            return "".join(parts)
        first = self.messages["list.comma"].join(parts[:-1])
        return f"{first}{self.messages['list.and']}{parts[-1]}"

    def here(self, moment: dt.datetime) -> dt.datetime:
        """Return a time on the clock of this zone."""
        return moment.astimezone(self.zone)

    def clock(self, moment: dt.datetime) -> str:
        """Show a time to the minute, or to the second where it has any."""
        here = self.here(moment)
        return here.strftime("%Y-%m-%d %H:%M:%S" if here.second else "%Y-%m-%d %H:%M")

    def minute(self, moment: dt.datetime) -> str:
        """Show a time to the minute."""
        return self.here(moment).strftime("%Y-%m-%d %H:%M")

    def zone_name(self, moment: dt.datetime | None = None) -> str:
        """Name the zone as its clock does at a time, such as JST; without a time its full name."""
        if moment is None or self.zone is dt.UTC:
            return self.timezone
        name = self.here(moment).tzname() or self.timezone
        return name if name.isalpha() else f"UTC{name}"

    def length(self, start: dt.datetime, end: dt.datetime) -> str:
        """Say how long something took, in at most two units."""
        seconds = int((end - start).total_seconds())
        parts = []
        for size, unit in ((_DAY_SECONDS, "d"), (3_600, "h"), (60, "min"), (1, "s")):
            count, seconds = divmod(seconds, size)
            if count:
                parts.append(self.say(f"length.{unit}", n=count))
        shown = self.messages["length.between"].join(parts[:2])
        return shown or self.say("length.s", n=0)


def voice_of(language: str = "en", timezone: str = "UTC") -> Voice:
    """Return the voice of a language and an IANA time zone.

    Raises:
        UsageError: there is no such language or zone.
    """
    if language not in LANGUAGES:
        raise UsageError(
            f"reports are not made in {language!r}",
            where="--language (report.language)",
            mend=f"use one of {', '.join(LANGUAGES)}",
        )
    try:
        zone = dt.UTC if timezone == "UTC" else zoneinfo.ZoneInfo(timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise UsageError(
            f"there is no time zone {timezone!r}",
            where="--timezone (report.timezone)",
            mend="use a name such as Asia/Tokyo or Europe/Berlin",
        ) from error
    stored = {} if language == "en" else catalogue("stored", language)
    return Voice(language, timezone, zone, catalogue("messages", language), stored)


ENGLISH: Final = Voice()
"""What speaks when nobody says how: English, UTC."""

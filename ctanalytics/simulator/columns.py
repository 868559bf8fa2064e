"""Values for the holes of a template, a column for all calls of one kind."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ctanalytics.simulator.actors import Actor
from ctanalytics.simulator.organization import BACKUP_ACCOUNT, Organization

Times = npt.NDArray[np.int64]
"""Seconds since 1970, UTC."""


@dataclass(frozen=True)
class Batch:
    """Calls of one actor, API and region: what their columns are drawn from."""

    organization: Organization
    actor: Actor
    region: str
    times: Times
    rng: np.random.Generator
    given: dict[str, Sequence[str]] = field(default_factory=dict)
    """Columns that are known, such as the session's; they come before all others."""


def column(batch: Batch, hole: str) -> Sequence[str]:
    """Return the values of a hole, one for each call.

    Raises:
        KeyError: nothing is known by that name.
    """
    if hole in batch.given:
        return batch.given[hole]
    count = len(batch.times)
    if hole in ("event_id", "shared_id") or hole.startswith("uuid"):
        return uuids(batch.rng, count)
    if hole == "time":
        return iso(batch.times)
    if hole.startswith("int:"):
        low, high = hole[4:].split("-")
        return list(map(str, batch.rng.integers(int(low), int(high), count, endpoint=True)))
    if hole.lower().startswith("hex"):
        return _hexadecimal(batch.rng, count, hole)
    if hole == "KEY9":
        return _key_letters(batch.rng, count, 9)
    if hole == "new_key":
        return [f"ASIA{key}EXAMPLE" for key in _key_letters(batch.rng, count, 9)]
    if hole in _OF_TIME:
        return [_OF_TIME[hole](second) for second in batch.times.tolist()]
    if hole in _DEFAULTS:
        return [_DEFAULTS[hole]] * count
    names = batch.organization.resources(batch.actor.account_id, batch.region, hole)
    if names is None:
        raise KeyError(hole)
    return choose(batch.rng, names, count)


def choose(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    """Pick names, the first ones more often than the last."""
    if len(names) == 1:
        return [names[0]] * count
    places = (rng.random(count) ** 2 * len(names)).astype(np.int64)
    return [names[place] for place in places.tolist()]


def uuids(rng: np.random.Generator, count: int) -> list[str]:
    """Random version 4 UUIDs."""
    bits = np.frombuffer(rng.bytes(16 * count), np.uint8).reshape(count, 16).copy()
    bits[:, 6] = bits[:, 6] & 0x0F | 0x40
    bits[:, 8] = bits[:, 8] & 0x3F | 0x80
    text = bits.tobytes().hex()
    return [
        f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-{text[at + 12 : at + 16]}"
        f"-{text[at + 16 : at + 20]}-{text[at + 20 : at + 32]}"
        for at in range(0, 32 * count, 32)
    ]


def iso(times: Times) -> list[str]:
    """Times as CloudTrail writes them: 2025-10-01T08:30:00Z."""
    texts: list[str] = np.datetime_as_string(times.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts


def _hexadecimal(rng: np.random.Generator, count: int, hole: str) -> list[str]:
    length = int("".join(filter(str.isdigit, hole)))
    width = length + length % 2
    text = rng.bytes(width // 2 * count).hex()
    if hole[0] == "H":
        text = text.upper()
    return [text[at : at + length] for at in range(0, width * count, width)]


def _key_letters(rng: np.random.Generator, count: int, length: int) -> list[str]:
    letters = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", np.uint8)
    text = letters[rng.integers(0, 32, count * length)].tobytes().decode()
    return [text[at : at + length] for at in range(0, count * length, length)]


@functools.lru_cache(maxsize=4_096)
def _day(day: int) -> tuple[str, str, str]:
    """A day as 2025/10/01, 2025-10-01, and as answers write it: Oct 1, 2025."""
    moment = time.gmtime(day * 86_400)
    return (
        f"{moment.tm_year}/{moment.tm_mon:02d}/{moment.tm_mday:02d}",
        f"{moment.tm_year}-{moment.tm_mon:02d}-{moment.tm_mday:02d}",
        f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday}, {moment.tm_year}",
    )


def _spoken(second: int) -> str:
    day, within = divmod(second, 86_400)
    hour, rest = divmod(within, 3_600)
    half = "AM" if hour < 12 else "PM"
    return f"{_day(day)[2]}, {hour % 12 or 12}:{rest // 60:02d}:{rest % 60:02d} {half}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_OF_TIME: dict[str, Callable[[int], str]] = {
    "day": lambda second: _day(second // 86_400)[0],
    "date": lambda second: _day(second // 86_400)[1],
    "time_us": _spoken,
    "expires_us": lambda second: _spoken(second + 3_600),
    "time_ms": lambda second: f"{second}000",
    "epoch": str,
}

_DEFAULTS = {
    "target_account": BACKUP_ACCOUNT,
    "mfa": "No",
    "new_user": "temporary",
    "role_name": "Developer",
    "new_session": "session",
}

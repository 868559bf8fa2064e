"""Which prefixes of a bucket to list: AWS's key layout walked folder by folder.

A trail's bucket may hold years of many accounts; under `AWSLogs/` the wanted accounts, kinds,
regions and days are found by their folders, so that the rest is never listed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

from ctanalytics import untrusted
from ctanalytics.errors import SourceDenied
from ctanalytics.records.object_key import LOG_KINDS, REGION
from ctanalytics.sources.base import LogObject, Notes, Selection

_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{3,32}")
_REGION = re.compile(REGION)
_LEVELS = (
    _ACCOUNT,
    re.compile("|".join(LOG_KINDS)),
    _REGION,
    re.compile(r"\d{4}"),
    re.compile(r"\d{1,2}"),
    re.compile(r"\d{1,2}"),
)
"""Folders below AWSLogs/ and the organization, from the top."""
_SEARCH_DEPTH = 4  # folders between the given prefix and AWSLogs/
_SEARCH_LISTS = 100  # a bucket of another layout is not searched further


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stretch of a bucket to list from end to end."""

    prefix: str
    start_after: str = ""
    last: str = ""
    """Keys that sort after this beginning end the stretch; empty: no end."""
    check: bool = False
    """The path does not tell all that the selection asks: look at every key."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies directly in a folder of a bucket."""

    folders: list[str]
    """Names, without slashes."""
    objects: list[LogObject]
    complete: bool = True
    """False: so many objects that it is no level of a layout, and the look was broken off."""


@dataclass
class Layout:
    """The listing to do below a prefix."""

    leaves: list[Leaf] = field(default_factory=list)
    loose: list[LogObject] = field(default_factory=list)
    """Objects met on the way, in folders that are no leaves."""


_Place = tuple[str, tuple[str, ...]]
"""A prefix that ends with "/", and its folders below AWSLogs/."""


@dataclass(frozen=True, slots=True)
class Walker:
    """Walks down from a prefix."""

    look: Callable[[str], Folder]
    """Lists one folder; raises SourceDenied when that is not allowed."""
    pool: Executor
    selection: Selection
    notes: Notes

    def layout(self, prefix: str) -> Layout:
        """Find what to list below a prefix that ends with "/" or is empty.

        Raises:
            SourceDenied: neither the prefix nor what the selection names in it may be listed.
        """
        made = Layout()
        inside = _inside(prefix)
        if inside is None:
            self._search(prefix, made)
        else:
            self._descend([(prefix, inside)], made)
        made.loose.sort(key=lambda found: found.key)
        return made

    def again(self, prefixes: Iterable[str]) -> list[Leaf]:
        """Return the stretches that an earlier walk found, by their prefixes, for this selection.

        Nothing is asked: accounts and regions that are new since then are not among them.
        """
        leaves = []
        for prefix in prefixes:
            inside = _inside(prefix)
            known = inside is not None and _has_region(inside)
            leaves.append(
                self._leaf(prefix, inside) if inside and known else Leaf(prefix, check=True)
            )
        return leaves

    def _search(self, prefix: str, made: Layout) -> None:
        """Look for AWSLogs/ below a prefix; without one, all that is there is one stretch."""
        found: list[_Place] = []
        passed_over: list[str] = []
        waiting = deque([(prefix, 0)])
        lists = 0
        while waiting:
            place, depth = waiting.popleft()
            if lists >= _SEARCH_LISTS:
                made.leaves.append(Leaf(place, check=True))
                continue
            folder = self._look_or_guess(place) if place == prefix else self.look(place)
            lists += 1
            if not folder.complete:
                made.leaves.append(Leaf(place, check=True))
                continue
            made.loose += folder.objects
            for name in folder.folders:
                inner = f"{place}{name}/"
                if name == "AWSLogs" or name in LOG_KINDS:
                    found.append((inner, _inside(inner) or ()))
                elif depth < _SEARCH_DEPTH and _deeper(name):
                    waiting.append((inner, depth + 1))
                else:
                    passed_over.append(inner)
        if not found:
            made.loose.clear()
            made.leaves[:] = [Leaf(prefix, check=True)]
            return
        for inner in passed_over:
            self._pass_over(inner)
        self._descend(found, made)

    def _look_or_guess(self, prefix: str) -> Folder:
        """Look at the given prefix; where only what is deeper may be listed, name it unseen."""
        try:
            return self.look(prefix)
        except SourceDenied:
            try:
                self.look(f"{prefix}AWSLogs/")
            except SourceDenied:
                if not self.selection.accounts:
                    raise
            return Folder(["AWSLogs"], [])

    def _descend(self, places: list[_Place], made: Layout) -> None:
        """Go down level by level from places within the layout; a level is listed in parallel."""
        while places:
            waiting = [place for place in places if not _has_region(place[1])]
            made.leaves += [self._leaf(*place) for place in places if _has_region(place[1])]
            looks = self.pool.map(self._look_within, waiting)
            places = []
            for (prefix, inside), folder in zip(waiting, looks, strict=True):
                if not folder.complete or _is_odd(inside, folder):
                    made.leaves.append(Leaf(prefix, check=True))
                    continue
                made.loose += folder.objects
                for name in folder.folders:
                    places += self._step(prefix, inside, name, made)

    def _look_within(self, place: _Place) -> Folder:
        prefix, inside = place
        try:
            return self.look(prefix)
        except SourceDenied:
            named = self._named(inside)
            if not named:
                raise
            return Folder(sorted(named), [])

    def _named(self, inside: tuple[str, ...]) -> Iterable[str]:
        """Names of a level that the selection gives, when the level itself may not be listed."""
        level = _level(inside)
        if level == "account":
            return self.selection.accounts
        if level == "kind":
            return [name for name, kind in LOG_KINDS.items() if kind == "log"]
        return self.selection.regions

    def _step(
        self, prefix: str, inside: tuple[str, ...], name: str, made: Layout
    ) -> Iterator[_Place]:
        """Yield the folder of this name when it is wanted."""
        level = _level(inside)
        place = (f"{prefix}{name}/", (*inside, name))
        if level == "account":
            if _ORGANIZATION.fullmatch(name) or (
                _ACCOUNT.fullmatch(name) and self.selection.takes_account(name)
            ):
                yield place
            elif not _ACCOUNT.fullmatch(name):
                self._pass_over(place[0])
        elif level == "kind":
            # Folders of other services (load balancers, flow logs) hold no such records.
            if LOG_KINDS.get(name) in self.selection.kinds:
                yield place
        elif _REGION.fullmatch(name):
            if self.selection.takes_region(name):
                yield place
        elif name == "AWSLogs":  # the trail's own prefix is named CloudTrail or Config
            yield place[0], ()
        else:
            made.leaves.append(Leaf(place[0], check=True))

    def _leaf(self, prefix: str, inside: tuple[str, ...]) -> Leaf:
        """The days of one account, kind and region that the selection asks for."""
        kind = next(place for place, name in enumerate(inside) if name in LOG_KINDS)
        dates = len(inside) - kind - 2  # parts of the date that the given prefix already names
        region_prefix = "/".join(prefix.split("/")[: -1 - dates]) + "/"
        # Config doesn't pad months and days, so that its names don't sort by date.
        padded = inside[kind] != "Config"
        first, last = self.selection.first_day(), self.selection.last_day()
        return Leaf(
            prefix,
            start_after=f"{region_prefix}{first:%Y/%m/%d}" if first and padded else "",
            last=f"{region_prefix}{last:%Y/%m/%d}" if last and padded else "",
            check=not padded or bool(self.selection.accounts or self.selection.regions),
        )

    def _pass_over(self, prefix: str) -> None:
        self.notes.add(
            f"{untrusted.one_line(prefix)} was not listed: it is no part of an AWSLogs/ layout; "
            "name it as a source of its own to read it"
        )


def _inside(prefix: str) -> tuple[str, ...] | None:
    """Return the folders of a prefix below its last AWSLogs/; None when it is in no layout."""
    parts = prefix.rstrip("/").split("/")
    if "AWSLogs" in parts:
        inside = tuple(parts[len(parts) - parts[::-1].index("AWSLogs") :])
        return inside if _fits(inside, _LEVELS) else None
    # A copy may lack what stands before the kind.
    kind = next((place for place, name in enumerate(parts) if name in LOG_KINDS), None)
    inside = tuple(parts[kind:]) if kind is not None else ()
    return inside if inside and _fits(inside, _LEVELS[1:]) else None


def _fits(inside: tuple[str, ...], levels: tuple[re.Pattern[str], ...]) -> bool:
    if inside and _ORGANIZATION.fullmatch(inside[0]):
        inside = inside[1:]
    return len(inside) <= len(levels) and all(
        level.fullmatch(name) for level, name in zip(levels, inside, strict=False)
    )


def _is_odd(inside: tuple[str, ...], folder: Folder) -> bool:
    """Tell whether an AWSLogs/ folder holds something else than accounts."""
    return (
        _level(inside) == "account"
        and bool(folder.folders)
        and not any(_ACCOUNT.fullmatch(x) or _ORGANIZATION.fullmatch(x) for x in folder.folders)
    )


def _has_region(inside: tuple[str, ...]) -> bool:
    return len(inside) > 1 and any(name in LOG_KINDS for name in inside[:-1])


def _level(inside: tuple[str, ...]) -> str:
    """What the folders below a place are named after."""
    if inside and inside[-1] in LOG_KINDS:
        return "region"
    return "kind" if inside and _ACCOUNT.fullmatch(inside[-1]) else "account"


def _deeper(name: str) -> bool:
    # A year or month is a folder of a layout by date, where no AWSLogs/ follows.
    return not (name.isdigit() and len(name) <= 4)

"""Which chains of digests a place holds: by account, region and trail."""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.errors import SourceMissing
from ctanalytics.integrity.place import Entry, Place
from ctanalytics.records import object_key
from ctanalytics.records.object_key import LOG_KINDS, REGION, ObjectKey

DIGESTS: Final = "CloudTrail-Digest"
LOGS: Final = tuple(name for name in LOG_KINDS if name not in (DIGESTS, "Config"))

_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{3,32}")
_REGION = re.compile(REGION)
_DEPTH: Final = 6
_LOOKS: Final = 500  # folders that are looked into in search of AWSLogs/


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one account: it holds CloudTrail/, CloudTrail-Digest/ and their like."""

    path: str
    """Ends with "/"."""
    account_id: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One account and region: its digests and log files are validated together."""

    home: Home
    aws_region: str


@dataclass(frozen=True, slots=True, order=True)
class ChainKey:
    """One chain of digests of a cell."""

    trail: str
    home_region: str
    backfill: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cells and trails to validate; empty sets and None mean all."""

    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    trail: str | None = None
    home_region: str | None = None

    def takes(self, key: ChainKey) -> bool:
        """Tell whether a chain is wanted."""
        return (self.trail is None or key.trail == self.trail) and (
            self.home_region is None or key.home_region == self.home_region
        )


@dataclass
class Listed:
    """The digests of a cell, by chain, oldest first."""

    chains: dict[ChainKey, list[Entry]] = field(default_factory=dict)
    strange: list[Entry] = field(default_factory=list)
    """Files among the digests that are named like none."""


def cells(place: Place, wanted: Wanted) -> list[Cell]:
    """Find the accounts and regions below a place.

    Raises:
        SourceMissing: no folder of digests or log files is there.
    """
    root_home, region = _within(place.root)
    homes = [root_home] if root_home else list(_homes(place, wanted))
    found = []
    for home in homes:
        regions: set[str] = set()
        for kind in (DIGESTS, *LOGS):
            regions |= set(place.folders(f"{home.path}{kind}/"))
        for name in sorted(regions):
            if not _REGION.fullmatch(name) or (region and name != region):
                continue
            if not wanted.regions or name in wanted.regions:
                found.append(Cell(home, name))
    if not found:
        raise SourceMissing(
            "there are neither digests nor log files of CloudTrail here",
            where=place.name,
            mend="name the bucket or the folder that holds AWSLogs/; check --account and --region",
        )
    return found


def digests(place: Place, cell: Cell, since: dt.datetime | None, until: dt.datetime) -> Listed:
    """List the digests of a cell that end in a span: since < end <= until."""
    prefix = f"{cell.home.path}{DIGESTS}/{cell.aws_region}/"
    found = Listed()
    for entry in place.files(prefix, **days(prefix, since, until)):
        key = object_key.parse(entry.key)
        if key.trail is None or key.home_region is None or key.stamp is None:
            found.strange.append(entry)
        elif (since is None or since < key.stamp) and key.stamp <= until:
            chain = ChainKey(key.trail, key.home_region, key.backfill)
            found.chains.setdefault(chain, []).append(entry)
    for entries in found.chains.values():
        entries.sort(key=lambda entry: (stamp_of(entry), entry.key))
    return found


def log_files(
    place: Place, cell: Cell, segment: str, since: dt.datetime | None, until: dt.datetime
) -> Iterator[tuple[Entry, ObjectKey]]:
    """List the log files of one kind that were delivered in the days of a span."""
    prefix = f"{cell.home.path}{segment}/{cell.aws_region}/"
    for entry in place.files(prefix, **days(prefix, since, until)):
        yield entry, object_key.parse(entry.key)


def newest_day(place: Place, cell: Cell) -> str | None:
    """Return the last day that has a folder of digests, YYYY-MM-DD."""
    prefix = f"{cell.home.path}{DIGESTS}/{cell.aws_region}/"
    parts: list[str] = []
    for _ in range(3):
        names = [name for name in place.folders(prefix) if name.isdigit()]
        if not names:
            return None
        parts.append(max(names))
        prefix += f"{parts[-1]}/"
    return "-".join(parts)


def days(prefix: str, since: dt.datetime | None, until: dt.datetime) -> dict[str, str]:
    """The first and last key of a listing that takes the days of a span."""
    bounds = {"last": f"{prefix}{until.astimezone(dt.UTC):%Y/%m/%d}"}
    if since is not None:
        bounds["first"] = f"{prefix}{since.astimezone(dt.UTC):%Y/%m/%d}"
    return bounds


def stamp_of(entry: Entry) -> dt.datetime:
    """The end of a digest, by its name."""
    return object_key.parse(entry.key).stamp or dt.datetime.min.replace(tzinfo=dt.UTC)


def _within(root: str) -> tuple[Home | None, str | None]:
    """The account folder that a place lies in or is, and the region when it names one."""
    parts = root.rstrip("/").split("/")
    for place, name in enumerate(parts):
        if name in LOG_KINDS and place and _ACCOUNT.fullmatch(parts[place - 1]):
            home = _home("/".join(parts[:place]) + "/")
            region = parts[place + 1] if len(parts) > place + 1 else None
            return home, region
    if _ACCOUNT.fullmatch(parts[-1]):
        return _home(root), None
    return None, None


def _homes(place: Place, wanted: Wanted) -> Iterator[Home]:
    """Search from the top; below AWSLogs/ only accounts and organizations are looked into."""
    waiting = deque([(place.root, 0)])
    looks = 0
    while waiting:
        prefix, depth = waiting.popleft()
        inside = _is_inside(prefix)
        if not inside and looks >= _LOOKS:
            continue
        looks += not inside
        folders = place.folders(prefix)
        if DIGESTS in folders or any(kind in folders for kind in LOGS):
            home = _home(prefix)
            if not wanted.accounts or home.account_id in (None, *wanted.accounts):
                yield home
            continue
        for folder in folders:
            account = _ACCOUNT.fullmatch(folder)
            if account and wanted.accounts and folder not in wanted.accounts:
                continue
            if depth < _DEPTH and (not inside or account or _ORGANIZATION.fullmatch(folder)):
                waiting.append((f"{prefix}{folder}/", depth + 1))


def _is_inside(prefix: str) -> bool:
    """Tell whether a folder's own folders are accounts or organizations."""
    before, _, name = prefix.rstrip("/").rpartition("/")
    within_logs = before.rpartition("/")[2] == "AWSLogs"
    return name == "AWSLogs" or (within_logs and _ORGANIZATION.fullmatch(name) is not None)


def _home(path: str) -> Home:
    parts = path.rstrip("/").split("/")
    account = parts[-1] if _ACCOUNT.fullmatch(parts[-1]) else None
    before = parts[-2] if account and len(parts) > 1 else ""
    organization = before if _ORGANIZATION.fullmatch(before) else None
    return Home(path, account, organization)

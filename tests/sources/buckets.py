"""Buckets that are sorted lists of keys, and count what is asked of them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ctanalytics.errors import SourceDenied
from ctanalytics.records.object_key import log_key
from ctanalytics.sources.base import LogObject, Notes, Selection
from ctanalytics.sources.s3_layout import Folder, Layout, Walker

DAY = dt.datetime(2024, 5, 1, 13, 5, tzinfo=dt.UTC)
ORGANIZATION = "o-a1b2c3d4e5"


@dataclass
class Bucket:
    """What S3 answers to a listing with a delimiter, counted."""

    keys: list[str]
    """Sorted."""
    denied: frozenset[str] = frozenset()
    looks: int = 0
    notes: Notes = field(default_factory=Notes)

    def look(self, prefix: str) -> Folder:
        self.looks += 1
        if prefix in self.denied:
            raise SourceDenied("denied")
        folders, objects = set(), []
        place = bisect_left(self.keys, prefix)
        while place < len(self.keys) and self.keys[place].startswith(prefix):
            key = self.keys[place]
            name, slash, _ = key[len(prefix) :].partition("/")
            if slash:
                folders.add(name)
                # On to what sorts behind the folder, as S3 does.
                place = bisect_left(self.keys, f"{prefix}{name}0")
            else:
                objects.append(LogObject("b", key, "", 0, DAY))
                place += 1
        return Folder(sorted(folders), objects)

    def layout(self, prefix: str, selection: Selection) -> Layout:
        with ThreadPoolExecutor(4) as pool:
            return Walker(self.look, pool, selection, self.notes).layout(prefix)

    def listed(self, prefix: str, selection: Selection) -> list[str]:
        """The keys that the layout leads to, as often as they are met."""
        made = self.layout(prefix, selection)
        found = [one.key for one in made.loose if selection.takes(one.key)]
        for leaf in made.leaves:
            for key in self.keys:
                within = key.startswith(leaf.prefix) and key > leaf.start_after
                before_end = not leaf.last or key[: len(leaf.last)] <= leaf.last
                if within and before_end and (not leaf.check or selection.takes(key)):
                    found.append(key)
        return found


def built(
    account: str,
    region: str,
    day: int,
    kind: str,
    organization: str | None,
    prefix: str,
    unique: str,
) -> str:
    return log_key(
        account_id=account,
        aws_region=region,
        delivered=DAY + dt.timedelta(days=day),
        unique=unique,
        kind=kind,
        organization=organization,
        prefix=prefix,
    )


def organization(accounts: int, *, insights: int = 0) -> Bucket:
    """An organization's bucket: 17 regions, one file each; in the first accounts Insights too."""
    regions = [f"eu-west-{number}" for number in range(1, 18)]
    keys = [
        built(f"{account:012}", region, 0, kind, ORGANIZATION, "", "x")
        for account in range(accounts)
        for region in regions
        for kind in ("log", "insight")[: 1 + (account < insights)]
    ]
    return Bucket(sorted(keys))

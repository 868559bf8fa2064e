"""What an ingest or a restore will ask of AWS, what that costs, and how long it takes."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

_GIGABYTE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A bill and a duration, in advance. All of it is guesswork but the counts."""

    objects: int
    bytes_total: int
    list_requests: int
    """Made so far: listing is paid for when the estimate is there."""
    get_requests: int
    kms_requests: int
    """At most: one for each object that KMS encrypts, unless the bucket has a bucket key."""
    dollars: float
    """At most, with all of these requests, in the bucket's own region, where transfer is free."""
    seconds: float
    """With this many workers, at the speed of `data/prices.toml`."""
    prices: str
    """Which prices: their date and region."""
    complete: bool = True
    """False: so many objects that they were not counted to the end."""


def of_ingest(
    *, objects: int, size: int, lists: int, in_s3: bool, workers: int, complete: bool = True
) -> Estimate:
    """Estimate the reading of objects.

    Args:
        size: compressed bytes.
        in_s3: False: files, which cost time and no dollars.
    """
    found = _prices()
    speed, price = found["speed"], found["requests"]
    gets = objects if in_s3 else 0
    seconds = size / speed["bytes_per_second"]
    if in_s3:
        seconds = max(seconds, objects / speed["objects_per_second"])
    return Estimate(
        objects=objects,
        bytes_total=size,
        list_requests=lists,
        get_requests=gets,
        kms_requests=gets,
        dollars=round(lists * price["list"] + gets * (price["get"] + price["kms"]), 6),
        seconds=round(seconds / workers, 1),
        prices=_of_when(found),
        complete=complete,
    )


def of_restore(sizes: dict[str, tuple[int, int]], tier: str, lists: int) -> Estimate:
    """Estimate the restore of archived objects.

    Args:
        sizes: storage class -> objects, bytes.
        tier: Bulk, Standard or Expedited.
    """
    found = _prices()
    dollars = lists * found["requests"]["list"]
    for storage_class, (objects, size) in sizes.items():
        # Tiers of INTELLIGENT_TIERING come back for the price of the requests, at most.
        prices = found["restore"].get(storage_class, {tier: [found["requests"]["list"], 0.0]})
        for_request, for_gigabyte = prices.get(tier, prices["Standard"])
        dollars += objects * for_request + size / _GIGABYTE * for_gigabyte
    return Estimate(
        objects=sum(objects for objects, _ in sizes.values()),
        bytes_total=sum(size for _, size in sizes.values()),
        list_requests=lists,
        get_requests=0,
        kms_requests=0,
        dollars=round(dollars, 6),
        seconds=0.0,
        prices=_of_when(found),
    )


def _of_when(found: dict[str, Any]) -> str:
    return f"us-east-1, {found['as_of']}"


@functools.cache
def _prices() -> dict[str, Any]:
    file = resources.files("ctanalytics.app").joinpath("data", "prices.toml")
    return tomllib.loads(file.read_text("utf-8"))

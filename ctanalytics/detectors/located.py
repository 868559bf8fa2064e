"""Addresses of a span and where they are: `address_places`, which statements of behaviour read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ctanalytics import places
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.by_date import ByDate

Places = Mapping[str, Mapping[str, Any]]


def register(context: Context, since: dt.datetime, until: dt.datetime) -> Places:
    """Make `address_places` readable: what the user's files tell of the addresses of a span.

    Returns:
        The same, by address; empty without files.
    """
    files = context.geoip
    addresses: list[str | None] = []
    if files.city or files.asn or files.aws_ranges:
        ByDate.of(context).keep("seen_addresses", "detectors/addresses", since=since, until=until)
        found = context.engine.sql("select distinct source_ip_address from seen_addresses")
        addresses = found["source_ip_address"].to_pylist()
    known = places.places(addresses, files)
    context.engine.register("address_places", known)
    return {row["address"]: row for row in known.to_pylist()}

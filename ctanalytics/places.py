"""Where an address is: from MaxMind files and AWS's list of ranges that the user gives.

Without these files nothing is known, and nothing here is needed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa

from ctanalytics.errors import SettingsError, reason
from ctanalytics.settings import Geoip

PLACES: Final = pa.schema(
    [
        pa.field("address", pa.string(), nullable=False),
        pa.field("network", pa.string()),  # "AWS eu-west-1", else "AS64500 Name", else null
        pa.field("is_aws", pa.bool_(), nullable=False),
        pa.field("country", pa.string()),  # two letters
        pa.field("city", pa.string()),
        pa.field("latitude", pa.float64()),  # degrees
        pa.field("longitude", pa.float64()),
        pa.field("radius_km", pa.float64()),  # the address is within it, MaxMind says
    ]
)
"""One row for each address of which something is known."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class AwsRanges:
    """AWS's own networks: by IP version and prefix length, the region of each."""

    regions: Mapping[tuple[int, int], Mapping[int, str]] = field(default_factory=dict)

    def region(self, address: Address) -> str | None:
        """Return the region of the smallest network that holds an address, or None."""
        value, bits = int(address), address.max_prefixlen
        for version, length in sorted(self.regions, reverse=True):
            if version == address.version:
                found = self.regions[version, length].get(value >> (bits - length))
                if found is not None:
                    return found
        return None


class _Range(msgspec.Struct, frozen=True):
    region: str
    ip_prefix: str = ""
    ipv6_prefix: str = ""


class _RangesFile(msgspec.Struct, frozen=True):
    prefixes: list[_Range] = []
    ipv6_prefixes: list[_Range] = []


class _Names(msgspec.Struct, frozen=True):
    en: str | None = None


class _Country(msgspec.Struct, frozen=True):
    iso_code: str | None = None


class _City(msgspec.Struct, frozen=True):
    names: _Names = _Names()


class _Location(msgspec.Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None
    accuracy_radius: float | None = None


class _CityRecord(msgspec.Struct, frozen=True):
    """What we read of a record of a City (or Country) file."""

    country: _Country = _Country()
    city: _City = _City()
    location: _Location = _Location()


class _AsnRecord(msgspec.Struct, frozen=True):
    autonomous_system_number: int | None = None
    autonomous_system_organization: str | None = None


def places(addresses: Iterable[str | None], files: Geoip) -> pa.Table:
    """Look up addresses in the files of the settings.

    Args:
        addresses: as logs have them; what is no address (a service's name) is left out.

    Returns:
        PLACES, sorted by address; empty when no file is given.

    Raises:
        SettingsError: a file is missing, or is not what its setting says.
    """
    if not (files.city or files.asn or files.aws_ranges):
        return PLACES.empty_table()
    ranges = aws_ranges(files.aws_ranges) if files.aws_ranges else AwsRanges()
    with _Database(files.city, "geoip.city") as cities, _Database(files.asn, "geoip.asn") as asns:
        rows = []
        for text in sorted({one for one in addresses if one}):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue
            row = _place(address, cities, asns, ranges)
            if row:
                rows.append({"address": text, "is_aws": False, **row})
    return pa.Table.from_pylist(rows, PLACES)


def aws_ranges(file: str) -> AwsRanges:
    """Read AWS's `ip-ranges.json`.

    Raises:
        SettingsError: it is missing, or is something else.
    """
    try:
        listed = msgspec.json.decode(Path(file).read_bytes(), type=_RangesFile)
        regions: dict[tuple[int, int], dict[int, str]] = {}
        # AMAZON covers all services; of two regions for one network the first in order is taken.
        for one in sorted(listed.prefixes + listed.ipv6_prefixes, key=lambda one: one.region):
            network = ipaddress.ip_network(one.ip_prefix or one.ipv6_prefix)
            key = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            known = regions.setdefault((network.version, network.prefixlen), {})
            known.setdefault(key, one.region)
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise SettingsError(
            f"the list of AWS's ranges can't be read: {reason(error)}",
            where=f"geoip.aws_ranges = {file}",
            mend="give the file that AWS publishes as ip-ranges.json",
        ) from error
    return AwsRanges(regions)


def _place(
    address: Address, cities: _Database, asns: _Database, ranges: AwsRanges
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    region = ranges.region(address)
    if region is not None:
        row = {"network": f"AWS {region}", "is_aws": True}
    else:
        owner = asns.get(address, _AsnRecord)
        if owner is not None and owner.autonomous_system_number is not None:
            name = owner.autonomous_system_organization or ""
            row = {"network": f"AS{owner.autonomous_system_number} {name}".strip()}
    found = cities.get(address, _CityRecord)
    if found is not None:
        row |= {
            "country": found.country.iso_code,
            "city": found.city.names.en,
            "latitude": found.location.latitude,
            "longitude": found.location.longitude,
            "radius_km": found.location.accuracy_radius,
        }
    return row


Record = TypeVar("Record", bound=msgspec.Struct)


class _Database:
    """A MaxMind file, or none."""

    def __init__(self, file: str, setting: str) -> None:
        self._file, self._setting = file, setting
        self._reader: Any = None

    def __enter__(self) -> _Database:
        if self._file:
            import maxminddb

            try:
                self._reader = maxminddb.open_database(self._file)
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                raise self._unreadable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()

    def get(self, address: Address, kind: type[Record]) -> Record | None:
        """Return what the file says of an address, in the shape of a kind of record."""
        if self._reader is None:
            return None
        import maxminddb

        try:
            found = self._reader.get(address)
        except maxminddb.InvalidDatabaseError as error:
            raise self._unreadable(error) from error
        except ValueError:
            return None  # an IPv6 address, and a file of IPv4 alone
        try:
            return None if found is None else msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SettingsError:
        return SettingsError(
            f"the MaxMind file can't be read: {reason(error)}",
            where=f"{self._setting} = {self._file}",
            mend="give a file in MaxMind's format (.mmdb), such as GeoLite2-City",
        )

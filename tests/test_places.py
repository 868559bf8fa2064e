from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.errors import SettingsError
from ctanalytics.places import PLACES, aws_ranges, places
from ctanalytics.settings import Geoip
from tests import mmdb

BERLIN = {
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "city": {"names": {"de": "Berlin", "en": "Berlin"}},
    "location": {"latitude": 52.52, "longitude": 13.4, "accuracy_radius": 20},
}
RANGES = {
    "prefixes": [
        {"ip_prefix": "198.51.100.0/24", "region": "GLOBAL", "service": "AMAZON"},
        {"ip_prefix": "198.51.100.64/26", "region": "eu-west-1", "service": "EC2"},
    ],
    "ipv6_prefixes": [{"ipv6_prefix": "2001:db8:aa::/48", "region": "us-east-1", "service": "S3"}],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Geoip:
    home = tmp_path_factory.mktemp("geoip")
    (home / "ip-ranges.json").write_text(json.dumps(RANGES))
    asn = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}
    return Geoip(
        city=str(mmdb.write(home / "city.mmdb", {"203.0.113.0/24": BERLIN, "2001:db8:1::/48": {}})),
        asn=str(mmdb.write(home / "asn.mmdb", {"203.0.112.0/23": asn})),
        aws_ranges=str(home / "ip-ranges.json"),
    )


def found(files: Geoip, *addresses: str | None) -> dict[str, dict[str, Any]]:
    return {row["address"]: row for row in places(addresses, files).to_pylist()}


def test_an_address_has_its_country_city_and_who_runs_its_network(files: Geoip) -> None:
    row = found(files, "203.0.113.9")["203.0.113.9"]
    assert (row["country"], row["city"], row["network"]) == ("DE", "Berlin", "AS64500 Example Net")
    assert (row["latitude"], row["longitude"], row["radius_km"]) == (52.52, 13.4, 20)
    assert not row["is_aws"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.70", "AWS eu-west-1"),  # the smaller of two networks
        ("198.51.100.9", "AWS GLOBAL"),
        ("2001:db8:aa::5", "AWS us-east-1"),
    ],
)
def test_aws_own_addresses_are_told_apart(files: Geoip, address: str, network: str) -> None:
    row = found(files, address)[address]
    assert (row["network"], row["is_aws"]) == (network, True)


def test_what_is_no_address_or_unknown_is_left_out(files: Geoip) -> None:
    given = ("ec2.amazonaws.com", None, "", "999.1.1.1", "192.0.2.1", "x" * 100_000)
    assert found(files, *given) == {}


def test_a_record_that_says_nothing_is_no_error(files: Geoip) -> None:
    row = found(files, "2001:db8:1::1")["2001:db8:1::1"]
    assert row["country"] is None


def test_without_files_nothing_is_known() -> None:
    assert places(["203.0.113.9"], Geoip()).equals(PLACES.empty_table())


@pytest.mark.parametrize("setting", ["city", "asn", "aws_ranges"])
@pytest.mark.parametrize("content", [None, b"", b"no such format", b"[1, 2]"])
def test_a_file_that_is_something_else_is_named(
    tmp_path: Path, setting: str, content: bytes | None
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        places(["203.0.113.9"], Geoip(**{setting: str(file)}))
    assert f"geoip.{setting}" in error.value.where


def test_a_record_of_another_shape_is_named(tmp_path: Path) -> None:
    file = mmdb.write(tmp_path / "odd.mmdb", {"203.0.113.0/24": {"country": "DE"}})
    with pytest.raises(SettingsError) as error:
        places(["203.0.113.9"], Geoip(city=str(file)))
    assert "geoip.city" in error.value.where


def test_a_range_of_no_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ip-ranges.json"
    file.write_text('{"prefixes": [{"ip_prefix": "somewhere", "region": "x"}]}')
    with pytest.raises(SettingsError):
        aws_ranges(str(file))

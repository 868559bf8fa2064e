from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.app import indicators
from ctanalytics.app.hunt import hunt
from ctanalytics.app.indicators import Indicator
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    import pyarrow as pa

    from ctanalytics.records import schema

    made = Lake.create(tmp_path_factory.mktemp("hunt") / "lake")
    rows = [
        builders.event(NOON, event_id="1", source_ip_address="198.51.100.23"),
        builders.event(
            NOON + dt.timedelta(hours=1),
            event_id="2",
            source_ip_address="2001:db8:0:0::7",
            source_ip_kind="ipv6",
        ),
        builders.event(NOON, event_id="3", access_key_id="AKIAIOSFODNN7EXAMPLE"),
        builders.event(NOON, event_id="4", user_agent="Boto3/1.9 kali"),
        builders.event(NOON, event_id="5", resource_arns=["arn:aws:s3:::loot"]),
        builders.event(NOON, event_id="6", identity_account_id="999999999999"),
        builders.event(
            NOON, event_id="7", source_ip_address="AWS Internal", source_ip_kind="aws_internal"
        ),
    ]
    made.append("events", pa.Table.from_pylist(rows, schema.EVENTS))
    return made


def hits(lake: Lake, tmp_path: Path, text: str) -> dict[tuple[str, str], list[str]]:
    list_ = tmp_path / "iocs"
    list_.write_text(text)
    return {
        (row["indicator"], row["kind"]): row["event_ids"]
        for row in hunt(list_, lake).hits.to_pylist()
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("iocs") / "iocs"


WORDS = st.sampled_from(
    ["value", "type", "note", ",", "\n", '"', "ip", "203.0.113.9", "*", "\0", "::"]
)


@settings(max_examples=50)
@given(
    st.binary(max_size=60) | st.lists(WORDS, max_size=20).map(lambda words: "".join(words).encode())
)
@example(b"x" * 200_000)
@example(b"value,type\n" + b"x" * 200_000)
def test_any_list_is_indicators_or_an_error_that_names_it(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        assert all(one.text for one in indicators.read(file))
    except UsageError as error:
        assert error.where == str(file)


def test_each_kind_of_indicator_meets_its_events(lake: Lake, tmp_path: Path) -> None:
    text = """# a comment
198.51.100.0/24
198.51.100.23
2001:db8::/32
203.0.113.200
AKIAIOSFODNN7EXAMPLE
Boto3/* kali
arn:aws:s3:::loot
999999999999
"""
    assert hits(lake, tmp_path, text) == {
        ("198.51.100.0/24", "address"): ["1"],
        ("198.51.100.23", "address"): ["1"],
        ("2001:db8::/32", "address"): ["2"],
        ("AKIAIOSFODNN7EXAMPLE", "key"): ["3"],
        ("Boto3/* kali", "user_agent"): ["4"],
        ("arn:aws:s3:::loot", "arn"): ["5"],
        ("999999999999", "account"): ["6"],
    }


def test_a_table_gives_types_and_notes_and_what_is_of_no_use_is_passed_over(
    lake: Lake, tmp_path: Path
) -> None:
    file = tmp_path / "iocs.csv"
    file.write_text("type,value,note\nip,198.51.100.23,botnet\nsha256,abc,\ndomain,x.example,\n")
    found = hunt(file, lake)
    (row,) = found.hits.to_pylist()
    assert (row["note"], row["calls"], found.indicators) == ("botnet", 1, 1)


def test_a_wrong_network_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "iocs.csv"
    file.write_text("type,value\nip,198.51.100.23\nip,300.1.1.1\n")
    with pytest.raises(UsageError, match=r"line 3: 300\.1\.1\.1"):
        indicators.read(file)


def test_nothing_hunted_for_finds_nothing(lake: Lake, tmp_path: Path) -> None:
    assert hits(lake, tmp_path, "\n# nothing\n") == {}


@given(st.lists(st.ip_addresses() | st.text(max_size=20), max_size=30), st.data())
def test_a_network_holds_what_the_standard_library_says(addresses: list[Any], data: Any) -> None:
    texts = [str(address) for address in addresses]
    networks = data.draw(
        st.lists(
            st.ip_addresses(v=4).flatmap(lambda a: st.integers(0, 32).map(lambda n: f"{a}/{n}"))
            | st.ip_addresses(v=6).map(lambda a: f"{a}/61"),
            max_size=8,
            unique=True,
        )
    )
    wanted = [Indicator("network", network) for network in networks]
    found = set(indicators.of_addresses(wanted, texts))
    expected = set()
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        expected |= {
            (text, name) for name in networks if address in ipaddress.ip_network(name, strict=False)
        }
    assert found == expected

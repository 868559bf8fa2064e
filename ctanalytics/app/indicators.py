"""Indicators of compromise: what a line of a list is, and which values of a lake it meets."""

from __future__ import annotations

import csv
import fnmatch
import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from ctanalytics.errors import UsageError, reason

Kind = Literal["network", "key", "arn", "account", "user_agent"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEY: Final = re.compile(r"(AKIA|ASIA)[A-Z0-9]{8,124}")
_ARN: Final = re.compile(r"arn:[a-z-]+:\S+")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_KINDS: Final[dict[str, Kind]] = {
    "ip": "network",
    "ipv4": "network",
    "ipv6": "network",
    "cidr": "network",
    "network": "network",
    "key": "key",
    "access_key": "key",
    "arn": "arn",
    "account": "account",
    "user_agent": "user_agent",
}


@dataclass(frozen=True, slots=True)
class Indicator:
    """One thing to hunt for."""

    kind: Kind
    text: str
    note: str = ""


@dataclass
class Networks:
    """Networks by length of their prefix: an address costs one look-up for each length in use."""

    by_prefix: dict[tuple[int, int], dict[int, list[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, text: str) -> None:
        """Take a network or an address."""
        network: Network = ipaddress.ip_network(text, strict=False)
        prefix = network.version, network.prefixlen
        self.by_prefix[prefix][int(network.network_address)].append(text)

    def holding(self, address: str) -> Iterator[str]:
        """The networks that hold an address, as they were given; none for what is no address."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return
        value, bits = int(found), found.max_prefixlen
        for (version, length), networks in self.by_prefix.items():
            if version == found.version:
                shift = bits - length
                yield from networks.get(value >> shift << shift, ())


def read(path: Path) -> list[Indicator]:
    """Read a list: one indicator a line, or a CSV file with a column `value` (and type, note).

    Lines that are empty or begin with # are passed over. What a line is follows from its shape;
    what has no shape of an address, network, key, ARN or account id is a user agent, in which *
    stands for any characters.

    Raises:
        UsageError: the file can't be read, or a line says it is what it is not.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the list can't be read: {reason(error)}",
            where=str(path),
            mend="name a UTF-8 text file",
        ) from error
    header = [cell.strip().lower() for cell in next(_cells(lines[:1], path), [])]
    if "value" in header:
        return list(_of_table(lines, header, path))
    texts = (line.strip() for line in lines)
    return [_of_line(text) for text in texts if text and not text.startswith("#")]


def _cells(lines: list[str], path: Path) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise UsageError(
            f"the list can't be read: {reason(error)}", where=str(path), mend="one indicator a line"
        ) from error


def _of_line(text: str) -> Indicator:
    if _is_network(text):
        return Indicator("network", text)
    if _KEY.fullmatch(text):
        return Indicator("key", text)
    if _ARN.fullmatch(text):
        return Indicator("arn", text)
    if _ACCOUNT.fullmatch(text):
        return Indicator("account", text)
    return Indicator("user_agent", text)


def _of_table(lines: list[str], header: list[str], path: Path) -> Iterator[Indicator]:
    faults = []
    for number, cells in enumerate(_cells(lines[1:], path), 2):
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        text = row.get("value", "")
        if not text:
            continue
        named = row.get("type", "").lower()
        if named and named not in _KINDS:
            continue  # a hash, a domain: of no use against CloudTrail
        kind = _KINDS[named] if named else _of_line(text).kind
        if kind == "network" and not _is_network(text):
            faults.append(f"line {number}: {text} is no network")
            continue
        yield Indicator(kind, text, row.get("note") or row.get("description") or "")
    if faults:
        raise UsageError(
            "; ".join(faults[:5]) + (f" and {len(faults) - 5} more" if len(faults) > 5 else ""),
            where=str(path),
            mend="correct these lines, or leave their type empty",
        )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def of_addresses(
    indicators: Iterable[Indicator], addresses: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Pairs of an address and a network that holds it."""
    networks = Networks()
    for indicator in indicators:
        networks.add(indicator.text)
    for address in addresses:
        for network in networks.holding(address):
            yield address, network


def of_texts(indicators: Iterable[Indicator], texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a text and an indicator that it equals, or whose * and ? it fits."""
    exact, patterns = set(), []
    for indicator in indicators:
        if "*" in indicator.text or "?" in indicator.text:
            patterns.append((re.compile(fnmatch.translate(indicator.text)), indicator.text))
        else:
            exact.add(indicator.text)
    for text in texts:
        if text in exact:
            yield text, text
        for pattern, name in patterns:
            if pattern.match(text):
                yield text, name

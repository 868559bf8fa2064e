"""Whether a text is an address of a network, in SQL: addresses are parsed, not compared as text."""

from __future__ import annotations

import ipaddress
from typing import Final

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = f"{_OCTET}([.]{_OCTET}){{3}}"
_IPV6: Final = f"([0-9a-f]{{0,4}}:){{2,8}}([0-9a-f]{{0,4}}|{_IPV4})"


def in_network(value: str, cidr: str) -> str:
    """Return SQL that is true where a text is an address of a network; null or false elsewhere.

    Args:
        value: SQL of the text.
        cidr: address and prefix length, host bits zero.
    """
    network = ipaddress.ip_network(cidr)
    if isinstance(network, ipaddress.IPv4Network):
        low, high = int(network.network_address), int(network.broadcast_address)
        return (
            f"case when regexp_full_match(trim({value}), '{_IPV4}') "
            f"then {_number(f'trim({value})')} between {low} and {high} end"
        )
    low_text, high_text = (
        ipaddress.IPv6Address(int(address)).exploded.replace(":", "")
        for address in (network.network_address, network.broadcast_address)
    )
    return (
        f"case when regexp_full_match(lower(trim({value})), '{_IPV6}') "
        f"then {_digits(f'lower(trim({value}))')} between '{low_text}' and '{high_text}' end"
    )


def _number(text: str) -> str:
    """An IPv4 address as a number."""
    parts = [
        f"cast(split_part({text}, '.', {place}) as bigint) * {256 ** (4 - place)}"
        for place in range(1, 5)
    ]
    return "(" + " + ".join(parts) + ")"


def _digits(text: str) -> str:
    """An IPv6 address as its 32 hexadecimal digits; null where it is none."""
    tail = f"regexp_extract({text}, '{_IPV4}$')"
    plain = (
        f"case when contains({text}, '.') then regexp_replace({text}, '{_IPV4}$', '') "
        f"|| printf('%x:%x', {_number(tail)} >> 16, {_number(tail)} & 65535) else {text} end"
    )
    left = "list_filter(string_split(split_part(a, '::', 1), ':'), lambda g: g <> '')"
    right = "list_filter(string_split(split_part(a, '::', 2), ':'), lambda g: g <> '')"
    joined = f"list_concat({left}, list_resize([]::varchar[], 8 - len({left}) - len({right}), '0'), {right})"
    padded = f"array_to_string(list_transform({joined}, lambda g: lpad(g, 4, '0')), '')"
    is_address = (
        f"len(string_split(a, '::')) <= 2 and not contains(a, ':::') "
        f"and not regexp_matches(a, '[0-9a-f]{{5}}|^:[^:]|[^:]:$') "
        f"and case when contains(a, '::') then len({left}) + len({right}) <= 7 "
        f"else len({left}) = 8 end"
    )
    return f"list_transform([{plain}], lambda a: case when {is_address} then {padded} end)[1]"

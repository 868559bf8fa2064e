"""Writes small files in MaxMind's format, by its published description (MaxMind DB 2.0)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)
_UINT16, _UINT32, _UINT64 = 5, 6, 9
_KINDS = {
    "binary_format_major_version": _UINT16,
    "binary_format_minor_version": _UINT16,
    "build_epoch": _UINT64,
    "ip_version": _UINT16,
    "record_size": _UINT16,
    "accuracy_radius": _UINT16,
}
"""Readers insist on the width of some numbers."""


def write(path: Path, networks: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a file that gives each network, such as 203.0.113.0/24, a record."""
    nodes: list[list[int | bytes | None]] = [[None, None]]
    for text, record in networks.items():
        network = ipaddress.ip_network(text)
        is_v4 = network.version == 4
        length = network.prefixlen + (96 if is_v4 else 0)
        value = int(network.network_address)
        node = 0
        for depth in range(length):
            bit = value >> (127 - depth) & 1
            if depth == length - 1:
                nodes[node][bit] = _encoded(record)
            elif nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
                node = len(nodes) - 1
            else:
                step = nodes[node][bit]
                assert isinstance(step, int), f"{text} lies within another network"
                node = step
    data = bytearray()
    tree = bytearray()
    for pair in nodes:
        for side in pair:
            number = len(nodes) if side is None else side
            if isinstance(number, bytes):
                data_offset = len(data)
                data += number
                number = len(nodes) + len(_SEPARATOR) + data_offset
            tree += struct.pack(">I", number)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_767_225_600,
        "database_type": "Test",
        "description": {"en": "made by a test"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 32,
    }
    path.write_bytes(bytes(tree) + _SEPARATOR + bytes(data) + _MARKER + _encoded(metadata))
    return path


def _encoded(value: Any, kind: int = _UINT32) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _control(2, len(raw)) + raw
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        raw = value.to_bytes(8, "big").lstrip(b"\0")
        return _control(kind, len(raw)) + raw
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encoded, value))
    pairs = (
        _encoded(name) + _encoded(one, _KINDS.get(name, _UINT32)) for name, one in value.items()
    )
    return _control(7, len(value)) + b"".join(pairs)


def _control(kind: int, size: int) -> bytes:
    short = size if size < 29 else 29
    more = b"" if size < 29 else bytes([size - 29])
    if kind > 7:
        return bytes([short, kind - 7]) + more
    return bytes([kind << 5 | short]) + more

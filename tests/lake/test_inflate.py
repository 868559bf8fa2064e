"""The gzip reader: one member whole, or a reason."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.lake.inflate import inflate

CONTENT = b'{"Records":[]}' * 50
PACKED = gzip.compress(CONTENT, mtime=0)
ENOUGH = 1_000_000


@given(st.binary(max_size=5_000))
def test_what_was_compressed_comes_back(content: bytes) -> None:
    found = inflate(gzip.compress(content), max_bytes=ENOUGH)
    assert (found.content, found.reason) == (content, None)


@given(st.binary(max_size=300).filter(lambda data: not data.startswith(b"\x1f\x8b")))
def test_what_is_not_gzip_is_the_content_itself(data: bytes) -> None:
    found = inflate(data, max_bytes=ENOUGH)
    assert (found.content, found.reason) == (data, None)


@pytest.mark.parametrize("kept", range(2, len(PACKED)))
def test_a_cut_stream_gives_nothing_at_all(kept: int) -> None:
    found = inflate(PACKED[:kept], max_bytes=ENOUGH)
    assert (found.content, found.reason) == (b"", "truncated")


@given(st.integers(0, len(PACKED) * 8 - 1))
def test_a_flipped_bit_never_gives_other_content(bit: int) -> None:
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    found = inflate(bytes(damaged), max_bytes=ENOUGH)
    if not damaged.startswith(b"\x1f\x8b"):
        assert found.content == damaged
    elif found.reason in (None, "trailing_data"):
        assert found.content == CONTENT  # a bit of the header that says nothing of the content
    else:
        assert found.content == b""


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(gzip.compress(b'{"Records":[{"eventName":"forged"}]}'), id="a-second-member"),
        pytest.param(b"\0" * 512, id="padding"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(b"\x1f", id="one-byte"),
        pytest.param(b"\n", id="a-line-end"),
    ],
)
def test_what_follows_the_first_member_is_never_content(tail: bytes) -> None:
    found = inflate(PACKED + tail, max_bytes=ENOUGH)
    assert (found.content, found.reason, found.trailing) == (CONTENT, "trailing_data", tail)
    assert str(len(tail)) in found.detail


def test_a_bomb_stops_at_the_cap() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 30_000
    found = inflate(bomb, max_bytes=100_000)
    assert (found.content, found.reason) == (b"", "too_large")


@pytest.mark.parametrize("data", [PACKED, CONTENT])
def test_the_cap_itself_is_still_allowed(data: bytes) -> None:
    assert inflate(data, max_bytes=len(CONTENT)).content == CONTENT
    assert inflate(data, max_bytes=len(CONTENT) - 1).reason == "too_large"


def test_a_wrong_checksum_is_corrupt() -> None:
    wrong = PACKED[:-8] + (zlib.crc32(CONTENT) ^ 1).to_bytes(4, "little") + PACKED[-4:]
    assert inflate(wrong, max_bytes=ENOUGH).reason == "corrupt"


def test_a_wrong_length_is_corrupt() -> None:
    assert inflate(PACKED[:-4] + b"\0\0\0\1", max_bytes=ENOUGH).reason == "corrupt"


def test_an_empty_object_is_empty_content() -> None:
    found = inflate(b"", max_bytes=ENOUGH)
    assert (found.content, found.reason) == (b"", None)
    assert inflate(gzip.compress(b""), max_bytes=ENOUGH).reason is None

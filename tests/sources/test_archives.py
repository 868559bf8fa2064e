"""Archives in folders: what is listed, what is read, and what hostile ones can't do."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctanalytics.records import object_key
from ctanalytics.settings import Aws
from ctanalytics.sources import archive_streams, archives
from ctanalytics.sources.base import LogObject, Selection, Source, Unread, open_source
from tests.logs import ACCOUNT, REGION, key

Members = Iterable[tuple[str, bytes]]
MANY = 1 << 30
TWO = [("logs/a.json", b'{"a":1}'), ("logs/deep/b.json", b"[]" * 600)]


def tar(members: Members, **options: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_772_352_000
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def packed(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


def zstd(data: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as stream:
        stream.write(data)
    return made.getvalue().to_pybytes()


KINDS: dict[str, Callable[[Members], bytes]] = {
    "tar": tar,
    "tar-pax": lambda members: tar(members, format=tarfile.PAX_FORMAT),
    "tar-gnu": lambda members: tar(members, format=tarfile.GNU_FORMAT),
    "tar-ustar": lambda members: tar(members, format=tarfile.USTAR_FORMAT),
    "tar.gz": lambda members: gzip.compress(tar(members)),
    "tar.xz": lambda members: lzma.compress(tar(members)),
    "tar.bz2": lambda members: bz2.compress(tar(members), 1),
    "tar.zst": lambda members: zstd(tar(members)),
    "zip": packed,
    "zip-stored": lambda members: packed(members, zipfile.ZIP_STORED),
}


def put(folder: Path, data: bytes, name: str = "some.data") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def opened(path: Path, selection: Selection | None = None) -> tuple[Source, list[LogObject]]:
    source = open_source(str(path), Aws())
    return source, [obj for batch in source.list(selection or Selection()) for obj in batch]


def listed(path: Path, selection: Selection | None = None) -> tuple[Source, list[LogObject]]:
    """As `opened`, without the archives themselves."""
    source, objects = opened(path, selection)
    return source, [obj for obj in objects if obj.locator]


def is_whole(obj: LogObject) -> bool:
    """Whether it is an archive itself, that was read to its end."""
    return obj.refused is not None and obj.refused.reason == "skipped"


def contents(path: Path, max_bytes: int = MANY) -> dict[str, bytes | Unread]:
    """What each member gives, by its name; "" is an archive that could not be read to its end."""
    source, objects = opened(path)
    return {
        obj.key.removeprefix(str(path.resolve())).removeprefix("!/"): source.read(obj, max_bytes)
        for obj in objects
        if not is_whole(obj)
    }


def reason(found: bytes | Unread) -> str:
    assert isinstance(found, Unread)
    return found.reason


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_known_by_its_content_and_its_members_are_objects(
    kind: str, tmp_path: Path
) -> None:
    path = put(tmp_path, KINDS[kind](TWO), "data.json.gz")
    assert contents(path) == dict(TWO)
    _, objects = listed(tmp_path)
    assert [obj.key for obj in objects] == [f"{path.resolve()}!/{name}" for name, _ in TWO]
    assert [(obj.bucket, obj.size_bytes) for obj in objects] == [("file", 7), ("file", 1_200)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_archive_holds_nothing(kind: str, tmp_path: Path) -> None:
    put(tmp_path, b"{}", "beside.json")
    path = put(tmp_path, KINDS[kind]([]))
    found = contents(tmp_path)
    # An empty tar file is zeros alone, which nothing tells from another file of zeros.
    assert len(found) == (1 if kind.startswith("zip") else 2)
    assert path.exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(b'{"Records":[]}'), id="gzip"),
        pytest.param(lzma.compress(b'{"Records":[]}'), id="xz"),
        pytest.param(bz2.compress(b'{"Records":[]}'), id="bzip2"),
        pytest.param(zstd(b'{"Records":[]}'), id="zstd"),
        pytest.param(gzip.compress(b"x" * 5_000)[:-9], id="cut-gzip"),
        pytest.param(b"\x1f\x8bnot gzip at all", id="magic-alone"),
        pytest.param(b"\x28\xb5\x2f\xfdnot zstd", id="zstd-magic-alone"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}" * 400, id="json"),
        pytest.param(bytes(10_240), id="zeros"),
    ],
)
def test_what_is_no_archive_is_a_file(data: bytes, tmp_path: Path) -> None:
    path = put(tmp_path, data)
    assert contents(path) == {"": data}


def test_members_tell_account_region_and_day_by_their_names(tmp_path: Path) -> None:
    other = key(0, account_id="444455556666")
    put(tmp_path, gzip.compress(tar([(key(0), b"{}"), (f"./x/{other}", b"{}"), ("y", b"{}")])))
    _, objects = listed(tmp_path, Selection(accounts=frozenset({ACCOUNT})))
    assert [obj.key.partition("!/")[2] for obj in objects] == [key(0), "y"]
    parsed = object_key.parse(objects[0].key)
    assert (parsed.kind, parsed.account_id, parsed.aws_region) == ("log", ACCOUNT, REGION)
    assert parsed.delivery_date is not None


def test_a_members_name_goes_before_the_path_of_its_archive() -> None:
    archive = f"/data/{key(0)}.tar"
    other = key(0, account_id="444455556666")
    assert object_key.parse(f"{archive}!/{other}").account_id == "444455556666"
    assert object_key.parse(f"{archive}!/x.json").account_id == ACCOUNT


def test_files_with_names_of_log_files_are_not_looked_into(tmp_path: Path) -> None:
    path = tmp_path / key(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(tar(TWO))
    _, objects = opened(tmp_path)
    assert [obj.key for obj in objects] == [str(path.resolve())]
    _, objects = listed(path)
    assert len(objects) == 2


def test_hidden_members_folders_and_links_are_left_out(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, kind in [("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)
        for name in ("d/._x.json", ".git/config", "__MACOSX/x", "d/x.json"):
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"{}"))
        info = tarfile.TarInfo("null")
        info.type = tarfile.CHRTYPE
        archive.addfile(info)
    path = put(tmp_path, made.getvalue())
    source, objects = listed(path)
    assert [obj.key.partition("!/")[2] for obj in objects] == ["d/x.json"]
    assert source.notes.texts == [f"2 links in an archive were not followed: {path.resolve()}"]


HOSTILE = [
    "../../../../tmp/evil.json",
    "/etc/cron.d/evil",
    "a\nb.json",
    "\x1b[31mred.json",
    "$(reboot).json",
    "'; drop table events; --",
    "x!/y!/z.json",
    "ü/日本.json",
    "a" * 900,
]


@pytest.mark.parametrize("kind", ["tar.gz", "tar-pax", "tar-gnu", "zip"])
def test_hostile_names_are_text_and_make_no_file(kind: str, tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    path = put(inner, KINDS[kind]([(name, name.encode()) for name in HOSTILE]))
    before = sorted(tmp_path.rglob("*"))
    found = contents(path)
    assert found == {name.lstrip("/"): name.encode() for name in HOSTILE}
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_are_no_text_or_too_long_are_spelled_out(tmp_path: Path) -> None:
    made = bytearray(tar([("abc.json", b"{}")]))
    made[:3] = b"\xff\xfec"
    made[148:156] = b"%06o\0 " % (sum(made[:148]) + 256 + sum(made[156:512]))
    assert list(contents(put(tmp_path, bytes(made)))) == ["\\xff\\xfec.json"]
    long = "d/" * 3_000 + "x"
    (name,) = contents(put(tmp_path, tar([(long, b"{}")])))
    assert len(name) < 1_100
    assert name.startswith("d/d/")


def test_members_of_one_name_are_all_read(tmp_path: Path) -> None:
    path = put(tmp_path, tar([("x", b"1"), ("x", b"2"), ("x", b"3"), ("x#2", b"4")]))
    assert contents(path) == {"x": b"1", "x#2": b"2", "x#3": b"3", "x#2#2": b"4"}


def test_archives_one_behind_the_other_are_read_as_one(tmp_path: Path) -> None:
    both = tar(TWO[:1]) + tar(TWO[1:])
    for data in (
        both,
        gzip.compress(both),
        gzip.compress(tar(TWO[:1])) + gzip.compress(tar(TWO[1:])),
    ):
        assert contents(put(tmp_path, data)) == dict(TWO)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst", "zip"])
def test_a_cut_archive_is_set_aside_and_what_it_still_has_is_read(
    kind: str, tmp_path: Path
) -> None:
    members = [(f"{number}.json", os.urandom(60_000)) for number in range(20)]
    data = KINDS[kind](members)
    found = contents(put(tmp_path, data[: len(data) // 2]))
    assert reason(found[""]) == "truncated"
    if kind == "zip":  # the directory is at its end
        assert len(found) == 1
        return
    whole = {name: data for name, data in found.items() if isinstance(data, bytes)}
    assert 0 < len(whole) < 20
    assert whole.items() <= dict(members).items()


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.bz2", "tar.zst"])
def test_other_data_behind_a_compressed_archive_is_a_fault(kind: str, tmp_path: Path) -> None:
    members = [*TWO, ("large", os.urandom(100_000))]
    found = contents(put(tmp_path, KINDS[kind](members) + b"forged" * 3))
    assert reason(found.pop("")) == "corrupt"
    # Arrow gives nothing of the piece that a zstd stream is damaged in.
    expected = members[:2] if kind == "tar.zst" else members
    assert {name: found[name] for name, _ in expected} == dict(expected)


def test_other_data_behind_a_tar_file_is_a_fault(tmp_path: Path) -> None:
    found = contents(put(tmp_path, tar(TWO) + b"forged" * 300))
    assert reason(found.pop("")) == "corrupt"
    assert found == dict(TWO)


def test_an_archive_in_an_archive_is_set_aside(tmp_path: Path) -> None:
    inner = [(name, make(TWO)) for name, make in KINDS.items() if "-" not in name]
    found = contents(put(tmp_path, packed([*inner, ("x.json", b"{}")])))
    assert found.pop("x.json") == b"{}"
    assert {name: reason(data) for name, data in found.items()} == {
        name: "nested_archive" for name, _ in inner
    }


def test_encrypted_members_and_unknown_compression_are_set_aside_alone(tmp_path: Path) -> None:
    data = packed([("a", b"1" * 50), ("b", b"2" * 50), ("c", b"3" * 50)])
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    made = bytearray(data)
    made[first + 8] |= 1
    made[second + 10 : second + 12] = (99).to_bytes(2, "little")
    found = contents(put(tmp_path, bytes(made)))
    assert reason(found["a"]) == "encrypted"
    assert reason(found["b"]) == "unsupported"
    assert "AES" in found["b"].detail  # type: ignore[union-attr]
    assert found["c"] == b"3" * 50


def test_a_damaged_member_of_a_zip_costs_no_neighbour(tmp_path: Path) -> None:
    members = [(name, os.urandom(2_000)) for name in "abc"]
    made = bytearray(packed(members, zipfile.ZIP_STORED))
    made[made.index(members[1][1]) + 1_000] ^= 1
    found = contents(put(tmp_path, bytes(made)))
    assert reason(found["b"]) == "corrupt"
    assert (found["a"], found["c"]) == (members[0][1], members[2][1])


def test_a_zip_behind_other_bytes_is_read(tmp_path: Path) -> None:
    # Its kind is told by its beginning; but what only begins like one may have more before it.
    data = b"PK\x03\x04" + b"before" * 9 + packed(TWO)
    assert contents(put(tmp_path, data)) == dict(TWO)


def test_a_zip_with_a_comment_and_long_fields_is_read(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.comment = b"a comment with PK\x05\x06 in it" * 3
        for name, data in TWO:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert contents(put(tmp_path, made.getvalue())) == dict(TWO)


def test_sparse_files_are_set_aside(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.size = 0
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    found = contents(put(tmp_path, info.tobuf(tarfile.PAX_FORMAT) + bytes(1_024)))
    assert reason(found["x"]) == "unsupported"


def test_large_members_are_set_aside_alone(tmp_path: Path) -> None:
    for kind in ("tar.gz", "zip"):
        found = contents(put(tmp_path, KINDS[kind](TWO)), max_bytes=100)
        assert reason(found["logs/deep/b.json"]) == "too_large"
        assert found["logs/a.json"] == b'{"a":1}'


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip"])
def test_a_bomb_is_set_aside_before_it_is_unpacked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (archive_streams, archives):
        monkeypatch.setattr(module, "FREE_BYTES", 1 << 20)
    zeros = bytes(1 << 19)
    data = KINDS[kind]([("0", b"{}"), *[(str(number), zeros) for number in range(1, 40)]])
    found = contents(put(tmp_path, data))
    assert reason(found[""]) == "too_large"
    assert found["0"] == b"{}"
    assert len(found) < 20


def test_members_that_all_point_at_one_place_are_a_bomb(tmp_path: Path) -> None:
    data = packed([("x", bytes(1 << 20))])
    start = data.index(b"PK\x01\x02")
    entry = data[start : data.index(b"PK\x05\x06")]
    count = 2_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    found = contents(put(tmp_path, data[:start] + entry * count + end), max_bytes=10)
    assert reason(found[""]) == "too_large"
    assert len(found) < 200


def test_the_number_of_members_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    found = contents(put(tmp_path, tar([(str(number), b"x") for number in range(9)])))
    assert list(found) == ["0", "1", "2", ""]
    assert reason(found[""]) == "too_large"


def test_an_archive_itself_comes_last_and_holds_nothing(tmp_path: Path) -> None:
    path = put(tmp_path, gzip.compress(tar(TWO)))
    source, objects = opened(path)
    assert [obj.key for obj in objects][2:] == [str(path.resolve())]
    assert reason(source.read(objects[2], MANY)) == "skipped"
    # So that one which was cut and then mended is seen as mended.
    path.write_bytes(path.read_bytes()[:-9])
    assert reason(opened(path)[1][-1].refused or b"") == "truncated"


def test_an_archive_is_read_only_as_it_was_listed(tmp_path: Path) -> None:
    path = put(tmp_path, gzip.compress(tar(TWO)))
    source, objects = listed(path)
    assert source.read(objects[0], MANY) == TWO[0][1]
    path.write_bytes(gzip.compress(tar([(name, data[::-1]) for name, data in TWO])))
    assert reason(source.read(objects[1], MANY)) == "changed"
    path.unlink()
    assert reason(source.read(objects[1], MANY)) == "gone"


def test_any_change_of_an_archive_changes_its_members_etags(tmp_path: Path) -> None:
    path = put(tmp_path, tar(TWO))
    before = {obj.etag for obj in opened(path)[1]}
    os.utime(path, ns=(0, 1))
    assert before.isdisjoint(obj.etag for obj in opened(path)[1])


def test_members_are_read_in_any_order(tmp_path: Path) -> None:
    members = [(str(number), os.urandom(3_000)) for number in range(30)]
    for kind in ("tar", "tar.gz", "tar.zst", "zip"):
        source, objects = listed(put(tmp_path, KINDS[kind](members), kind))
        for place in (29, 3, 3, 17, 0):
            assert source.read(objects[place], MANY) == members[place][1]


def test_members_in_a_row_unpack_their_archive_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [(str(number), os.urandom(20_000)) for number in range(50)]
    source, objects = listed(put(tmp_path, gzip.compress(tar(members))))
    opened_before = archives._READERS._open
    assert opened_before is None or opened_before.place[0] != objects[0].key
    source.read(objects[0], MANY)
    reader = archives._READERS._open
    assert reader is not None
    stream = reader.stream
    for obj in objects[1:]:
        # As other parts do it: by a source of their own.
        open_source(str(tmp_path / "some.data"), Aws()).read(obj, MANY)
    assert archives._READERS._open is reader
    assert reader.stream is stream


def test_a_header_made_to_slow_a_reader_down_does_not(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 60_000
    slow = header.tobuf() + b"1" * 60_000 + bytes(-60_000 % 512) + info.tobuf()
    negative = bytearray(info.tobuf())
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b"%06o\0 " % (sum(negative[:148]) + 256 + sum(negative[156:512]))
    huge = tarfile.TarInfo("long")
    huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    started = time.monotonic()
    for data in (slow, bytes(negative), huge.tobuf(tarfile.GNU_FORMAT)):
        assert (
            reason(contents(put(tmp_path, tar(TWO)[:3072] + data + bytes(1_024)))[""]) == "corrupt"
        )
    assert time.monotonic() - started < 5


ORIGINALS = {kind: KINDS[kind]([*TWO, (key(0), b"{}" * 90)]) for kind in KINDS}


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.1, 1),
)
def test_a_spoiled_archive_gives_members_or_reasons_and_nothing_else(
    tmp_path: Path, kind: str, changes: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(ORIGINALS[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    path = put(tmp_path, bytes(data[: int(cut * len(data))]))
    for name, found in contents(path, 10_000).items():
        assert isinstance(found, bytes | Unread), name


def test_what_a_listing_tells_survives_a_plan(tmp_path: Path) -> None:
    from ctanalytics.app import ingest_part

    put(tmp_path, gzip.compress(tar(TWO))[:-5])
    source, objects = opened(tmp_path)
    for obj in objects:
        again = ingest_part.log_object(json.loads(json.dumps(ingest_part.listed(obj))))
        assert dataclasses.asdict(again) == dataclasses.asdict(obj)
        assert source.read(again, MANY) == source.read(obj, MANY)

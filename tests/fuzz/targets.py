"""What is fuzzed: each target takes any bytes, and asserts what must hold whatever they are.

A target raises for a defect alone. The error that a parser documents is an answer.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
from cryptography.hazmat.primitives.asymmetric import rsa

from ctanalytics.app.serve.fields import Fields
from ctanalytics.errors import CtanalyticsError, SettingsError, UsageError
from ctanalytics.lake.config_file import Cutter
from ctanalytics.lake.decode import Decoder
from ctanalytics.records import digest as digest_format
from ctanalytics.records import object_key
from ctanalytics.settings import SourceAws
from ctanalytics.settings.loading import load as load_settings
from ctanalytics.sigma.loading import load as load_rules
from ctanalytics.sigma.translate import exact, possible_for_api, prefilter
from ctanalytics.sources import archives, notifications
from ctanalytics.sources.base import Notes
from ctanalytics.sources.inventory import Inventory
from ctanalytics.sources.object_list import ObjectList
from ctanalytics.sources.object_rows import OBJECT_ROWS
from ctanalytics.untrusted import one_line, spreadsheet, terminal
from tests.lake.decoding import NOW, Result, check_sum
from tests.logs import ACCOUNT, REGION, document, key, record
from tests.sources.reports import report as inventory_report
from tests.sources.reports import row as inventory_row

ROOT: Final = Path(__file__).parent.parent.parent
FOUND: Final = Path(__file__).parent / "found"
"""Inputs that broke a target once, in a folder of its name."""
DATA: Final = ROOT / "tests" / "data"
RULES: Final = ROOT / "ctanalytics" / "rules"
_CONFIG_KEY: Final = object_key.config_key(
    account_id=ACCOUNT, aws_region=REGION, channel="ConfigSnapshot", name="x", start=NOW
)
_SEED_BYTES: Final = 20_000
_MOST_BYTES: Final = 1 << 20

Seeds = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """A function under fire, and inputs from which to start."""

    run: Callable[[bytes], None]
    seeds: Seeds


def decode_log(data: bytes) -> None:
    """A log file: every record is a row or set aside, and its neighbours keep their rows."""
    assert _rows_beside(data) == _EXPECTED


def decode_gzip(data: bytes) -> None:
    """The same bytes, packed as they lie in a bucket: what they say can't depend on it."""
    plain, packed = _outcome(data), _outcome(gzip.compress(data, 1))
    if not data.startswith((b"\x1f\x8b", b"BZh", b"PK")):
        assert plain[1:] == packed[1:] or plain[0].state == "quarantined"


def decode_config(data: bytes) -> None:
    """A file of AWS Config: however it is cut into pieces, the same items come out."""
    whole = list(Cutter().feed(data))
    cutter = Cutter()
    step = 1 + len(data) // 7
    assert [
        item for at in range(0, len(data), step) for item in cutter.feed(data[at : at + step])
    ] == whole
    decoder = Decoder(now=NOW)
    outcome = decoder.add("bucket", _CONFIG_KEY, data)
    check_sum(Result(outcome, decoder.finish().in_file_order()))


def parse_key(data: bytes) -> None:
    """A key says where it belongs, or that it is unknown; it never fails."""
    found = object_key.parse(data.decode("utf-8", "surrogateescape"))
    assert found.account_id is None or found.account_id.isdigit()
    assert (found.stamp is None) or found.stamp.tzinfo is not None


def parse_digest(data: bytes) -> None:
    """A digest that is read means the same when it is written and read again."""
    try:
        found = digest_format.parse(data)
    except ValueError:
        return
    assert digest_format.parse(digest_format.build(found)) == found
    digest_format.signing_string(found, data)


def parse_public_keys(data: bytes) -> None:
    """Public keys of a stranger's bundle: a key loads, or is refused by ValueError."""
    try:
        keys = digest_format.parse_public_keys(data)
    except ValueError:
        return
    for one in keys:
        digest_format.fingerprint(one.value)
        try:
            loaded = digest_format.load_public_key(one.value)
        except ValueError:
            continue
        assert not digest_format.verify(loaded, "00", b"text")


def read_notice(data: bytes) -> None:
    """A queue's message: an announcement, or not one."""
    try:
        notice = notifications.read(data.decode("utf-8", "replace"))
    except notifications.NotANoticeError:
        return
    assert all(isinstance(one.key, str) for one in notice.objects)


def load_sigma(data: bytes) -> None:
    """A rule file: each rule runs or says why not, and what runs is one SQL expression."""
    with _file(data, ".yml") as path:
        rules = load_rules([path], {"trails": ("main",)})
    for rule in rules:
        assert rule.status == "ok" or rule.reason
        if rule.status == "ok" and rule.condition is not None:
            for bound in (exact, possible_for_api, prefilter):
                _is_one_expression(bound(rule.condition))


def load_toml(data: bytes) -> None:
    """A settings file: settings, or an error that names the file."""
    with _file(data, ".toml") as path:
        try:
            load_settings(environ={}, file=path)
        except SettingsError as error:
            assert str(path) in str(error) or error.where


def list_archive(data: bytes) -> None:
    """An archive: members are listed and read within limits, or the archive says what is wrong."""
    kind = archives.kind_of(io.BytesIO(data))
    if kind is None:
        return
    with _file(data, ".bin") as path:
        for count, member in enumerate(archives.members(str(path), path.stat(), kind, Notes())):
            if member.refused is None:
                archives.read(member, _MOST_BYTES)
            if count > 50:
                break


def list_objects(data: bytes) -> None:
    """A list of objects: rows of one shape, or an error of ours that names the file."""
    with _file(data, ".list") as path:
        try:
            for batch in ObjectList.open(str(path), SourceAws()).rows():
                assert batch.schema == OBJECT_ROWS
        except CtanalyticsError as error:
            assert str(path) in str(error)


def read_inventory(data: bytes) -> None:
    """An inventory's manifest, or a file of rows that a manifest names: rows, or an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "rows").write_bytes(data)
        for written in (data, *(_manifest(kind, data) for kind in ("CSV", "Parquet", "ORC"))):
            (place / "manifest.json").write_bytes(written)
            with contextlib.suppress(CtanalyticsError):
                for batch in Inventory.open(str(place / "manifest.json"), SourceAws()).rows():
                    assert batch.schema == OBJECT_ROWS


def read_query(data: bytes) -> None:
    """A query of `serve`: values, or UsageError."""
    try:
        fields = Fields(data.decode("utf-8", "surrogateescape"))
    except UsageError:
        return
    for name in fields.values:
        assert fields.text(name) is None or len(fields.needed(name)) <= 2_000
        for read in (fields.moment, fields.day, lambda one: fields.number(one, most=100)):
            with contextlib.suppress(UsageError):
                read(name)


def show_text(data: bytes) -> None:
    """Text of a log on a terminal or in a spreadsheet steers neither."""
    text = data.decode("utf-8", "surrogateescape")
    for shown in (terminal(text), one_line(text)):
        assert not any(
            unicodedata.category(one) in ("Cc", "Cf", "Cs") and one not in "\n\t" for one in shown
        )
    assert "\n" not in one_line(text)
    assert not spreadsheet(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def _rows_beside(data: bytes | None) -> list[dict[str, Any]]:
    """Rows of two intact files, with one between them or without; every record is counted."""
    objects = {"0": _NEIGHBOUR, "1": data, "2": _NEIGHBOUR}
    decoder = Decoder(now=NOW)
    records = sum(
        decoder.add("bucket", name, content).records
        for name, content in objects.items()
        if content is not None
    )
    found = decoder.finish().in_file_order()
    tables = (found.events, found.insights, found.aggregated, found.config_items)
    aside = sum(fault.record is not None for fault in found.faults)
    assert sum(table.num_rows for table in tables) + aside == records
    events: list[dict[str, Any]] = found.events.to_pylist()
    return [row for row in events if row["source_object"] != "bucket/1"]


def _outcome(data: bytes) -> tuple[object, ...]:
    decoder = Decoder(now=NOW)
    outcome = decoder.add("bucket", "one.json", data)
    result = Result(outcome, decoder.finish().in_file_order())
    check_sum(result)
    return outcome, outcome.records, outcome.records_quarantined, result.ids()


def _is_one_expression(text: str) -> None:
    """Whether SQL is a condition and nothing else, as DuckDB's own parser sees it."""
    (found,) = duckdb.extract_statements(f"select 1 from events where ({text})")
    assert found.type == duckdb.StatementType.SELECT


@contextlib.contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    """A file of these bytes, gone afterwards."""
    handle, name = tempfile.mkstemp(suffix)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    try:
        yield Path(name)
    finally:
        Path(name).unlink()


def _of_folder(pattern: str, folder: Path = DATA) -> Iterator[bytes]:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and path.stat().st_size <= _SEED_BYTES:
            data = path.read_bytes()
            yield gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _logs() -> Iterator[bytes]:
    yield document([record(1), record(2, errorCode="AccessDenied", errorMessage="no")])
    yield document([record(3, userIdentity=None, eventTime="x", additionalEventData={"a": [1.5]})])
    yield from _of_folder("*.json")


def _keys() -> Iterator[bytes]:
    yield key(1).encode()
    yield key(2, organization="o-exampleorg11", prefix="logs", kind="insight").encode()
    yield object_key.digest_key(
        account_id=ACCOUNT, aws_region=REGION, end=NOW, trail="main", home_region=REGION
    ).encode()
    yield _CONFIG_KEY.encode()
    yield b"logs.zip!/CloudTrail_eu-west-1_20260302T1200Z.json.gz"


def _digests() -> Iterator[bytes]:
    yield from _of_folder("*digest*.json")


def _public_keys() -> Iterator[bytes]:
    der = digest_format.public_key_der(rsa.generate_private_key(65_537, 2_048).public_key())
    one = digest_format.PublicKey(
        region=REGION,
        fingerprint=digest_format.fingerprint(der),
        value=der,
        valid_from=NOW,
        valid_until=NOW,
    )
    yield digest_format.build_public_keys([one])


def _notices() -> Iterator[bytes]:
    yield from _of_folder("*.json", DATA / "cloudtrail-rs")


def _rules() -> Iterator[bytes]:
    yield from itertools.islice(_of_folder("*.yml", RULES), 0, None, 6)


def _settings() -> Iterator[bytes]:
    yield b'[detect]\nbudget = 7.0\n[[detect.calendars]]\naccounts = ["111122223333"]\n'
    yield b'[ingest]\nmax_decompressed_bytes = "1 GB"\n[redact]\npaths = ["requestParameters.a"]\n'


def _archives() -> Iterator[bytes]:
    content = document([record(1)])
    for mode in ("w", "w:gz", "w:bz2"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
            member = tarfile.TarInfo("one.json")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        yield packed.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.json", content)
    yield packed.getvalue()


def _manifest(kind: str, data: bytes) -> bytes:
    named = {"key": "rows", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}
    told = {"sourceBucket": "logs", "creationTimestamp": "1764200000000", "files": [named]}
    return json.dumps(told | {"fileFormat": kind, "fileSchema": "Bucket, Key, Size"}).encode()


def _object_lists() -> Iterator[bytes]:
    yield b"a/b.json.gz\ns3://logs/c.json.gz\n"
    yield b"key,size,last_modified\na,10,2026-11-26T12:30:00Z\n"
    yield b'{"key": "a", "size": 10, "etag": "e1"}\n{"uri": "s3://logs/b"}\n'


def _inventories() -> Iterator[bytes]:
    yield _manifest("CSV", b"")
    yield gzip.compress(b'"logs","a%20b","10"\n')
    for kind in ("CSV", "Parquet", "ORC"):
        yield from inventory_report([[inventory_row("a")]], kind).values()


def _queries() -> Iterator[bytes]:
    yield b"since=2026-11-24T08%3A00%2B01%3A00&who=dora*&page=2"
    yield b"day=2026-11-24&account=111122223333&x=%F0%9F%98%80"


def _texts() -> Iterator[bytes]:
    yield "dora\x1b[2J\u202e=1+1\ud83d".encode("utf-8", "surrogatepass")
    yield b"=cmd|' /C calc'!A0"


_NEIGHBOUR: Final = document([record(9_999)])
_EXPECTED: Final = _rows_beside(None)

TARGETS: Final = {
    "log": Target(decode_log, _logs),
    "gzip": Target(decode_gzip, _logs),
    "config": Target(decode_config, lambda: _of_folder("*.json", DATA / "aws-config")),
    "key": Target(parse_key, _keys),
    "digest": Target(parse_digest, _digests),
    "public_keys": Target(parse_public_keys, _public_keys),
    "notice": Target(read_notice, _notices),
    "sigma": Target(load_sigma, _rules),
    "settings": Target(load_toml, _settings),
    "archive": Target(list_archive, _archives),
    "object_list": Target(list_objects, _object_lists),
    "inventory": Target(read_inventory, _inventories),
    "query": Target(read_query, _queries),
    "text": Target(show_text, _texts),
}

"""Log files to measure with: the simulator's records, joined to files of chosen sizes.

The simulator has few actors, which would flatter a reader that parses each distinct userIdentity
once. So a quarter of the records of temporary keys get a key of their own in every corpus, and the
corpus `entropy` goes further: most identities, addresses, agents and request texts are unique.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from isal import igzip

DAYS: Final = 5
FRESH_KEYS: Final = 0.25
LEVEL: Final = 2  # of igzip; about as small as CloudTrail's own files

_TEMPORARY_KEY = re.compile(rb'"accessKeyId":"ASIA\w{16}"')
_EVENT_ID = re.compile(rb'"eventID":"[0-9a-f-]{36}')
_ID_START = re.compile(rb'"eventID":"[0-9a-f]{8}')
_DATE = re.compile(rb'"eventTime":"2025-(\d\d)-(\d\d)T')
_records_of = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode


@dataclass(frozen=True)
class Corpus:
    """Log files, and what is in them."""

    name: str
    folder: str
    files: int
    records: int
    content_bytes: int
    file_bytes: int


@dataclass(frozen=True)
class Recipe:
    """What a corpus is made of."""

    name: str
    files: int
    per_file: int
    """Records in one file; fewer only in the last one of a group."""
    entropy: bool = False
    by_region: bool = True
    """Whether files keep to one account, region and day; else to one day."""

    @property
    def key(self) -> str:
        """Name of its folder in a corpus folder that is kept."""
        return f"{self.name}-{self.files}x{self.per_file}"


def recipe(name: str, *, files: int = 800, per_file: int = 500) -> Recipe:
    """The recipe of a corpus; files and records are for `typical` and `entropy`."""
    return {
        "typical": Recipe("typical", files, per_file),
        "entropy": Recipe("entropy", files, per_file, entropy=True),
        "small": Recipe("small", 10_000, 20),
        "small-long": Recipe("small-long", 50_000, 20),
        # 33,000 records of 1.55 kB are 50 MB.
        "huge": Recipe("huge", 10, 33_000, by_region=False),
    }[name]


def made(place: Path, wanted: Recipe) -> Corpus:
    """Return a corpus, made now when the folder does not have it."""
    folder = place / wanted.key
    facts = folder / "corpus.json"
    if not facts.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        corpus = _make(folder, wanted)
        facts.write_text(json.dumps(asdict(corpus)))
    found: dict[str, Any] = json.loads(facts.read_text())
    return Corpus(**found | {"folder": str(folder / "logs")})


def _make(folder: Path, wanted: Recipe) -> Corpus:
    from ctanalytics.app.simulate import simulate

    raw = folder / "simulated"
    simulate(
        raw,
        days=DAYS,
        accounts=4,
        # Files end with the day of their account and region: a few records more fill the last.
        events_per_day=int(wanted.files * wanted.per_file / DAYS * 1.01),
        digests="none",
    )
    groups: dict[object, list[Path]] = {}
    for path in sorted(raw.rglob("*_CloudTrail_*.json.gz")):
        group = path.parent if wanted.by_region else path.parts[-4:-1]
        groups.setdefault(group, []).append(path)
    out = folder / "logs"
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        joined = pool.map(
            _join,
            itertools.repeat(raw),
            groups.values(),
            itertools.repeat(out),
            itertools.repeat(wanted),
            chunksize=4 if wanted.by_region else 1,
        )
        counts = [sum(column) for column in zip(*joined, strict=True)]
    shutil.rmtree(raw)
    return Corpus(wanted.name, str(out), *counts)


def _join(raw: Path, paths: list[Path], out: Path, wanted: Recipe) -> tuple[int, int, int, int]:
    """Records of one group in files of their size."""
    change: Callable[[bytes, random.Random], bytes] = _varied if wanted.entropy else _fresh
    waiting: list[bytes] = []
    files = records = content_bytes = file_bytes = 0
    for path in paths:
        content = gzip.decompress(path.read_bytes())
        waiting += [_changed(bytes(record), change) for record in _records_of(content)["Records"]]
        while len(waiting) >= wanted.per_file or (waiting and path == paths[-1]):
            chosen, waiting = waiting[: wanted.per_file], waiting[wanted.per_file :]
            text = b'{"Records":[' + b",".join(chosen) + b"]}"
            target = out / path.relative_to(raw)
            target = target.with_name(path.name.replace(".json.gz", f"{files:06d}.json.gz"))
            file_bytes += _write(target, text)
            files, records = files + 1, records + len(chosen)
            content_bytes += len(text)
    return files, records, content_bytes, file_bytes


def _changed(record: bytes, change: Callable[[bytes, random.Random], bytes]) -> bytes:
    """Change a record; an event that is delivered twice changes alike."""
    event_id = _EVENT_ID.search(record)
    return change(record, random.Random(event_id[0] if event_id else record))


def _write(target: Path, text: bytes) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    data = igzip.compress(text, LEVEL, mtime=0)
    target.write_bytes(data)
    return len(data)


def _fresh(record: bytes, rng: random.Random) -> bytes:
    """Give some records of temporary keys a key of their own."""
    if rng.random() >= FRESH_KEYS:
        return record
    key = f'"accessKeyId":"ASIA{rng.randrange(10**9):09d}EXAMPLE"'.encode()
    return _TEMPORARY_KEY.sub(key, record, count=1)


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def _varied(record: bytes, rng: random.Random) -> bytes:
    """Fill a record's fields with texts that occur once, as busy data-event trails have them."""

    def text(length: int) -> str:
        return "".join(rng.choices(_LETTERS, k=length))

    found: dict[str, Any] = msgspec.json.decode(record)
    identity = found.get("userIdentity") or {}
    if "accessKeyId" in identity and rng.random() < 0.75:
        identity["accessKeyId"] = f"ASIA{rng.randrange(10**9):09d}EXAMPLE"
        name = f"botocore-session-{rng.randrange(10**9)}"
        for key, mark in (("principalId", ":"), ("arn", "/")):
            if identity.get("type") == "AssumedRole" and key in identity:
                identity[key] = identity[key].rpartition(mark)[0] + mark + name
    if str(found.get("sourceIPAddress", "")).count(".") == 3 and rng.random() < 0.5:
        found["sourceIPAddress"] = f"203.0.113.{rng.randrange(256)}"
    if rng.random() < 0.25:
        found["userAgent"] = f"{found.get('userAgent')} cfg/retry-mode#{text(12)}"
    parameters = found.get("requestParameters") or {}
    if isinstance(parameters, dict) and rng.random() < 0.7:
        object_key = f"data/dt=2025-10-{rng.randrange(1, 29):02d}/part-{text(24)}.parquet"
        found["requestParameters"] = parameters | {"key": object_key, "nextToken": text(80)}
    if rng.random() < 0.4:
        extra = found.get("additionalEventData") or {}
        found["additionalEventData"] = extra | {"x-amz-id-2": text(76)}
    return msgspec.json.encode(found)


def shifted(source: Corpus, place: Path, copies: int) -> Corpus:
    """Make a corpus of several copies of another, each of later days and with event ids of its own."""
    folder = place / f"{source.name}-shifted-{copies}"
    facts = folder / "corpus.json"
    if not facts.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = sorted(Path(source.folder).rglob("*.json.gz"))
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            sizes = pool.map(
                _shift,
                itertools.repeat(Path(source.folder)),
                list(_slices(paths, 50)),
                itertools.repeat(folder / "logs"),
                itertools.repeat(copies),
            )
            file_bytes = sum(sizes)
        corpus = Corpus(
            folder.name,
            str(folder / "logs"),
            source.files * copies,
            source.records * copies,
            source.content_bytes * copies,
            file_bytes,
        )
        facts.write_text(json.dumps(asdict(corpus)))
    found: dict[str, Any] = json.loads(facts.read_text())
    return Corpus(**found | {"folder": str(folder / "logs")})


def _slices(paths: list[Path], size: int) -> Iterator[list[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def _shift(source: Path, paths: list[Path], out: Path, copies: int) -> int:
    import datetime as dt

    size = 0
    for path in paths:
        text = igzip.decompress(path.read_bytes())
        for copy in range(copies):
            moved = dt.timedelta(days=DAYS * copy)

            def later(match: re.Match[bytes], moved: dt.timedelta = moved) -> bytes:
                day = dt.date(2025, int(match[1]), int(match[2])) + moved
                return f'"eventTime":"{day.isoformat()}T'.encode()

            changed = _ID_START.sub(f'"eventID":"{copy:08x}'.encode(), _DATE.sub(later, text))
            relative = path.relative_to(source)
            day = dt.date(*map(int, relative.parts[-4:-1])) + moved
            name = re.sub(r"_\d{8}T", f"_{day:%Y%m%d}T", relative.name)
            target = out.joinpath(*relative.parts[:-4], f"{day:%Y/%m/%d}", name)
            size += _write(target, changed)
    return size

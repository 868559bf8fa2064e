"""One batch of everything that attackers may deliver: rows as they were written, or a reason each."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import IngestResult
from ctanalytics.lake.lake import Lake
from tests.app.ingesting import run
from tests.logs import document, event_id, record

EVIL = "'; drop table events; --<script>alert(1)</script>\x1b[2J\x07=cmd|' /C calc'!A0\u202e../../x\0ä😀"
DEEP = '{"a":' * 100 + "[" * 100 + "]" * 100 + "}" * 100


def file(number: int, **fields: Any) -> bytes:
    """A record with odd fields between two that have none."""
    return document([record(number), record(number + 1, **fields), record(number + 2)])


def spoiled(number: int, value: bytes) -> bytes:
    """The same with bytes in it that JSON doesn't write."""
    return file(number, requestParameters="@@@").replace(b'"@@@"', value)


def archive() -> bytes:
    """A tar file whose member wants to lie elsewhere."""
    content, made = document([record(130)]), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        member = tarfile.TarInfo("../../../evil.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


@dataclass(frozen=True)
class Case:
    """A file, how many rows it gives, and why what is missing was set aside."""

    data: bytes
    rows: int
    reason: str | None = None


CASES = {
    "bomb.json.gz": Case(gzip.compress(b"\0" * 9_000_000, 1), 0, "too_large"),
    "cut.json.gz": Case(gzip.compress(file(10))[:-9], 0, "truncated"),
    "behind.json.gz": Case(gzip.compress(file(20)) + gzip.compress(file(30)), 3, "trailing_data"),
    "empty.json.gz": Case(b"", 0),
    "nothing.json.gz": Case(gzip.compress(b""), 0),
    "folder.json.gz/inner.json.gz": Case(gzip.compress(file(40)), 3),
    "text.json": Case(file(50, userAgent=EVIL, errorMessage=EVIL), 3),
    "half.json": Case(file(53, userAgent="x\ud83d"), 3),
    "twice.json": Case(
        file(56).replace(b'"readOnly":true', b'"readOnly":true,"readOnly":false'), 3
    ),
    "case.json": Case(file(59, EVENTNAME="StopLogging", eventname="DeleteTrail"), 3),
    "number.json": Case(spoiled(62, b'{"n":' + b"9" * 5_000 + b',"f":1e400}'), 3),
    "deep.json": Case(spoiled(65, DEEP.encode()), 3),
    "mixed.json": Case(spoiled(68, b'[1,"a",null,{"b":[true,[{}]]}]'), 3),
    "nan.json": Case(spoiled(71, b'{"n":NaN,"f":-Infinity}'), 2, "not_json"),
    "latin.json": Case(spoiled(74, b'"\xff\xfe"'), 2, "not_utf8"),
    "abyss.json": Case(spoiled(77, b"[" * 5_000 + b"]" * 5_000), 2, "not_json"),
    "strange.json": Case(json.dumps([record(80), 7, None, {"a": 1}]).encode(), 1, "not_cloudtrail"),
    "no-log.json": Case(b"hello", 0, "not_json"),
    "\x1b[31mred\u202e.json": Case(file(90), 3),
    "members.tar.gz": Case(archive(), 1),
}


@dataclass(frozen=True)
class Batch:
    """What became of all of them in one ingest."""

    home: Path
    result: IngestResult
    events: list[dict[str, Any]]
    reasons: dict[str, set[str]]

    def of(self, name: str) -> list[dict[str, Any]]:
        """The rows of one file."""
        return [row for row in self.events if f"/odd/{name}" in row["source_object"]]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    home = tmp_path_factory.mktemp("hostile")
    logs = home / "logs"
    for name, case in CASES.items():
        path = logs / "odd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.data)
    for place in ("a", "z"):  # listed before them and after them
        (logs / place).mkdir()
        (logs / place / "good.json").write_bytes(file({"a": 200, "z": 210}[place]))
    (home / "secret.json").write_bytes(file(300))
    (logs / "odd" / "away.json").symlink_to(home / "secret.json")
    os.mkfifo(logs / "odd" / "pipe.json")
    result = run(logs, home / "lake", max_decompressed_bytes=2_000_000)
    with Lake.open(home / "lake").engine() as engine:
        events = engine.sql("select * from lake.events order by source_object, source_row")
        aside = engine.sql("select key, reason from lake.quarantine").to_pylist()
    reasons: dict[str, set[str]] = {}
    for row in aside:
        reasons.setdefault(row["key"].partition("/odd/")[2], set()).add(row["reason"])
    return Batch(home, result, events.to_pylist(), reasons)


@pytest.mark.parametrize("name", CASES, ids=ascii)
def test_each_file_gives_its_rows_or_a_reason(batch: Batch, name: str) -> None:
    assert len(batch.of(name)) == CASES[name].rows
    assert batch.reasons.get(name, set()) == {CASES[name].reason} - {None}


def test_nothing_else_is_read_set_aside_or_written(batch: Batch) -> None:
    assert batch.reasons.keys() == {name for name, case in CASES.items() if case.reason}
    assert len(batch.events) == sum(case.rows for case in CASES.values()) + 6
    assert [note for note in batch.result.notes if "symbolic link was not followed" in note]
    assert {path.name for path in batch.home.iterdir()} == {"lake", "logs", "secret.json"}
    assert not list(batch.home.parent.rglob("evil.json"))


def test_rows_say_what_was_written(batch: Batch) -> None:
    def odd(name: str) -> dict[str, Any]:
        return batch.of(name)[1]

    text = odd("text.json")
    assert (text["user_agent"], text["error_message"]) == (EVIL, EVIL)
    assert odd("half.json")["user_agent"] == "x\ufffd"
    originals = json.loads(odd("half.json")["unknown_fields"])["ctanalytics.originals"]
    assert json.loads(originals["userAgent"]) == "x\ud83d"
    assert [row["read_only"] for row in batch.of("twice.json")] == [False] * 3
    assert odd("case.json")["event_name"] == "GetBucketAcl"
    assert "StopLogging" in odd("case.json")["unknown_fields"]
    assert odd("number.json")["request_parameters"].startswith('{"n":9999')
    assert odd("deep.json")["request_parameters"] == DEEP
    assert odd("mixed.json")["request_parameters"] == '[1,"a",null,{"b":[true,[{}]]}]'


def test_neighbours_are_what_they_are_without_them(batch: Batch, tmp_path: Path) -> None:
    moved = {"plan_id", "ingested_at"}
    near = [row for row in batch.events if "good.json" in row["source_object"]]
    assert [row["event_id"] for row in near] == [
        event_id(number) for number in (200, 201, 202, 210, 211, 212)
    ]
    alone: list[dict[str, Any]] = []
    for place in ("a", "z"):
        run(batch.home / "logs" / place, tmp_path / "lake")
    with Lake.open(tmp_path / "lake").engine() as engine:
        alone = engine.sql(
            "select * from lake.events order by source_object, source_row"
        ).to_pylist()
    assert [{k: v for k, v in row.items() if k not in moved} for row in near] == [
        {k: v for k, v in row.items() if k not in moved} for row in alone
    ]

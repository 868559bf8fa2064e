"""Real files of many origins: every one has an outcome, every record is found again.

`tests/data` is always there; a folder `shared/data` beside the repository adds to it.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import IngestResult
from tests.app.ingesting import ask, leftovers, run
from tests.lake.decoding import NOW, decode
from tests.logs import DATA, SHARED

FILES = sorted(path for root in (DATA, SHARED) for path in root.rglob("*") if path.is_file())
NAMES = [
    str(path.relative_to(DATA.parent if path.is_relative_to(DATA) else SHARED.parent))
    for path in FILES
]
RECORD_KEYS = {"eventVersion", "eventName", "eventSource", "eventID", "eventTime", "insightDetails"}
STATES = {"ingested", "partial", "quarantined", "empty", "skipped"}


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def documents(content: bytes) -> Iterator[Any]:
    """All JSON of a file, read by the standard library: one text, or one a line."""
    try:
        yield json.loads(content)
    except ValueError:
        for line in content.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def records(found: Any) -> Iterator[dict[str, Any]]:
    """CloudTrail records anywhere within JSON, also in texts that hold JSON."""
    if isinstance(found, dict):
        if "s3" in found:
            return  # an event notification of S3, which has the names of CloudTrail's fields
        if len(RECORD_KEYS & found.keys()) >= 2:
            yield found
            return
        if "digestStartTime" in found or "configurationItem" in found:
            return
        for value in found.values():
            yield from records(value)
    elif isinstance(found, list):
        for value in found:
            yield from records(value)
    elif isinstance(found, str) and found.startswith("{") and "eventVersion" in found:
        try:
            yield from records(json.loads(found))
        except ValueError:
            return


def expected(path: Path) -> list[dict[str, Any]]:
    """The records of a file that a reader should find, by a reading of our own."""
    return [record for found in documents(unpacked(path)) for record in records(found)]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_files_records_are_rows_or_faults_and_keep_their_text(path: Path) -> None:
    content = unpacked(path)
    result = decode(path.read_bytes(), str(path), now=NOW)
    assert result.outcome.state in STATES
    own = expected(path)
    events = result.events
    rows = events + result.decoded.insights.to_pylist() + result.decoded.aggregated.to_pylist()
    found = Counter(row["event_id"] for row in rows)
    refused = [fault for fault in result.faults if fault.record is not None]
    for fault in refused:
        found[_id_of(fault.content)] += 1
    missing = Counter(record.get("eventID") for record in own) - found
    assert not missing, f"{result.outcome}"
    by_id = {record.get("eventID"): record for record in own}
    for row in events:
        text = row["request_parameters"]
        if row["event_id"] in by_id:  # else it stands in a text that is JSON only up to there
            given = by_id[row["event_id"]].get("requestParameters")
            assert (text is None) == (given is None)
            assert text is None or json.loads(text) == given
        if text is not None:
            _is_in_source(text.encode(), content)


def _id_of(content: bytes | None) -> str | None:
    try:
        found = json.loads(content or b"")
    except ValueError:
        return None
    return found.get("eventID") if isinstance(found, dict) else None


def _is_in_source(text: bytes, content: bytes) -> None:
    """The text stands in the file byte for byte, or within a JSON text of it."""
    after_key = rb'"requestParameters"\s*:\s*' + re.escape(text)
    if re.search(after_key, content):
        return
    quoted = json.dumps(text.decode())[1:-1].encode()
    assert quoted in content.replace(rb"\/", b"/")


@pytest.fixture(scope="module")
def roots() -> list[Path]:
    return [root for root in (DATA, SHARED) if root.is_dir()]


@pytest.fixture(scope="module")
def ingested(
    roots: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, IngestResult]]:
    """A lake of each folder, made by one command each."""
    made = []
    for number, root in enumerate(roots):
        lake = tmp_path_factory.mktemp("lakes") / str(number)
        made.append((lake, run(root, lake)))
    return made


def test_one_command_gives_every_file_an_outcome(
    roots: list[Path], ingested: list[tuple[Path, IngestResult]]
) -> None:
    for root, (lake, result) in zip(roots, ingested, strict=True):
        files = {str(path.resolve()) for path in root.rglob("*") if path.is_file()}
        outcomes = {row["key"]: row for row in ask(lake, "select * from ingest_files")}
        assert {key.partition("!/")[0] for key in outcomes} == files
        assert {row["state"] for row in outcomes.values()} <= STATES
        assert all(
            row["reason"] for row in outcomes.values() if row["state"] in ("partial", "quarantined")
        )
        assert result.objects_listed == len(outcomes)
        done = result.objects_ingested + result.objects_skipped + result.objects_quarantined
        assert done == len(outcomes)
        assert result.records_read == sum(row["records"] for row in outcomes.values())
        assert not result.complete
        assert leftovers(lake) == []


def test_every_record_is_found_again_by_its_id(
    roots: list[Path], ingested: list[tuple[Path, IngestResult]]
) -> None:
    sql = """
        select event_id from lake.events union all select event_id from lake.event_conflicts
        union all select event_id from lake.aws_insights
        union all select event_id from lake.aggregated_events
    """
    for root, (lake, _) in zip(roots, ingested, strict=True):
        known = {row["event_id"] for row in ask(lake, sql)}
        set_aside = ask(lake, "select content from lake.quarantine where content is not null")
        known |= {_id_of(row["content"]) for row in set_aside}
        for path in (path for path in root.rglob("*") if path.is_file()):
            assert {record.get("eventID") for record in expected(path)} <= known | {None}, path


def test_a_second_run_over_real_files_adds_nothing(
    roots: list[Path], ingested: list[tuple[Path, IngestResult]]
) -> None:
    for root, (lake, _) in zip(roots, ingested, strict=True):
        files = sum(path.is_file() for path in root.rglob("*"))
        again = run(root, lake)
        assert (again.objects_skipped, again.records_read) == (files, 0)


def test_json_text_of_real_records_can_be_asked_by_sql(
    ingested: list[tuple[Path, IngestResult]],
) -> None:
    for lake, _ in ingested:
        (row,) = ask(
            lake,
            "select bool_and(coalesce(json_valid(request_parameters), true)) as all_valid, "
            "count(request_parameters ->> '$.bucketName') as named from events",
        )
        assert row["all_valid"]
        assert row["named"] > 0

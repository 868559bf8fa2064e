"""Hidden values and left out records, in whole ingests: counts, ledger, copies under other settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.errors import SettingsError
from ctanalytics.settings import Drop, Ingest, Redact, Settings
from tests.app.ingesting import ask, contents, run
from tests.lake.test_treatment import ASSUME, SECRET
from tests.logs import START, document, key, record, write

NOISE = Drop(name="noise", event_name=["Get*"], read_only=True)
PLAIN = Redact(mask=[])


def take(source: Path, lake: Path, *drops: Drop, redact: Redact | None = None) -> IngestResult:
    settings = Settings(ingest=Ingest(workers=1, drop=list(drops)), redact=redact or Redact())
    return ingest([str(source)], str(lake), settings=settings)


def everything(lake: Path) -> str:
    return json.dumps([sorted(rows) for rows in contents(lake).values()])


def test_what_rules_take_is_counted_by_rule_and_by_object_and_is_no_row(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(0), record(1, eventName="PutObject", readOnly=False)])
    write(logs / key(1), [record(2), record(3), record(4, errorCode="AccessDenied")])
    write(logs / key(2), [record(4, errorCode="AccessDenied"), record(5, eventVersion="2.0")])
    result = take(logs, lake, NOISE)
    assert (result.records_read, result.records_written, result.records_filtered) == (7, 2, 3)
    assert (result.records_duplicate, result.records_quarantined) == (1, 1)
    assert result.filtered_by_rule == {"noise": 3}
    found = ask(lake, "select records, records_filtered from lake.log_files order by key")
    assert [(row["records"], row["records_filtered"]) for row in found] == [(2, 1), (3, 2), (2, 0)]
    names = ask(lake, "select event_name, is_error from events order by event_time")
    assert [tuple(row.values()) for row in names] == [("PutObject", False), ("GetBucketAcl", True)]


def test_the_ledger_tells_the_span_of_an_object_and_under_which_settings_it_was_read(
    tmp_path: Path,
) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(7), record(90_000), record(3)])
    take(logs, lake)
    write(logs / key(1), [record(1)])
    take(logs, lake, NOISE)
    sql = (
        "select first_event_time, last_event_time, delivered_at, settings_hash"
        " from lake.log_files order by key"
    )
    first, second = ask(lake, sql)
    seconds = [(first[name] - START).total_seconds() for name in list(first)[:3]]
    assert seconds == [3, 90_000, 0]
    assert second["first_event_time"] is None  # all of it was left out
    assert first["settings_hash"] != second["settings_hash"]


def test_a_rule_that_may_hide_tampering_is_warned_of_and_a_senseless_one_refused(
    tmp_path: Path,
) -> None:
    write(tmp_path / "logs" / key(0), [record(0)])
    result = take(tmp_path / "logs", tmp_path / "lake", Drop(name="quiet", region=["eu-*"]))
    assert any("'quiet'" in note and "StopLogging" in note for note in result.notes)
    with pytest.raises(SettingsError):
        take(tmp_path / "logs", tmp_path / "other", Drop(name="all"))
    assert not (tmp_path / "other" / "plans").exists()


@pytest.mark.parametrize("redact", [[PLAIN, Redact()], [Redact(), PLAIN]], ids=["later", "before"])
@pytest.mark.parametrize("other", [False, True], ids=["same-text", "another-channel"])
def test_a_masked_copy_of_an_event_is_a_duplicate_of_one_that_is_not(
    redact: list[Redact], other: bool, tmp_path: Path
) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    records = [record(0, **ASSUME), record(1)]
    write(logs / key(0), records)
    take(logs, lake, redact=redact[0])
    if other:
        text = json.dumps(records[0], indent=1)
        (logs / "z.json").write_text(f'{{"detail-type":"x","detail":{text}}}')
    else:
        write(logs / key(1), records)
    result = take(logs, lake, redact=redact[1])
    assert (result.records_duplicate, result.records_written) == (1 if other else 2, 0)
    assert (SECRET in everything(lake)) == (redact[0] == PLAIN)


def test_a_contradicting_copy_stays_a_conflict_once_under_whatever_masks(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    odd = record(0, **ASSUME, userAgent="another")
    write(logs / key(0), [record(0, **ASSUME), odd])
    assert take(logs, lake).rows_by_table == {"log_files": 1, "event_conflicts": 1, "events": 1}
    write(logs / key(1), [odd])
    again = take(logs, lake, redact=PLAIN)
    assert (again.records_duplicate, again.records_written) == (1, 0)
    secret = ASSUME | {"responseElements": {"credentials": {"sessionToken": "another"}}}
    write(logs / key(2), [record(0, **secret)])
    assert take(logs, lake).records_written == 1  # it differs beside the masked value


def test_records_in_quarantine_hold_no_masked_value(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    write(logs / key(0), [record(0, **ASSUME, eventVersion="2.0"), record(1)])
    (logs / "cut.json").write_bytes(document([record(2, **ASSUME)])[:-9])
    result = take(logs, lake)
    assert result.records_quarantined == 1
    (row,) = ask(lake, "select content from lake.quarantine where content is not null")
    assert b'"sessionToken":"***"' in row["content"].replace(b" ", b"")
    assert SECRET not in everything(lake)


def test_without_rules_nothing_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "logs" / key(0), map(record, range(5)))
    result: Any = run(tmp_path / "logs", tmp_path / "lake")
    assert (result.records_filtered, result.filtered_by_rule) == (0, {})

"""Rules by parts find what one scan finds, wherever the files of a date are cut."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.detectors.sigma_parts import SpreadScan
from ctanalytics.detectors.spread import Spread, carried, heard
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Part
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import CONFLICTS, EVENTS
from ctanalytics.sigma import scanning
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import Found, run
from ctanalytics.sigma.scanning import Asked
from ctanalytics.sigma.span import Span
from tests import builders
from tests.app.spreading import AsJson

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
SPAN = Span(START + dt.timedelta(hours=1), START + dt.timedelta(days=2))
HOUR = dt.timedelta(hours=1)
MADE = "aaaaaaaa-0000-4000-8000-000000000000"
"""The id of an event of which there is a corrected copy."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two dates of two files each; calls before midnight go on after it."""
    made = Lake.create(tmp_path_factory.mktemp("rules") / "lake")
    for half in range(2):
        rows = [
            builders.event(
                START + hour * HOUR + dt.timedelta(minutes=half),
                event_name=name,
                request_parameters=json.dumps({"size": hour / 10, "bucket": f"b{hour}"}),
                error_code="AccessDenied" if hour % 5 == 0 else None,
                source_row=hour,
            )
            for hour in range(half, 48, 2)
            for name in ("GetObject", "PutObject")
        ]
        if half:
            corrected = START + 30 * HOUR
            rows.append(builders.event(corrected, event_name="Old", event_id=MADE))
        made.append("events", pa.Table.from_pylist(rows, EVENTS))
    copy = builders.event(corrected, event_name="PutObject", event_id=MADE, source_row=7)
    copy |= {"addendum_reason": "UPDATED_DATA"}
    made.append("event_conflicts", pa.Table.from_pylist([copy], CONFLICTS))
    return made


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    source = {"logsource": {"product": "aws", "service": "cloudtrail"}, "level": "low"}
    counted = {"group-by": ["userIdentity.arn"], "rules": ["put"]}
    documents = [
        {"name": "put", "detection": {"s": {"eventName": "PutObject"}, "condition": "s"}},
        {"name": "denied", "detection": {"s": {"errorCode|exists": True}, "condition": "s"}},
        {
            "name": "night",
            "correlation": counted
            | {"type": "event_count", "timespan": "4h", "condition": {"gte": 4}},
        },
        {
            "name": "much",
            "correlation": counted
            | {
                "type": "value_sum",
                "timespan": "2d",
                "condition": {"gte": 99.9, "field": "requestParameters.size"},
            },
        },
        {
            "name": "both",
            "correlation": {
                "type": "temporal",
                "rules": ["night", "denied"],
                "group-by": ["userIdentity.arn"],
                "timespan": "2h",
            },
        },
    ]
    text = "\n---\n".join(json.dumps({"title": one["name"]} | source | one) for one in documents)
    folder = tmp_path_factory.mktemp("own")
    (folder / "rules.yml").write_text(text, "utf-8")
    found = load([folder], {})
    assert [rule.reason for rule in found if rule.status != "ok"] == []
    return found


def by_parts(lake: Lake, rules: list[Rule], part_bytes: int) -> tuple[Found, list[Part]]:
    executor = AsJson()
    derived = Derived.open(lake)
    with lake.engine() as engine:
        scan = SpreadScan(Spread(engine, executor, derived, part_bytes))
        found = run(engine, rules, SPAN, scan)
    derived.close()
    return found, executor.parts


@pytest.fixture(scope="module")
def whole(lake: Lake, rules: list[Rule]) -> Found:
    with lake.engine() as engine:
        return run(engine, rules, SPAN)


@pytest.mark.parametrize(
    ("part_bytes", "parts"),
    [
        pytest.param(1, 4, id="a-file-each"),
        pytest.param(130_000, 2, id="across-dates"),
        pytest.param(1 << 30, 0, id="no-more-than-a-part"),
    ],
)
def test_rules_match_the_same_however_files_are_cut(
    part_bytes: int, parts: int, lake: Lake, rules: list[Rule], whole: Found
) -> None:
    found, made = by_parts(lake, rules, part_bytes)
    assert len(made) == parts
    assert found == whole
    assert min(found.counts.values()) and len(found.counts) == len(rules)
    corrected = [row for row in found.hits.to_pylist() if row["event_id"] == MADE]
    assert [row["source_row"] for row in corrected if row["rule"] == 0] == [7]


def test_a_rule_that_fails_on_some_events_has_no_matches(lake: Lake, rules: list[Rule]) -> None:
    fails = "case when event_time < timestamptz '2026-03-02 00:00:00+00' then true "
    fails += "else error('of ' || cast(event_date as varchar)) end"

    def broken(scan: Any) -> Callable[[Engine, Asked, Span], Any]:
        def asked_otherwise(engine: Engine, asked: Asked, span: Span) -> Any:
            texts = asked.conditions | {0: fails}
            columns = [*asked.columns, "event_date"]
            return scan(engine, replace(asked, conditions=texts, columns=columns), span)

        return asked_otherwise

    derived = Derived.open(lake)
    with lake.engine() as engine:
        here = run(engine, rules, SPAN, broken(scanning.scan))
        spread = SpreadScan(Spread(engine, AsJson(), derived, 90_000))
        there = run(engine, rules, SPAN, broken(spread))
    derived.close()
    assert there.hits == here.hits and there.counts == here.counts
    assert there.faults.keys() == here.faults.keys() == {0, 2, 3, 4}
    assert "of 2026-03-02" in there.faults[0]
    assert set(here.hits["rule"].to_pylist()) == {1}


def test_rows_go_with_a_result_or_through_the_lake(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    derived = Derived.open(lake)
    with lake.engine() as engine:
        spread = Spread(engine, AsJson(), derived, 1)
        part = {"store": lake.store.spec(), "scratch": derived.scratch}
        few = pa.table({"event_id": [MADE]})
        many = pa.table({"event_id": [f"{place * 2654435761 % 2**32}" for place in range(30_000)]})
        results = [carried(part, rows) for rows in (few, many, few.slice(0, 0))]
        assert [sorted(result) for result in results] == [["rows"], ["path"], ["rows"]]
        assert max(len(json.dumps(result)) for result in results) < 1 << 17
        assert [spread.taken(result) for result in results] == [few, many, None]

        told = spread.put({"since": "2026"})
        assert heard(lake.store, told, dict[str, str]) == {"since": "2026"}
        lake.store.write(told, b'{"since":"1970"}')
        with pytest.raises(ValueError, match="not what the driver wrote"):
            heard(lake.store, told, dict[str, str])

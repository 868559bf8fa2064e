"""The verb detect on real lakes: what is found is stored once, whatever arrives late."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.detect import DetectResult, detect, run
from ctanalytics.app.ingest import ingest
from ctanalytics.detectors import DETECTORS
from ctanalytics.detectors.base import Context, Detector, DetectorResult, Window
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.errors import LakeMissing, UsageError
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Detect, Settings
from tests import logs

DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
NOON = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
NOW = NOON + dt.timedelta(hours=6)


def call(time: dt.datetime, name: str = "RunInstances", **fields: Any) -> dict[str, Any]:
    """A write call at a time."""
    return logs.record(
        eventTime=time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        eventID=f"{name}-{time.timestamp():.0f}",
        eventSource="ec2.amazonaws.com",
        eventName=name,
        readOnly=False,
        **fields,
    )


def burst(start: dt.datetime, minutes: int, name: str = "RunInstances") -> list[dict[str, Any]]:
    """Ten calls in each of some minutes."""
    seconds = (dt.timedelta(seconds=6 * number) for number in range(10 * minutes))
    return [call(start + second, name) for second in seconds]


def add(lake: Path, name: str, records: Iterable[dict[str, Any]]) -> Lake:
    """Ingest one more log file; the lake is made when there is none."""
    file = logs.write(lake.parent / f"{lake.name}-logs" / name, records)
    ingest([str(file)], str(lake), settings=Settings(), executor=LocalExecutor(1))
    return Lake.open(lake)


def busy(context: Context, window: Window) -> DetectorResult:
    """Spans in which an API is called ten times a minute or more, an account and region at a time."""
    minutes = context.engine.sql(
        """
        select account_id, aws_region, event_source, event_name, minute_start, calls
        from api_minutes
        where calls >= 10
          and minute_start >= $since
          and minute_start < $until
        order by event_name, minute_start
        """,
        {"since": window.since, "until": window.until},
    )
    spans: list[dict[str, Any]] = []
    for row in minutes.to_pylist():
        last = spans[-1] if spans else None
        if (
            last
            and last["event_name"] == row["event_name"]
            and last["ended_at"] == row["minute_start"]
        ):
            last["ended_at"] += MINUTE
            last["calls"] += row["calls"]
        else:
            spans.append(row | {"ended_at": row["minute_start"] + MINUTE})
    return DetectorResult(
        pa.Table.from_pylist([_anomaly(span, context.now) for span in spans], ANOMALIES),
        notes=["every account is judged"],
    )


def _anomaly(span: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    key = series_key(span["account_id"], span["event_name"])
    columns = {
        name: span[name] for name in ("account_id", "aws_region", "event_source", "event_name")
    }
    return columns | {
        "anomaly_id": anomaly_id("busy", "surge", key, span["minute_start"]),
        "state": "closed",
        "revision": 1,
        "detector": "busy",
        "kind": "surge",
        "severity": "high" if span["event_name"] == "RunInstances" else "low",
        "score": span["calls"] / 10,
        "started_at": span["minute_start"],
        "ended_at": span["ended_at"],
        "series_key": key,
        "title": f"{span['event_name']} is busy",
        "explanation": f"{span['calls']} calls",
        "evidence": json.dumps({"event_ids": [], "events": span["calls"], "sql": "select 1"}),
        "detected_at": now,
    }


def nothing(_: Context, __: Window) -> DetectorResult:
    """As busy, when the reason is gone."""
    return DetectorResult(ANOMALIES.empty_table())


BUSY: Mapping[str, Detector] = {"busy": busy}


def judge(
    lake: Lake,
    detectors: Mapping[str, Detector] = BUSY,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    now: dt.datetime = NOW,
    **settings: Any,
) -> DetectResult:
    return run(
        lake,
        detectors,
        settings=Detect(**settings),
        since=since,
        until=until,
        now=now,
        executor=LocalExecutor(1),
    )


def counts(result: DetectResult) -> tuple[int, int, int]:
    return result.new, result.updated, result.withdrawn


def stored(lake: Lake) -> list[dict[str, Any]]:
    """All revisions, in their order."""
    with lake.engine() as engine:
        rows = engine.sql("from lake.anomalies order by started_at, anomaly_id, revision")
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A burst of calls at noon, and the newest event an hour later."""
    return add(tmp_path / "lake", "a.json.gz", [*burst(NOON, 5), call(NOON + 60 * MINUTE)])


def test_a_second_run_adds_nothing(lake: Lake) -> None:
    first = judge(lake)
    again = judge(lake, now=NOW + 60 * MINUTE)
    assert counts(first) == (1, 0, 0)
    assert counts(again) == (0, 0, 0)
    assert again.anomalies == first.anomalies
    assert len(stored(lake)) == 1


def test_late_logs_move_an_anomaly_under_its_id(lake: Lake, tmp_path: Path) -> None:
    judge(lake)
    add(tmp_path / "lake", "late.json.gz", burst(NOON - 3 * MINUTE, 3))
    result = judge(lake, now=NOW + DAY)
    assert counts(result) == (0, 1, 0)
    first, second = sorted(stored(lake), key=lambda row: row["revision"])
    assert first["anomaly_id"] == second["anomaly_id"]
    assert (first["started_at"], second["started_at"]) == (NOON, NOON - 3 * MINUTE)
    assert result.anomalies.to_pylist() == [second]


def test_late_logs_join_two_anomalies_into_the_older(lake: Lake, tmp_path: Path) -> None:
    add(tmp_path / "lake", "b.json.gz", burst(NOON + 70 * MINUTE, 5))
    older, younger = judge(lake).anomalies.sort_by("started_at")["anomaly_id"].to_pylist()
    add(tmp_path / "lake", "late.json.gz", burst(NOON + 5 * MINUTE, 65))
    result = judge(lake)
    assert counts(result) == (0, 1, 1)
    (row,) = result.anomalies.to_pylist()
    assert (row["anomaly_id"], row["ended_at"]) == (older, NOON + 75 * MINUTE)
    taken = next(row for row in stored(lake) if row["state"] == "withdrawn")
    assert (taken["anomaly_id"], taken["superseded_by"]) == (younger, older)


def test_what_is_no_longer_found_is_withdrawn_and_not_told(lake: Lake) -> None:
    judge(lake)
    result = judge(lake, {"busy": nothing}, now=NOW + DAY)
    assert counts(result) == (0, 0, 1)
    assert result.anomalies.num_rows == 0
    assert [row["state"] for row in stored(lake)] == ["closed", "withdrawn"]
    assert counts(judge(lake, {"busy": nothing}, now=NOW + DAY)) == (0, 0, 0)


def test_a_detector_that_did_not_run_loses_nothing_and_is_not_told_of(lake: Lake) -> None:
    judge(lake)
    result = judge(lake, {"other": nothing})
    assert counts(result) == (0, 0, 0)
    assert result.anomalies.num_rows == 0
    assert len(stored(lake)) == 1


def test_what_late_logs_bring_up_days_later_is_marked(lake: Lake, tmp_path: Path) -> None:
    judge(lake)
    add(tmp_path / "lake", "newer.json.gz", burst(NOON + 6 * DAY, 2))
    judge(lake, now=NOON + 7 * DAY)
    add(tmp_path / "lake", "late.json.gz", burst(NOON + DAY, 3))
    assert counts(judge(lake, now=NOON + 7 * DAY)) == (1, 0, 0)
    late = {row["started_at"]: json.loads(row["evidence"]).get("late") for row in stored(lake)}
    assert late == {NOON: None, NOON + DAY: True, NOON + 6 * DAY: None}


def test_the_most_severe_come_first(lake: Lake, tmp_path: Path) -> None:
    more = [*burst(NOON, 9, "CreateTags"), *burst(NOON + 3 * 60 * MINUTE, 8)]
    add(tmp_path / "lake", "more.json.gz", more)
    rows = judge(lake).anomalies.to_pylist()
    assert [(row["severity"], row["score"]) for row in rows] == [
        ("high", 8.0),
        ("high", 5.0),
        ("low", 9.0),
    ]


def test_only_what_touches_the_span_is_told(lake: Lake) -> None:
    judge(lake)
    told = judge(lake, since=NOON + 4 * MINUTE).anomalies
    assert told.num_rows == 1
    assert judge(lake, since=NOON + 5 * MINUTE).anomalies.num_rows == 0
    assert judge(lake, until=NOON).anomalies.num_rows == 0


def test_two_runs_at_once_publish_an_anomaly_once(lake: Lake) -> None:
    results: list[DetectResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(judge(Lake.open(lake.uri))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.new for result in results) == [0, 0, 1]
    assert len(stored(lake)) == 1


def test_notes_of_detectors_are_handed_on_once(lake: Lake) -> None:
    result = judge(lake, {"busy": busy, "again": busy})
    assert result.notes == ["every account is judged"]


def test_the_span_ends_in_the_minute_after_the_newest_event(lake: Lake) -> None:
    result = judge(lake, days=3)
    assert result.until == NOON + 61 * MINUTE
    assert result.since == result.until - 3 * DAY


def test_the_span_leaves_out_minutes_that_may_still_be_delivered(lake: Lake) -> None:
    now = NOON + dt.timedelta(minutes=63, seconds=20)
    assert judge(lake, now=now, watermark_minutes=15).until == NOON + 48 * MINUTE


def test_events_from_the_future_or_without_a_time_end_no_span(lake: Lake, tmp_path: Path) -> None:
    strange = [call(NOW + 9 * 60 * MINUTE), call(NOON, "A") | {"eventTime": "2039-01-01T00:00:00Z"}]
    add(tmp_path / "lake", "strange.json.gz", strange)
    assert judge(lake).until == NOON + 61 * MINUTE


@pytest.mark.parametrize("age", [dt.timedelta(days=days) for days in (1, 30, 500, 3_000)])
def test_old_logs_are_judged_up_to_where_they_end(lake: Lake, age: dt.timedelta) -> None:
    assert judge(lake, now=NOW + age).until == NOON + 61 * MINUTE


def test_a_given_span_is_widened_to_whole_minutes(lake: Lake) -> None:
    since, until = NOON + dt.timedelta(seconds=30), NOON + dt.timedelta(seconds=90, microseconds=1)
    result = judge(lake, since=since, until=until)
    assert (result.since, result.until) == (NOON, NOON + 2 * MINUTE)


def test_times_without_a_zone_are_utc(lake: Lake) -> None:
    plain = NOON.replace(tzinfo=None)
    result = judge(lake, since=plain - DAY / 2, until=plain + 60 * MINUTE)
    assert (result.since, result.until) == (NOON - DAY / 2, NOON + 60 * MINUTE)


def test_a_span_beyond_the_logs_is_cut_where_they_end(lake: Lake) -> None:
    result = judge(lake, since=NOON, until=NOON + 4 * DAY)
    assert result.until == NOON + 61 * MINUTE
    assert "the logs end at 2026-03-20 13:01 UTC" in " ".join(result.notes)


@pytest.mark.parametrize("until", [None, NOON + 8 * DAY])
def test_a_span_after_the_logs_has_nothing_to_judge(lake: Lake, until: dt.datetime | None) -> None:
    result = judge(lake, since=NOON + 7 * DAY, until=until)
    assert (counts(result), result.anomalies.num_rows) == ((0, 0, 0), 0)
    assert "there is nothing to judge" in " ".join(result.notes)


@pytest.mark.parametrize("length", [dt.timedelta(), -DAY])
def test_an_empty_span_is_a_usage_error(lake: Lake, length: dt.timedelta) -> None:
    with pytest.raises(UsageError, match="is empty"):
        judge(lake, since=NOON, until=NOON + length)


def test_an_empty_lake_has_no_anomalies_and_says_why(tmp_path: Path) -> None:
    Lake.create(tmp_path / "lake")
    result = detect(tmp_path / "lake", now=NOW)
    assert result.anomalies == ANOMALIES.empty_table()
    assert "no events" in " ".join(result.notes)


def test_an_unknown_detector_is_a_usage_error_that_names_all(lake: Lake) -> None:
    with pytest.raises(UsageError) as caught:
        detect(lake, detectors=["call_rate", "bogus"])
    assert all(name in caught.value.mend for name in DETECTORS)


def test_without_a_lake_there_is_nothing_to_detect(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        detect(tmp_path / "none")


# What follows uses the detectors that ship.

RATES = ("call_rate", "error_rate")


def steady(end: dt.datetime, days: int = 30) -> list[dict[str, Any]]:
    """Calls of three APIs every half hour, and of RunInstances four times a day."""
    times = [end - 30 * MINUTE * number for number in range(48 * days)]
    records = [call(time, name) for name in ("CreateTags", "RunTask") for time in times]
    return records + [call(time) for time in times[::12]]


@pytest.fixture(scope="module")
def surged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month of steady calls that ends with a surge of RunInstances."""
    place = tmp_path_factory.mktemp("surged") / "lake"
    add(place, "steady.json.gz", steady(NOON))
    add(place, "surge.json.gz", burst(NOON - 300 * MINUTE + MINUTE, 12))
    return place


@pytest.fixture
def own(surged: Path, tmp_path: Path) -> Callable[[], Path]:
    """Copies of that lake, to change."""
    return lambda: Path(shutil.copytree(surged, tmp_path / "lake"))


def test_a_surge_is_found_and_stored_once(own: Callable[[], Path]) -> None:
    place = own()
    first = detect(place, now=NOW, detectors=RATES)
    assert counts(first) == (1, 0, 0)
    (row,) = first.anomalies.to_pylist()
    assert (row["detector"], row["kind"], row["event_name"]) == (
        "call_rate",
        "surge",
        "RunInstances",
    )
    assert NOON - 300 * MINUTE <= row["started_at"] <= NOON - 298 * MINUTE
    assert json.loads(row["evidence"])["events"] >= 120
    assert counts(detect(place, now=NOW + DAY, detectors=RATES)) == (0, 0, 0)


def test_a_file_of_a_surge_that_comes_late_keeps_its_id(own: Callable[[], Path]) -> None:
    place = own()
    first = detect(place, now=NOW, detectors=RATES)
    add(place, "late.json.gz", burst(NOON - 288 * MINUTE + MINUTE, 12))
    second = detect(place, now=NOW + DAY, detectors=RATES)
    assert counts(second) == (0, 1, 0)
    old, new = first.anomalies.to_pylist()[0], second.anomalies.to_pylist()[0]
    assert (new["anomaly_id"], new["revision"]) == (old["anomaly_id"], 2)
    assert new["ended_at"] > old["ended_at"]
    shared = [json.loads(row["insight"])["start"]["sharedEventID"] for row in (old, new)]
    assert shared[0] == shared[1]

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Window
from ctanalytics.detectors.call_rate import call_rate
from tests.detectors.organization import (
    DAYS,
    END,
    START,
    WINDOW,
    background,
    calls,
    context,
    minute,
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    tables = background()
    burst = minute(30, 11) + np.arange(90) // 10
    tables.append(calls(burst, "Call000", user_agent="evil'; drop table events; --"))
    beat = np.arange(3, minute(DAYS), 10)
    silent = (beat < minute(31, 6)) | (beat >= minute(31, 18))
    tables[0] = calls(beat[silent], "PutMetricData")
    folder = tmp_path_factory.mktemp("lake")
    rows: list[dict[str, object]] = call_rate(context(folder, tables), WINDOW).anomalies.to_pylist()
    return rows


def test_a_burst_and_a_stop_are_found_and_nothing_else(found: list[dict[str, object]]) -> None:
    assert [(row["kind"], row["event_name"]) for row in found] == [
        ("surge", "Call000"),
        ("stop", "PutMetricData"),
    ]


def test_a_surge_begins_and_ends_with_its_calls(found: list[dict[str, object]]) -> None:
    surge = found[0]
    assert surge["started_at"] == START + dt.timedelta(days=30, hours=11)
    assert surge["state"] == "closed"
    end = START + dt.timedelta(days=30, hours=11, minutes=9)
    assert end <= surge["ended_at"] <= end + dt.timedelta(minutes=45)  # type: ignore[operator]


def test_the_explanation_is_a_sentence_without_statistics(found: list[dict[str, object]]) -> None:
    text = str(found[0]["explanation"])
    assert "Call000 was called" in text
    assert "by user dora" in text
    assert "28 days before" in text
    assert not {"p-value", "sigma", "score", "log"} & set(text.lower().split())


def test_a_stop_says_how_long_it_never_paused_before(found: list[dict[str, object]]) -> None:
    stop = found[1]
    assert stop["started_at"] == START + dt.timedelta(days=31, hours=5, minutes=54)
    assert "12 hours" in str(stop["explanation"])
    assert "9 minutes" in str(stop["explanation"])


def test_the_evidence_sql_lists_exactly_the_events(
    found: list[dict[str, object]], tmp_path: Path
) -> None:
    evidence = json.loads(str(found[0]["evidence"]))
    burst = minute(30, 11) + np.arange(90) // 10
    with context(tmp_path, [*background(), calls(burst, "Call000")]).engine as engine:
        rows = engine.query(evidence["sql"])
    assert rows.num_rows == evidence["events"]
    assert len(evidence["event_ids"]) == min(100, evidence["events"])
    assert set(evidence["event_ids"]) <= set(rows["event_id"].to_pylist())


def test_the_rate_shows_the_peak_above_what_was_expected(found: list[dict[str, object]]) -> None:
    rate = json.loads(str(found[0]["evidence"]))["rate"]
    _, observed, expected = max(rate["points"], key=lambda point: point[1])
    assert observed > 5 * expected
    assert len(rate["points"]) <= 600


def test_the_insight_has_the_shape_of_aws(found: list[dict[str, object]]) -> None:
    insight = json.loads(str(found[0]["insight"]))
    end = insight["end"]["insightDetails"]
    assert end["insightType"] == "ApiCallRateInsight"
    statistics = end["insightContext"]["statistics"]
    assert statistics["baselineDuration"] == 10_080 + 11 * 60
    attributions = {a["attribute"]: a for a in end["insightContext"]["attributions"]}
    assert set(attributions) == {"userIdentityArn", "userAgent", "errorCode"}
    assert attributions["errorCode"]["insight"][0]["value"] == "null"


def test_a_quiet_lake_raises_next_to_nothing(tmp_path: Path) -> None:
    rows = [
        call_rate(context(tmp_path, background(seed), budget=7.0), WINDOW).anomalies.num_rows
        for seed in range(20, 25)
    ]
    # 5 lake-weeks at 7 x (0.3 + 0.2) allowed false alarms each.
    assert sum(rows) <= 17


def test_threads_and_row_order_change_nothing(tmp_path: Path) -> None:
    tables = [*background(), calls(minute(30, 11) + np.arange(90) // 10, "Call000")]
    one = call_rate(context(tmp_path, tables, threads=1), WINDOW).anomalies
    other = call_rate(context(tmp_path, tables[::-1], threads=2), WINDOW).anomalies
    assert one.equals(other)


def test_a_week_of_logs_is_too_little_and_said(tmp_path: Path) -> None:
    spots = np.arange(minute(DAYS - 5), minute(DAYS), 10)
    burst = minute(DAYS - 1, 4) + np.arange(200) // 20
    tables = [calls(np.concatenate([spots, burst]), "PutMetricData")]
    result = call_rate(context(tmp_path, tables), WINDOW)
    assert result.anomalies.num_rows == 0
    day = START + dt.timedelta(days=DAYS - 5 + 7)
    assert any(f"{day:%Y-%m-%d}" in note for note in result.notes)


def test_an_empty_lake_has_no_anomalies(tmp_path: Path) -> None:
    from ctanalytics.records.schema import EVENTS

    result = call_rate(context(tmp_path, [EVENTS.empty_table()]), WINDOW)
    assert result.anomalies.num_rows == 0


def test_series_that_stop_together_are_one_gap(tmp_path: Path) -> None:
    beats = []
    for number in range(6):
        spots = np.arange(number, minute(DAYS), 10)
        beats.append(calls(spots[spots < minute(33, 4)], f"Beat{number}"))
    reads = calls(np.arange(7, minute(DAYS), 30), "DescribeInstances", read_only=True)
    rows = call_rate(context(tmp_path, [*beats, reads]), WINDOW).anomalies.to_pylist()
    assert [row["kind"] for row in rows] == ["telemetry_gap"]
    assert rows[0]["state"] == "open"


def test_an_account_that_logs_nothing_at_all_is_left_to_silence(tmp_path: Path) -> None:
    beats = []
    for number in range(6):
        spots = np.arange(number, minute(DAYS), 10)
        beats.append(calls(spots[spots < minute(33, 4)], f"Beat{number}"))
    assert call_rate(context(tmp_path, beats), WINDOW).anomalies.num_rows == 0


def test_events_with_unbelievable_times_are_left_out(tmp_path: Path) -> None:
    odd = calls(np.full(500, minute(30, 5)), "Call000")
    place = odd.schema.get_field_index("event_time_status")
    odd = odd.set_column(place, "event_time_status", pa.array(["future"] * 500))
    rows = call_rate(context(tmp_path, [*background(), odd]), WINDOW).anomalies
    assert rows.num_rows == 0


def test_a_window_that_ends_inside_a_surge_leaves_it_open(tmp_path: Path) -> None:
    burst = minute(DAYS - 1, 23, 50) + np.arange(90) // 10
    rows = call_rate(context(tmp_path, [*background(), calls(burst, "Call000")]), WINDOW)
    (row,) = rows.anomalies.to_pylist()
    assert (row["state"], row["ended_at"]) == ("open", None)
    assert json.loads(row["insight"])["end"] is None


def test_the_window_only_chooses_what_is_told(tmp_path: Path) -> None:
    burst = minute(30, 11) + np.arange(90) // 10
    made = context(tmp_path, [*background(), calls(burst, "Call000")])
    after = Window(END - dt.timedelta(days=2), END)
    assert call_rate(made, after).anomalies.num_rows == 0


@pytest.mark.parametrize("age", [0, 3, 6, 10, 30])
def test_a_burst_of_an_api_of_any_age_is_found(tmp_path: Path, age: int) -> None:
    burst = minute(30, 11) + np.arange(90) // 10
    once = [minute(30 - age, 5)] if age else []
    made = context(tmp_path, [*background(), calls([*once, *burst], "NewCall")])
    rows = call_rate(made, WINDOW).anomalies.to_pylist()
    assert [row["event_name"] for row in rows] == ["NewCall"]


def test_what_a_day_shows_does_not_depend_on_where_the_window_starts(tmp_path: Path) -> None:
    burst = minute(33, 11) + np.arange(90) // 10
    made = context(tmp_path, [*background(), calls(burst, "Call000")])
    scores = {
        call_rate(made, Window(END - dt.timedelta(days=days), END)).anomalies["score"][0].as_py()
        for days in (2, 5, 9)
    }
    assert len(scores) == 1


def test_rehearsals_change_nothing_and_do_not_count(tmp_path: Path) -> None:
    burst = minute(30, 11) + np.arange(90) // 10
    dry = calls(burst, "Call000", error_code="Client.DryRunOperation")
    assert call_rate(context(tmp_path, [*background(), dry]), WINDOW).anomalies.num_rows == 0


def test_the_only_steady_series_of_a_lake_can_be_found_silent(tmp_path: Path) -> None:
    # Fourteen days of one series are a pool of fourteen values, which by themselves say little.
    beat = np.arange(3, minute(DAYS), 10)
    beat = beat[(beat < minute(31, 6)) | (beat >= minute(31, 20))]
    rows = call_rate(context(tmp_path, [calls(beat, "PutMetricData")]), WINDOW).anomalies
    assert rows["kind"].to_pylist() == ["stop"]


def test_an_api_that_slows_down_is_a_drop_with_both_numbers(tmp_path: Path) -> None:
    tables = background()
    beat = np.arange(3, minute(DAYS), 2)
    slow = (beat >= minute(31, 6)) & (beat < minute(31, 10)) & (beat % 20 != 3)
    tables[0] = calls(beat[~slow], "PutMetricData")
    rows = call_rate(context(tmp_path, tables), WINDOW).anomalies.to_pylist()
    (drop,) = [row for row in rows if row["event_name"] == "PutMetricData"]
    assert (drop["kind"], drop["state"]) == ("drop", "closed")
    began = START + dt.timedelta(days=31, hours=6)
    assert abs(drop["started_at"] - began) <= dt.timedelta(hours=1)
    assert "about 30 were to be expected" in drop["explanation"]
    assert len(json.loads(drop["evidence"])["event_ids"]) > 10

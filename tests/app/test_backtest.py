"""The verb backtest: a past that is lived through again, without knowing what comes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.backtest import BacktestResult, backtest
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.errors import UsageError
from ctanalytics.findings import TIMESTAMP
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import INSIGHTS
from ctanalytics.settings import Settings
from tests import lakes
from tests.cli.runner import run
from tests.detectors.organization import DAYS, START, background, calls, minute

SINCE = START + dt.timedelta(days=DAYS - 7)
BURST = START + dt.timedelta(days=30, hours=11)
LABEL = {
    "kind": "surge",
    "started_at": BURST.isoformat(),
    "ended_at": (BURST + dt.timedelta(minutes=9)).isoformat(),
    "account_id": "111122223333",
    "event_source": "ec2.amazonaws.com",
    "event_name": "Call000",
}


def events(until: dt.datetime | None = None) -> pa.Table:
    """A month of ordinary calls with a burst in its last week, up to a time."""
    burst = minute(30, 11) + pa.array(range(90)).to_numpy() // 10
    whole = pa.concat_tables([*background(series=12), calls(burst, "Call000")])
    if until is None:
        return whole
    return whole.filter(pa.compute.less(whole["event_time"], pa.scalar(until, TIMESTAMP)))


def made(place: Path, rows: pa.Table) -> Lake:
    lake = lakes.empty(place)
    lake.append("events", rows)
    return lake


def insight(name: str, **columns: Any) -> dict[str, Any]:
    """The Start of an Insights event of AWS's own."""
    return {
        "event_date": BURST.date(),
        "event_time": BURST,
        "event_id": name,
        "shared_event_id": name,
        "account_id": "111122223333",
        "aws_region": "eu-west-1",
        "state": "Start",
        "insight_type": "ApiCallRateInsight",
        "event_source": "ec2.amazonaws.com",
        "event_name": "Call000",
    } | columns


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    place = tmp_path_factory.mktemp("backtest")
    lake = made(place / "lake", events())
    found = [insight("same"), insight("other", event_name="NobodyCallsThis")]
    lake.append("aws_insights", pa.Table.from_pylist(found, INSIGHTS))
    (place / "labels.jsonl").write_text(
        json.dumps(LABEL)
        + "\n"
        + json.dumps(LABEL | {"kind": "unseen", "event_name": "NobodyCallsThis"})
        + "\n"
        + json.dumps(LABEL | {"kind": "harmless", "malicious": False})
        + "\n"
    )
    return lake


def labels(lake: Lake) -> Path:
    return Path(lake.uri).parent / "labels.jsonl"


def lived(lake: Lake, **options: Any) -> BacktestResult:
    return backtest(lake, since=SINCE, executor=LocalExecutor(1), **options)


@pytest.fixture(scope="module")
def result(lake: Lake) -> BacktestResult:
    return lived(lake, labels=labels(lake))


def about_the_burst(result: BacktestResult) -> Mapping[str, Any]:
    (found,) = (row for row in result.alarms if row["event_name"] == "Call000")
    return found


def test_an_alarm_is_told_on_its_day_with_the_minute_it_fired(result: BacktestResult) -> None:
    alarm = about_the_burst(result)
    assert alarm["day"] == BURST.date()
    assert BURST <= alarm["fired_at"] < BURST + dt.timedelta(minutes=5)
    assert alarm["is_false"] is False
    assert len(result.days) == 7
    assert sum(day["alarms"] for day in result.days) == len(result.alarms)
    assert {row["day"] for row in result.alarms} <= {day["day"] for day in result.days}


def test_labels_tell_recall_delay_and_false_alarms(result: BacktestResult) -> None:
    assert result.labels is not None
    kinds = {row["kind"]: row for row in result.labels["kinds"]}
    assert set(kinds) == {"surge", "unseen"}
    assert (kinds["surge"]["found"], kinds["unseen"]["found"]) == (1, 0)
    assert 0 <= kinds["surge"]["median_delay_minutes"] < 5
    assert result.labels["false_alarms"] == len(result.alarms) - 1


def test_what_the_thresholds_promise_is_what_the_budget_allows(result: BacktestResult) -> None:
    parts = {(row["detector"], row["part"]): row for row in result.nominal}
    surges = parts["call_rate", "surges"]
    # Few series: the lowest threshold there is promises less than the budget.
    assert 0 < surges["nominal"] <= 7 * Settings().detect.share_surge / 2 * 1.01
    assert surges["actual"] == sum(
        row["kind"] == "surge" and row["is_false"] for row in result.alarms
    )
    assert sum(row["per_week"] for row in result.accounts) == pytest.approx(
        len(result.alarms), rel=0.01
    )


def test_without_labels_every_alarm_counts(lake: Lake, result: BacktestResult) -> None:
    blind = lived(lake)
    assert blind.labels is None
    assert all(row["is_false"] is None for row in blind.alarms)
    actual = sum(row["actual"] for row in blind.nominal)
    assert actual == sum(row["actual"] for row in result.nominal) + 1


def test_it_agrees_with_insights_of_aws_where_there_are_any(result: BacktestResult) -> None:
    assert result.insights is not None
    assert (result.insights["aws"], result.insights["both"]) == (2, 1)
    assert [row["event_name"] for row in result.insights["only_aws"]] == ["NobodyCallsThis"]


def test_insights_are_billed_by_event_and_type(result: BacktestResult) -> None:
    (writes,) = result.billed
    assert writes["category"] == "management writes"
    assert writes["analysed"] == 2 * writes["events"] > 0
    assert writes["usd"] == pytest.approx(writes["analysed"] * 0.35 / 100_000)


def test_a_day_does_not_know_what_comes_after_it(result: BacktestResult, tmp_path: Path) -> None:
    end = START + dt.timedelta(days=32)
    short = lived(made(tmp_path / "short", events(until=end)))
    assert end - dt.timedelta(minutes=10) < short.until <= end
    known = [
        (row["day"], row["anomaly_id"], row["score"])
        for row in result.alarms
        if row["day"] < end.date()
    ]
    assert known == [(row["day"], row["anomaly_id"], row["score"]) for row in short.alarms]
    assert [day["alarms"] for day in result.days[: len(short.days)]] == [
        day["alarms"] for day in short.days
    ]


def test_the_lake_stays_as_it_was(lake: Lake, result: BacktestResult) -> None:
    assert result.alarms
    for table in ("anomalies", "series_minute", "series_day", "series_peak", "series_budget"):
        assert lake.files(table) == []
    assert not [path for path in lake.store.list("tables/series_") if path.endswith(".parquet")]


def test_lines_that_are_no_labels_are_all_named(lake: Lake, tmp_path: Path) -> None:
    bad = tmp_path / "labels.jsonl"
    bad.write_text(json.dumps(LABEL) + '\n{"kind": "surge"}\n\nnonsense\n')
    with pytest.raises(UsageError, match=r"line 2: .*line 4: "):
        lived(lake, labels=bad)


def test_a_span_without_a_day_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="is empty"):
        backtest(lake, since=START + dt.timedelta(days=DAYS + 5))


def test_the_command_prints_tables_or_json(lake: Lake) -> None:
    home = Path(lake.uri).parent
    span = ("--since", f"{BURST:%Y-%m-%d}", "--until", f"{BURST + dt.timedelta(days=1):%Y-%m-%d}")
    told = run("backtest", "--lake", "lake", *span, "--labels", "labels.jsonl", cwd=home)
    assert told.code == 0, told.err
    assert "Call000 surged" in told.out
    assert "false alarms, by the labels" in told.out
    assert "AWS alone: 2026-04-01 11:00 NobodyCallsThis" in told.out
    assert "1 days" in told.err
    data = run("backtest", "--lake", "lake", *span, "--json", cwd=home)
    found = json.loads(data.out)
    assert found["alarms"][0]["event_name"] == "Call000"
    assert found["budget"] == 7.0

"""Records that AWS published, from the counts behind them. What is expected is theirs: it is never
rewritten from our output."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.detectors.insight import Facts, average, records

CASES = sorted((Path(__file__).parent.parent / "golden" / "insights").glob("*.json"))
# Ten decimals, but 9.82222E-5 is published with six digits.
PRECISION = 6e-11


def facts(values: dict[str, Any]) -> Facts:
    start, end = values["start"], values["end"]
    errors = values["insight_type"] == "ApiErrorRateInsight"
    return Facts(
        anomaly_id="a" * 32,
        account_id="123456789012",
        aws_region="eu-west-1",
        event_source="example.amazonaws.com",
        event_name="Example",
        error_code="Example" if errors else None,
        attributions={},
        start_attributions={},
        **values
        | {
            "start": dt.datetime.fromisoformat(start),
            "end": dt.datetime.fromisoformat(end) if end else None,
        },
    )


def statistics(record: dict[str, Any]) -> dict[str, Any]:
    found = record["insightDetails"]["insightContext"]["statistics"]
    averages = {name: found[name]["average"] for name in ("baseline", "insight")}
    return dict(found) | averages


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_numbers_of_a_published_record_follow_from_its_counts(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    assert case.keys() & {"expected", "averages"}
    for one in case.get("averages", []):
        assert average(one["calls"], one["minutes"]) == pytest.approx(one["average"], abs=PRECISION)
    if "facts" not in case:
        return
    made = records(facts(case["facts"]))
    for state, published in case["expected"].items():
        record = made[state]
        if published is None:
            assert record is None
            continue
        assert record is not None
        ours = statistics(record)
        assert {name: ours[name] for name in published} == pytest.approx(published, abs=PRECISION)


def test_there_are_published_records() -> None:
    assert len(CASES) == 7

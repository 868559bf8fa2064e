"""Correlations of every kind on a few events."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.sigma.loading import load
from ctanalytics.sigma.running import run
from ctanalytics.sigma.span import Span
from ctanalytics.sigma.trial import engine_over
from tests import logs

ALWAYS = Span(
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC), undated=True
)


def base(name: str) -> dict[str, Any]:
    return {
        "title": name,
        "name": name,
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"sel": {"eventName": name}, "condition": "sel"},
    }


def counted(folder: Path, calls: list[tuple[int, str]], *made: dict[str, Any]) -> int:
    """How often the last correlation holds, given (second, API) of one caller."""
    documents = [base(name) for name in ("A", "B", "C")]
    documents += [
        {"title": f"c{number}", "name": f"c{number}", "correlation": one}
        for number, one in enumerate(made)
    ]
    text = "\n---\n".join(json.dumps(one) for one in documents)
    (folder / "rules.yml").write_text(text, "utf-8")
    rules = load([folder], {})
    assert [rule.reason for rule in rules if rule.status != "ok"] == []
    content = logs.document(
        logs.record(at, eventName=name, eventID=str(number))
        for number, (at, name) in enumerate(calls)
    )
    with engine_over([content]) as engine:
        return run(engine, rules, ALWAYS).counts.get(len(rules) - 1, 0)


COUNT = {
    "type": "event_count",
    "rules": ["A"],
    "group-by": ["userIdentity.arn"],
    "timespan": "1m",
    "condition": {"gte": 3},
}
BOTH = {"type": "temporal", "rules": ["A", "B"], "group-by": ["awsRegion"], "timespan": "1m"}
ORDERED = BOTH | {"type": "temporal_ordered"}


@pytest.mark.parametrize(
    ("calls", "made", "wanted"),
    [
        pytest.param([(0, "A"), (30, "A"), (60, "A")], [COUNT], 1, id="count"),
        pytest.param([(0, "A"), (30, "A"), (61, "A")], [COUNT], 0, id="count-too-slow"),
        pytest.param(
            [(0, "A"), (1, "A"), (2, "A"), (900, "A"), (901, "A"), (902, "A")],
            [COUNT],
            2,
            id="count-twice",
        ),
        pytest.param([(0, "B"), (30, "A")], [BOTH], 1, id="temporal-any-order"),
        pytest.param([(0, "B"), (30, "A")], [ORDERED], 0, id="ordered-the-wrong-way"),
        pytest.param([(0, "A"), (30, "B")], [ORDERED], 1, id="ordered"),
        pytest.param([(0, "A"), (90, "B")], [ORDERED], 0, id="ordered-too-slow"),
        pytest.param(
            [(0, "A"), (9, "C")],
            [BOTH | {"rules": ["A", "B", "C"], "condition": "A and not B and C"}],
            1,
            id="not",
        ),
        pytest.param(
            [(0, "A"), (1, "A"), (2, "A"), (20, "B")],
            [COUNT | {"group-by": ["awsRegion"]}, ORDERED | {"rules": ["c0", "B"]}],
            1,
            id="chained",
        ),
        pytest.param(
            [(0, "A"), (1, "A"), (2, "A")],
            [
                COUNT
                | {
                    "type": "value_count",
                    "condition": {"gte": 3, "field": "requestParameters.bucketName"},
                }
            ],
            1,
            id="value-count",
        ),
        pytest.param(
            [(0, "A"), (1, "A"), (2, "A")],
            [COUNT | {"type": "value_count", "condition": {"gte": 2, "field": "awsRegion"}}],
            0,
            id="value-count-of-equal-values",
        ),
    ],
)
def test_a_correlation_holds_as_often_as_it_should(
    calls: list[tuple[int, str]], made: list[dict[str, Any]], wanted: int, tmp_path: Path
) -> None:
    assert counted(tmp_path, calls, *made) == wanted

"""The engine against plain Python: every rule, on every record there is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.rule import SigmaRule

from ctanalytics.engines.duckdb import Engine
from ctanalytics.sigma.documents import prepared
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import run, statement
from ctanalytics.sigma.span import Span
from ctanalytics.sigma.trial import engine_over
from tests.sigma import oracle, records

ALWAYS = Span(
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC), undated=True
)
VALUES = {"roles": ["*admin*", "ci-deploy"], "networks": ["10.0.0.0/8", "203.0.113.0/24"]}
CORPUS = Path(__file__).parent / "corpus.yml"


def corpus() -> list[dict[str, Any]]:
    """Conditions of all kinds; each is a rule but for its head."""
    found: list[dict[str, Any]] = yaml.safe_load(CORPUS.read_text("utf-8"))
    return found


def as_rule(number: int, detection: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"case {number}",
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": detection,
    }


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    folder = tmp_path_factory.mktemp("rules")
    for number, detection in enumerate(corpus()):
        text = yaml.safe_dump(as_rule(number, detection), sort_keys=False)
        (folder / f"{number:03d}.yml").write_text(text, "utf-8")
    return load([folder], VALUES)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    texts = (*records.real(), *records.simulated())
    with engine_over(text.encode() for text in texts) as engine:
        yield engine


def wanted(detection: dict[str, Any], parsed: Sequence[dict[str, Any]]) -> set[str]:
    rule = SigmaRule.from_dict(prepared(as_rule(0, detection), VALUES))
    conditions = [one.parsed for one in rule.detection.parsed_condition]
    return {record["eventID"] for record in parsed if oracle.matches(conditions, record, VALUES)}


def test_every_rule_of_the_corpus_runs(rules: list[Rule]) -> None:
    assert [(rule.title, rule.reason) for rule in rules if rule.status != "ok"] == []


def test_engine_and_plain_python_agree_on_every_record(engine: Engine, rules: list[Rule]) -> None:
    parsed = [oracle.pairs(text) for text in (*records.real(), *records.simulated())]
    kept = set(engine.sql("select event_id from events")["event_id"].to_pylist())
    found = run(engine, rules, ALWAYS)
    assert found.faults == {}
    hits: dict[int, set[str]] = {}
    for row in found.hits.select(["rule", "event_id"]).to_pylist():
        hits.setdefault(row["rule"], set()).add(row["event_id"])
    wrong = {}
    matched = 0
    for place, detection in enumerate(corpus()):
        expected = wanted(detection, parsed) & kept
        matched += bool(expected)
        if hits.get(place, set()) != expected:
            wrong[json.dumps(detection)] = sorted(hits.get(place, set()) ^ expected)[:5]
    assert wrong == {}
    assert matched > len(rules) * 0.6, "too few rules match anything for this to prove much"


def test_shared_scans_find_what_each_rule_finds_alone(engine: Engine, rules: list[Rule]) -> None:
    found = run(engine, rules, ALWAYS)
    together: dict[int, set[str]] = {}
    for row in found.hits.select(["rule", "event_id"]).to_pylist():
        together.setdefault(row["rule"], set()).add(row["event_id"])
    for place, rule in enumerate(rules):
        alone = engine.sql(statement(rule, ALWAYS, "event_id"))["event_id"].to_pylist()
        assert set(alone) == together.get(place, set()), rule.title
        assert len(alone) == found.counts.get(place, 0)

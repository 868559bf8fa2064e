"""The packaged rules: each matches its events and no near miss; what they cover."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ctanalytics.app.rules.check import check
from ctanalytics.app.rules.coverage import coverage
from ctanalytics.app.rules.lint import lint
from ctanalytics.detectors.sigma import severity
from ctanalytics.findings import severity_rank
from ctanalytics.settings import Rules
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import packaged, placeholders
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import run
from ctanalytics.sigma.span import Span
from ctanalytics.sigma.trial import engine_over
from tests import logs

ALWAYS = Span(
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC), undated=True
)
DETONATIONS = sorted((logs.SHARED / "stratus-detonation-logs").glob("*.json"))


def test_every_rule_matches_its_events_and_no_near_miss() -> None:
    verdicts = check(events=Path(__file__).parent)
    assert len(verdicts) > 120
    assert [(one.rule.path, one.faults) for one in verdicts if not one.passed] == []


def test_lint_finds_no_error() -> None:
    assert [one for one in lint() if one.severity == "error"] == []


def test_every_stratus_technique_has_a_rule() -> None:
    found = coverage().stratus
    assert len(found) > 44
    assert [one.name for one in found if not one.rules] == []


def test_every_detonation_raises_its_rule_at_medium_or_above() -> None:
    assert len(DETONATIONS) in (0, 18)  # real logs, which a clone by itself has not
    rules = load([packaged()], placeholders(Rules()))
    assert [file.stem for file in DETONATIONS if not loud(rules, file)] == []


def loud(rules: list[Rule], file: Path) -> set[str]:
    """The rules tagged with a file's technique that it raises at medium or above."""
    with engine_over([file.read_bytes()]) as engine:
        rows = run(engine, rules, ALWAYS).hits.to_pylist()
    found = set()
    for place in {row["rule"] for row in rows}:
        failed = [bool(row["is_error"]) for row in rows if row["rule"] == place]
        level = severity(rules[place], events=len(failed), failed=sum(failed))
        tagged = f"stratus.{file.stem}" in rules[place].tags
        if rules[place].alerts and tagged and severity_rank(level) >= severity_rank("medium"):
            found.add(rules[place].title)
    return found

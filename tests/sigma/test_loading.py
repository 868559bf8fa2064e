"""Rules of odd shapes: each is named with its line, and costs the others nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctanalytics.sigma.loading import load
from ctanalytics.sigma.rule import Rule

HEAD = "title: a\nlogsource:\n  product: aws\n  service: cloudtrail\n"
GOOD = HEAD + "detection:\n  sel:\n    eventName: StopLogging\n  condition: sel\n"


def only(folder: Path, text: str) -> Rule:
    (folder / "rule.yml").write_text(text, "utf-8")
    (rule,) = load([folder], {})
    return rule


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        pytest.param("a: [", "error", "no valid YAML", id="broken-yaml"),
        pytest.param("- 1\n", "error", "a rule is a YAML mapping", id="no-mapping"),
        pytest.param("", "error", "the file holds no rule", id="empty"),
        pytest.param(HEAD, "error", "detection", id="no-detection"),
        pytest.param(
            GOOD.replace("eventName:", "eventName|unheard:"), "error", "line 7: ", id="modifier"
        ),
        pytest.param(
            GOOD.replace("condition: sel", "condition: other"), "error", "line 8: ", id="condition"
        ),
        pytest.param(
            GOOD.replace("product: aws", "product: windows"), "unsupported", "line 2", id="product"
        ),
        pytest.param(
            GOOD.replace("eventName: StopLogging", "eventName|re: '(?=a)b'"),
            "error",
            "line 7: ",
            id="look-ahead",
        ),
        pytest.param(
            GOOD.replace("eventName: StopLogging", "eventName|expand: '%nothing%'"),
            "unsupported",
            "%nothing% has no values",
            id="placeholder",
        ),
        pytest.param(
            "title: c\ncorrelation:\n  type: event_count\n  rules: [gone]\n  timespan: 5m\n"
            "  condition: {gte: 3}\n",
            "error",
            "line 4: there is no rule 'gone'",
            id="unknown-rule",
        ),
    ],
)
def test_a_rule_that_can_not_run_says_why_and_where(
    text: str, status: str, said: str, tmp_path: Path
) -> None:
    rule = only(tmp_path, text)
    assert rule.status == status
    assert said in (rule.reason or "")


def test_a_wrong_description_does_not_keep_a_rule_from_running(tmp_path: Path) -> None:
    rule = only(tmp_path, GOOD + "level: deafening\n")
    assert rule.status == "ok"
    assert "line 9" in (rule.reason or "")


def test_one_bad_file_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("a: [", "utf-8")
    (tmp_path / "b.yml").write_text(GOOD, "utf-8")
    assert [rule.status for rule in load([tmp_path], {})] == ["error", "ok"]

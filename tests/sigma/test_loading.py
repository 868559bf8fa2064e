"""Rules of odd shapes: each is named with its line, and costs the others nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.sigma.loading import load
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.translate import exact, possible_for_api, prefilter

HEAD = "title: a\nlogsource:\n  product: aws\n  service: cloudtrail\n"
GOOD = HEAD + "detection:\n  sel:\n    eventName: StopLogging\n  condition: sel\n"
NAMES_ITSELF = HEAD + "detection:\n  sel: &a\n    eventName: *a\n  condition: sel\n"
BOMB = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
"""Ten lines of YAML that name a value three billion times."""


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
        pytest.param(NAMES_ITSELF, "error", "refers to what it stands in", id="names-itself"),
        pytest.param(BOMB, "error", "too many", id="yaml-bomb"),
        pytest.param(f"a: {'[' * 60}{']' * 60}", "error", "too deep", id="60-levels"),
        pytest.param(f"a: {'[' * 100_000}", "error", "no valid YAML", id="100000-levels"),
        pytest.param(
            GOOD.replace("condition: sel", f"condition: {'not ' * 99}sel"),
            "unsupported",
            "nested more than 60 times",
            id="deep-condition",
        ),
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
    for number, text in enumerate(["a: [", NAMES_ITSELF, BOMB, "\0", GOOD]):
        (tmp_path / f"{number}.yml").write_text(text, "utf-8")
    rules = load([tmp_path], {})
    assert [rule.status for rule in rules] == ["error"] * 4 + ["ok"]
    assert [Path(rule.path).name for rule in rules] == [f"{number}.yml" for number in range(5)]


@pytest.mark.parametrize("modifier", ["re", "re|i", "re|expand"])
def test_no_pattern_gets_to_a_terminal_as_it_is(
    modifier: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """RE2's own log writes what it can't read."""
    evil = GOOD.replace("eventName: StopLogging", f'eventName|{modifier}: "\\e[2J("')
    assert only(tmp_path, evil).status == "error"
    assert only(tmp_path, evil.replace("condition: sel", "condition: 1 of (x")).status == "error"
    assert capfd.readouterr() == ("", "")


def is_told(rule: Rule, file: Path) -> None:
    """A rule says why it does not run, or runs as conditions that are one expression each."""
    assert rule.path == str(file)
    assert rule.status == "ok" or rule.reason
    if rule.status == "ok" and rule.condition is not None:
        for made in (exact, possible_for_api, prefilter):
            text = f"select 1 from events where ({made(rule.condition)})"
            (found,) = duckdb.extract_statements(text)
            assert found.type == duckdb.StatementType.SELECT


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules") / "rule.yml"


WORDS = st.sampled_from(
    [
        "not",
        "and",
        "or",
        "(",
        ")",
        "sel",
        "other",
        "sel*",
        "them",
        "all of",
        "1 of",
        "| count() > 5",
    ]
)
VALUES = st.text(max_size=12) | st.sampled_from(
    ["'; drop table events; --", "\\", "*", "?*\\*", "%x%"]
)
MODIFIERS = ["", "contains", "startswith", "all|contains", "re", "cidr", "base64", "gt", "exists"]
MODIFIERS += ["windash", "cased", "fieldref", "expand", "utf16|base64offset|contains", "unheard"]
FIELDS = st.sampled_from(
    ["eventName", "requestParameters.a'b", "userIdentity.arn", "x y", "keywords"]
)


@settings(max_examples=50)
@given(
    condition=st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=20),
    key=FIELDS | st.text(max_size=8),
    modifier=st.sampled_from(MODIFIERS),
    values=st.lists(VALUES | st.integers() | st.none() | st.booleans(), min_size=1, max_size=3),
)
@example(condition="not " * 200 + "sel", key="eventName", modifier="", values=["a"])
@example(condition="not (sel or (" * 80 + "sel" + "))" * 80, key="a", modifier="", values=["a"])
def test_any_condition_runs_as_it_is_or_says_why_not(
    file: Path, condition: str, key: str, modifier: str, values: list[Any]
) -> None:
    detection = {"sel": {f"{key}|{modifier}".strip("|"): values}, "other": {"eventSource": "x"}}
    detection["condition"] = condition
    file.write_text(HEAD + yaml.safe_dump({"detection": detection}, allow_unicode=True), "utf-8")
    (rule,) = load([file], {})
    is_told(rule, file)


@settings(max_examples=50)
@given(
    data=st.binary(max_size=80)
    | st.lists(
        st.sampled_from(
            [
                *GOOD.splitlines(keepends=True),
                "---\n",
                "  - *a\n",
                "x: &a [*a, ",
                "]\n",
                "<<: ",
                "? ",
            ]
        ),
        max_size=12,
    ).map(lambda lines: "".join(lines).encode())
)
def test_any_file_is_rules_or_faults_of_its_name(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    for rule in load([file], {}):
        is_told(rule, file)

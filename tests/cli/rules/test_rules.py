"""`ctanalytics rules`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctanalytics.app.ingest import ingest
from tests import logs
from tests.cli.runner import run

RULE = (
    "title: A bucket's list read\nid: 00000000-0000-4000-8000-000000000001\nlevel: low\n"
    "logsource:\n  product: aws\n  service: cloudtrail\n"
    "detection:\n  sel:\n    eventName: getbucketacl\n    requestParameters.BucketName: logs-3\n"
    "  condition: sel\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    logs.write(folder / "logs" / logs.key(), map(logs.record, range(5)))
    ingest([str(folder / "logs")], str(folder / "lake"))
    (folder / "rules").mkdir()
    (folder / "rules" / "good.yml").write_text(RULE, "utf-8")
    events = folder / "rules" / "good"
    events.mkdir()
    (events / "match.json").write_bytes(logs.document([logs.record(3)]))
    (events / "near_miss.json").write_bytes(logs.document([logs.record(4)]))
    return folder


def test_run_prints_one_object_a_rule_with_all_event_ids(place: Path) -> None:
    ran = run("rules", "run", "rules", "--lake", "lake", "--json", cwd=place)
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)
    assert found == {
        "rule_id": "00000000-0000-4000-8000-000000000001",
        "title": "A bucket's list read",
        "path": "rules/good.yml",
        "status": "ok",
        "reason": None,
        "hits": 1,
        "event_ids": [logs.event_id(3)],
    }


def test_a_broken_rule_is_named_and_the_others_run(place: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("a: [", "utf-8")
    ran = run("rules", "run", str(tmp_path), "rules", "--lake", "lake", "--json", cwd=place)
    assert ran.code == 3
    assert [one["status"] for one in json.loads(ran.out)] == ["error", "ok"]
    assert "bad.yml" in ran.err


def test_rules_are_tested_on_the_events_beside_them(place: Path) -> None:
    ran = run("rules", "test", "rules", "--json", cwd=place)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)[0]["passed"]


def test_a_rule_without_events_fails(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text(RULE, "utf-8")
    assert run("rules", "test", str(tmp_path), cwd=tmp_path).code == 1


def test_try_proposes_an_exception_that_spares_an_event(place: Path) -> None:
    ran = run("rules", "try", "rules/good.yml", "--lake", "lake", "--json", cwd=place)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["events"] == found["silenced"] == 1
    assert found["exceptions"][0]["principal"].endswith("user/dora")


def test_list_show_lint_and_coverage_answer(place: Path) -> None:
    for words in (
        ("list", "rules", "--json"),
        ("lint", "rules", "--json"),
        ("show", "tampering/trail_stopped", "--json"),
        ("coverage", "--json"),
    ):
        ran = run("rules", *words, cwd=place)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)

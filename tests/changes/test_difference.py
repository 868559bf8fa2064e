"""Differences between two states: where they are, and what of them is not shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ctanalytics.changes.difference import MASK, Difference, differences, masked


def row(configuration: Any = None, **columns: Any) -> dict[str, Any]:
    return {
        "configuration": json.dumps(configuration) if configuration is not None else None,
        "supplementary_configuration": None,
        "tags": None,
        "relationships": None,
    } | {name: json.dumps(value) for name, value in columns.items()}


def changed(before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
    found = differences(row(before), row(after))
    return [(each.path, each.kind, each.before, each.after) for each in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="equal"),
        pytest.param(
            {"a": {"b": 1}}, {"a": {"b": 2}}, [("/a/b", "replaced", 1, 2)], id="within"
        ),
        pytest.param({"a": 1}, {"b": 1}, [("/a", "removed", 1, None), ("/b", "added", None, 1)], id="keys"),
        pytest.param({"a/b~": 1}, {"a/b~": 2}, [("/a~1b~0", "replaced", 1, 2)], id="escaped-key"),
        pytest.param({"l": [1, 2, 3]}, {"l": [3, 1, 2]}, [], id="order-means-nothing"),
        pytest.param({"l": [1, 2]}, {"l": [2, 5, 1]}, [("/l/1", "added", None, 5)], id="element-came"),
        pytest.param({"l": [1, 2]}, {"l": [2]}, [("/l/0", "removed", 1, None)], id="element-went"),
        pytest.param({"l": [1, 1]}, {"l": [1]}, [("/l/1", "removed", 1, None)], id="one-of-two-alike"),
        pytest.param(
            {"l": [{"id": 1, "v": 1}, {"id": 2, "v": 1}]},
            {"l": [{"id": 2, "v": 9}, {"id": 1, "v": 1}]},
            [("/l/0/v", "replaced", 1, 9)],
            id="element-changed",
        ),
        pytest.param({"a": None}, {"a": 0}, [("/a", "replaced", None, 0)], id="null-is-a-value"),
        pytest.param({"a": 1}, {"a": True}, [("/a", "replaced", 1, True)], id="true-is-not-one"),
        pytest.param(
            {"p": '{"Statement": [{"Sid": "a"}]}'},
            {"p": '{"Statement": [{"Sid": "b"}]}'},
            [("/p/Statement/0/Sid", "replaced", "a", "b")],
            id="json-in-text",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_told_by_its_path(
    before: Any, after: Any, expected: list[tuple[str, str, Any, Any]]
) -> None:
    assert changed(before, after) == [(f"/configuration{path}", *rest) for path, *rest in expected]


def test_what_was_not_there_is_new_in_one_piece_for_each_part() -> None:
    found = differences(None, row({"a": 1}, tags={"team": "web"}))
    assert found == [
        Difference("/configuration", "added", None, {"a": 1}),
        Difference("/tags", "added", None, {"team": "web"}),
    ]


@pytest.mark.parametrize(
    ("value", "keys", "hidden"),
    [
        ("hunter2", ("masterUserPassword",), True),
        ("hunter2", ("environment", "variables", "HARMLESS"), True),
        ("eu-west-1", ("environment", "region"), False),
        ("postgres://u:pw@db/x", ("url",), True),
        ("-----BEGIN RSA PRIVATE KEY-----", ("note",), True),
        ("arn:aws:secretsmanager:eu-west-1:1:secret:x", ("secret",), False),
        ("db-login", ("secretName",), False),
        ("IyEvYmluL3No", ("userData",), True),
        (True, ("passwordRequired",), False),
        ("open", ("state",), False),
    ],
)
def test_what_may_be_a_secret_is_not_shown(value: Any, keys: tuple[str, ...], hidden: bool) -> None:
    assert masked(value, keys) == (MASK if hidden else value)


def test_a_pair_of_name_and_value_is_hidden_by_its_name() -> None:
    pairs = [{"name": "DB_PASSWORD", "value": "x"}, {"name": "LEVEL", "value": "info"}]
    shown = masked({"containerDefinitions": [{"environment": pairs}]}, ())
    found = shown["containerDefinitions"][0]["environment"]
    assert [each["value"] for each in found] == [MASK, "info"]

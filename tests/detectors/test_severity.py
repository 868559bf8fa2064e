from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from ctanalytics.detectors.severity import (
    error_class,
    is_sensitive,
    sensitive_calls,
    severity,
)
from ctanalytics.findings import severity_rank
from tests import builders


@pytest.mark.parametrize("impact", ["sensitive", "write", "read", "denied", "silent"])
def test_more_confidence_is_never_less_severe_and_never_critical(impact: str) -> None:
    ranks = [severity_rank(severity(impact, margin)) for margin in (0, 1, 3, 50)]  # type: ignore[arg-type]
    assert ranks == sorted(ranks)
    assert max(ranks) < severity_rank("critical")


def test_refused_calls_alone_are_at_most_medium() -> None:
    assert severity("denied", 99) == "medium"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDenied", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("KMS.KMSAccessDenied", "denied"),
        ("ThrottlingException", "throttle"),
        ("Client.RequestLimitExceeded", "throttle"),
        ("Client.DryRunOperation", "benign"),
        ("NoSuchLifecycleConfiguration", "benign"),
        ("Client.InvalidRouteTableID.NotFound", "benign"),
        ("InternalError", "fault"),
        (None, "fault"),
    ],
)
def test_error_codes_are_classed(code: str | None, expected: str) -> None:
    assert error_class(code) == expected


def test_sensitive_calls_are_known_by_source_and_name() -> None:
    assert is_sensitive("cloudtrail.amazonaws.com", "StopLogging")
    assert not is_sensitive("ec2.amazonaws.com", "StopLogging")
    assert ("iam.amazonaws.com", "CreateAccessKey") in sensitive_calls()


def test_there_is_none_is_harmless_for_calls_that_look_and_for_no_others() -> None:
    code = "ResourceNotFoundException"
    assert error_class(code, "DescribeTable") == "benign"
    assert error_class(code, "DeleteTable") == "fault"
    assert error_class("Client.DryRunOperation", "RunInstances") == "benign"


def test_the_views_and_the_detectors_class_error_codes_alike(tmp_path: Path) -> None:
    with builders.engine(tmp_path) as engine:
        rows = engine.query("select * from error_classes").to_pylist()
    names = {"throttled": "throttle"}
    wrong = [
        row
        for row in rows
        if error_class(row["error_code"]) != names.get(row["error_class"], row["error_class"])
    ]
    assert wrong == []


def test_every_refusal_and_throttling_that_detectors_know_is_in_the_view(tmp_path: Path) -> None:
    with builders.engine(tmp_path) as engine:
        view = {
            row["error_code"] for row in engine.query("select * from error_classes").to_pylist()
        }
    file = resources.files("ctanalytics.detectors").joinpath("data", "classes.toml")
    lists = tomllib.loads(file.read_text("utf-8"))["errors"]
    # A failed sign-in has this as its message, not as its code. `benign` depends on the call, which
    # the view does not see: there only what is harmless whatever the call can be held.
    known = {*lists["denied"], *lists["throttle"], *lists["benign_always"]} - {
        "Failed authentication"
    }
    assert sorted(known - view) == []

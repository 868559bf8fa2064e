"""Events as OCSF: what a reader of class 6003 requires, and where CloudTrail's fields stand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def mapped(folder: Path, **columns: Any) -> dict[str, Any]:
    with builders.engine(folder, events=[builders.event(NOON, **columns)]) as engine:
        (row,) = engine.sql("from ocsf_api_activity").to_pylist()
    return dict(row)


def test_the_required_attributes_of_class_6003_are_there(tmp_path: Path) -> None:
    row = mapped(tmp_path, event_id="e1", request_id="r1", access_key_id="AKIA1")
    assert (row["class_uid"], row["category_uid"], row["type_uid"]) == (6003, 6, 600302)
    assert row["time"] == int(NOON.timestamp() * 1_000)
    assert row["severity_id"] == 1
    assert row["metadata"]["version"] == "1.1.0"
    assert row["metadata"]["uid"] == "e1"
    assert row["metadata"]["product"]["vendor_name"] == "AWS"
    assert row["cloud"]["account"]["uid"] == "111122223333"
    assert row["actor"]["user"]["credential_uid"] == "AKIA1"
    assert row["api"]["operation"] == "DescribeInstances"
    assert row["api"]["request"]["uid"] == "r1"
    assert row["src_endpoint"] == {"ip": "203.0.113.9", "domain": None, "uid": None}


@pytest.mark.parametrize(
    ("name", "read_only", "activity"),
    [
        ("CreateUser", False, 1),
        ("RunInstances", False, 1),
        ("GetObject", True, 2),
        ("DescribeInstances", None, 2),
        ("PutBucketPolicy", False, 3),
        ("DeleteTrail", False, 4),
        ("AssumeRole", False, 99),
        ("AssumeRole", True, 2),
    ],
)
def test_the_activity_follows_from_the_call(
    tmp_path: Path, name: str, read_only: bool | None, activity: int
) -> None:
    row = mapped(tmp_path, event_name=name, read_only=read_only)
    assert row["activity_id"] == activity
    assert row["type_uid"] == 600300 + activity


def test_a_failure_tells_its_code(tmp_path: Path) -> None:
    row = mapped(tmp_path, error_code="AccessDenied", error_message="no")
    assert (row["status_id"], row["status_code"]) == (2, "AccessDenied")
    assert row["api"]["response"] == {"error": "AccessDenied", "message": "no"}


def test_a_service_as_source_is_a_domain_not_an_address(tmp_path: Path) -> None:
    row = mapped(tmp_path, source_ip_kind="service", source_ip_address="ec2.amazonaws.com")
    assert row["src_endpoint"]["ip"] is None
    assert row["src_endpoint"]["domain"] == "ec2.amazonaws.com"

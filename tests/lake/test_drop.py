"""Rules that leave records out: each takes what it says, and never a failure by the way."""

from __future__ import annotations

from typing import Any

import pytest

from ctanalytics.errors import SettingsError
from ctanalytics.lake.decode import decode
from ctanalytics.lake.drop import TAMPERING, check, drop, warnings
from ctanalytics.settings import Drop
from tests.logs import document, record


def left(rules: list[Drop], *records: dict[str, Any]) -> list[int]:
    """Numbers of the records that stay."""
    rows = decode(document(records)).events
    stay, found = drop(rows, rules)
    assert len(rows) == len(stay) + sum(found.by_rule.values())
    assert found.by_rule.total() == found.by_object.total()
    return [int(each[1:]) for each in stay["request_id"].to_pylist()]


NEVER: dict[str, Any] = {"readOnly": False, "eventName": "PutBucketAcl"}
SERVICE = {"type": "AWSService", "invokedBy": "config.amazonaws.com"}
SESSION = {
    "type": "AssumedRole",
    "arn": "arn:aws:sts::111122223333:assumed-role/scanner/i-0",
    "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/scanner"}},
}


@pytest.mark.parametrize(
    ("rule", "records", "expected"),
    [
        pytest.param({"event_name": ["Get*"]}, [{}, NEVER], [1], id="name"),
        pytest.param({"event_name": ["GetBucketAc"]}, [{}], [0], id="whole-name"),
        pytest.param({"event_name": ["getBucketAcl"]}, [{}], [0], id="case"),
        pytest.param({"event_name": ["X", "GetBucketAc?"]}, [{}], [], id="any-of-a-list"),
        pytest.param({"event_name": ["Get.*"]}, [{}], [0], id="no-regular-expression"),
        pytest.param({"event_source": ["s3.*"], "event_name": ["Put*"]}, [{}, NEVER], [0], id="and"),
        pytest.param({"read_only": True}, [{}, NEVER, {"readOnly": None}], [1, 2], id="read-only"),
        pytest.param({"read_only": False}, [{}, NEVER, {"readOnly": None}], [0, 2], id="writing"),
        pytest.param({"account": ["1111*"]}, [{}, {"recipientAccountId": "444455556666"}], [1],
                     id="account"),
        pytest.param({"region": ["us-*"]}, [{}, {"awsRegion": "us-west-2"}], [0], id="region"),
        pytest.param({"identity_type": ["AWSService"]}, [{}, {"userIdentity": SERVICE}], [0],
                     id="identity-type"),
        pytest.param({"invoked_by": ["config.amazonaws.com"]}, [{}, {"userIdentity": SERVICE}], [0],
                     id="service"),
        pytest.param({"principal": ["*:role/scanner"]}, [{}, {"userIdentity": SESSION}], [0],
                     id="principal"),
        pytest.param({"user_agent": ["aws-cli/*"]}, [{}, {"userAgent": None}], [1], id="agent"),
        pytest.param({"read_only": True}, [{"errorCode": "AccessDenied"}, {}], [0], id="denied-stay"),
        pytest.param({"read_only": True, "errors": True}, [{"errorCode": "AccessDenied"}, {}], [],
                     id="denied-go-when-told"),
        pytest.param({"event_name": ["ConsoleLogin"]},
                     [{"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Failure"}},
                      {"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}}],
                     [0], id="failed-sign-ins-stay"),
    ],
)  # fmt: skip
def test_a_rule_takes_what_fulfils_all_its_conditions(
    rule: dict[str, Any], records: list[dict[str, Any]], expected: list[int]
) -> None:
    made = [record(number, **fields) for number, fields in enumerate(records)]
    assert left([Drop(name="noise", **rule)], *made) == expected


def test_of_two_rules_the_first_that_matches_counts_the_record() -> None:
    rules = [Drop(name="one", event_name=["Get*"]), Drop(name="all", read_only=True)]
    rows = decode(document([record(0), record(1, eventName="ListKeys"), record(2)]), key="k").events
    stay, found = drop(rows, rules)
    assert len(stay) == 0
    assert found.by_rule == {"one": 2, "all": 1}
    assert found.by_object == {"file/k": 3}


def test_records_of_several_days_and_objects_are_counted_by_their_own_object() -> None:
    rows = decode(
        document([record(0), record(90_000), record(1, **NEVER), record(200_000, **NEVER)]), key="k"
    ).events
    stay, found = drop(rows, [Drop(name="noise", event_name=["Get*"])])
    assert sorted(stay["source_row"].to_pylist()) == [2, 3]
    assert found.by_object == {"file/k": 2}


def test_rules_without_a_name_of_their_own_or_a_condition_are_refused_together() -> None:
    rules = [
        Drop(name="", event_name=["x"]),
        Drop(name="twice", event_name=["x"]),
        Drop(name="twice", read_only=True),
        Drop(name="all"),
    ]
    with pytest.raises(SettingsError) as caught:
        check(rules)
    for text in ("rule 1 has no name", "'twice' is the name of 2 rules", "'all' has no condition"):
        assert text in caught.value.what
    check(rules[1:2])


@pytest.mark.parametrize(
    ("rule", "warned"),
    [
        ({"event_source": ["cloudtrail.*"]}, True),
        ({"event_name": ["Stop*"]}, True),
        ({"region": ["eu-west-1"]}, True),
        ({"event_source": ["s3.amazonaws.com"]}, False),
        ({"event_source": ["cloudtrail.*"], "read_only": True}, False),
        ({"event_name": ["Describe*", "List*"]}, False),
    ],
)
def test_a_rule_that_may_take_tampering_with_cloudtrail_is_warned_of(
    rule: dict[str, Any], warned: bool
) -> None:
    said = list(warnings([Drop(name="noise", **rule)]))
    assert bool(said) == warned
    assert all("'noise'" in text for text in said)
    assert "StopLogging" in TAMPERING

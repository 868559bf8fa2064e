"""What policy documents allow."""

from __future__ import annotations

from typing import Any

import pytest

from ctanalytics.posture.policy import allows, fits, meet, statements

LOGS = "arn:aws:s3:::logs/*"


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"Statement": list(rows)}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


MFA = {"Bool": {"aws:MultiFactorAuthPresent": False}}


@pytest.mark.parametrize(
    ("rows", "action", "resource", "expected"),
    [
        pytest.param([allow("*")], "s3:DeleteObject", LOGS, True, id="everything"),
        pytest.param([allow("s3:Delete*")], "s3:DeleteObject", LOGS, True, id="prefix"),
        pytest.param([allow("S3:deleteobject")], "s3:DeleteObject", LOGS, True, id="case"),
        pytest.param([allow("s3:GetObject")], "s3:DeleteObject", LOGS, False, id="another"),
        pytest.param(
            [allow("s3:*", "arn:aws:s3:::other/*")], "s3:DeleteObject", LOGS, False, id="elsewhere"
        ),
        pytest.param(
            [allow("s3:*", "arn:aws:s3:::l*")], "s3:DeleteObject", LOGS, True, id="wider-pattern"
        ),
        pytest.param(
            [allow("s3:*", "arn:aws:s3:::logs/AWSLogs/*")],
            "s3:DeleteObject",
            LOGS,
            True,
            id="part-of-it",
        ),
        pytest.param(
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            "s3:DeleteObject",
            LOGS,
            True,
            id="not-action",
        ),
        pytest.param(
            [{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::logs/*"}],
            "s3:DeleteObject",
            LOGS,
            False,
            id="not-resource",
        ),
        pytest.param([allow("*"), deny("s3:Delete*")], "s3:DeleteObject", LOGS, False, id="denied"),
        pytest.param(
            [allow("*"), deny("s3:Delete*", "arn:aws:s3:::logs/AWSLogs/*")],
            "s3:DeleteObject",
            LOGS,
            True,
            id="denied-in-part",
        ),
        pytest.param(
            [allow("*"), deny("s3:Delete*", Condition=MFA)],
            "s3:DeleteObject",
            LOGS,
            True,
            id="denied-under-a-condition",
        ),
        pytest.param(
            [allow("s3:*", Condition=MFA)],
            "s3:DeleteObject",
            LOGS,
            True,
            id="a-condition-makes-no-right-smaller",
        ),
    ],
)
def test_what_is_allowed(
    rows: list[dict[str, Any]], action: str, resource: str, expected: bool
) -> None:
    assert (allows(statements(document(*rows)), action, resource) is not None) is expected


@pytest.mark.parametrize(
    ("more", "public"),
    [
        pytest.param({"Principal": "*"}, True, id="star"),
        pytest.param({"Principal": {"AWS": ["*"]}}, True, id="star-in-a-list"),
        pytest.param({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, False, id="account"),
        pytest.param(
            {
                "Principal": "*",
                "Condition": {"StringEquals": {"AWS:SourceAccount": "111122223333"}},
            },
            False,
            id="for-one-account",
        ),
        pytest.param(
            {"Principal": "*", "Condition": {"ArnLike": {"aws:SourceArn": "*"}}},
            True,
            id="a-condition-that-is-none",
        ),
        pytest.param(
            {
                "Principal": "*",
                "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
            },
            True,
            id="everybody-but",
        ),
        pytest.param(
            {"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": True}}},
            True,
            id="by-tls",
        ),
        pytest.param(
            {"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}, True, id="not-principal"
        ),
    ],
)
def test_who_is_anybody(more: dict[str, Any], public: bool) -> None:
    (one,) = statements(document(allow("sns:Publish", **more)))
    assert one.public is public


@pytest.mark.parametrize("document", [None, "", "no json", [], {"Statement": "x"}, {}])
def test_what_is_no_policy_says_nothing(document: object) -> None:
    assert statements(document) == ()


def test_patterns_meet_when_some_text_matches_both() -> None:
    assert fits("arn:aws:s3:::b/*", "arn:aws:s3:::b/x")
    assert not fits("arn:aws:s3:::b/?", "arn:aws:s3:::b/xy")
    assert meet("arn:aws:s3:::b/*", "arn:aws:s3:::b/AWSLogs/*")
    assert not meet("arn:aws:s3:::b/*", "arn:aws:s3:::c/*")

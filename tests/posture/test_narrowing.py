"""Which calls weaken a trail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ctanalytics.posture.narrowing import weakens

ALL = {"readWriteType": "All", "includeManagementEvents": True}


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        ("StopLogging", {"name": "main"}, True),
        ("DeleteTrail", {"name": "main"}, True),
        ("UpdateTrail", {"name": "main", "isMultiRegionTrail": False}, True),
        ("UpdateTrail", {"name": "main", "cloudWatchLogsLogGroupArn": ""}, True),
        ("UpdateTrail", {"name": "main", "isMultiRegionTrail": True, "kmsKeyId": "k"}, False),
        ("PutEventSelectors", {"trailName": "main", "eventSelectors": [ALL]}, False),
        # As stratus-red-team does it.
        (
            "PutEventSelectors",
            {
                "trailName": "main",
                "eventSelectors": [
                    {
                        "readWriteType": "ReadOnly",
                        "includeManagementEvents": False,
                        "dataResources": [],
                        "excludeManagementEventSources": [],
                    }
                ],
            },
            True,
        ),
        (
            "PutEventSelectors",
            {"eventSelectors": [ALL | {"excludeManagementEventSources": ["kms.amazonaws.com"]}]},
            True,
        ),
        # A trail of data events alone never recorded what it leaves out.
        (
            "PutEventSelectors",
            {
                "eventSelectors": [
                    {
                        "readWriteType": "All",
                        "includeManagementEvents": False,
                        "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}],
                    }
                ]
            },
            False,
        ),
        (
            "PutEventSelectors",
            {
                "advancedEventSelectors": [
                    {
                        "fieldSelectors": [
                            {"field": "eventCategory", "equals": ["Management"]},
                            {"field": "readOnly", "equals": ["true"]},
                        ]
                    }
                ]
            },
            True,
        ),
        ("PutInsightSelectors", {"insightSelectors": []}, True),
        ("DescribeTrails", {}, False),
    ],
)
def test_a_call_weakens_a_trail(name: str, request_: dict[str, Any], expected: bool) -> None:
    assert weakens(name, json.dumps(request_)) is expected


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_request_that_cannot_be_read_counts(text: str) -> None:
    assert weakens("PutEventSelectors", text)

"""Selectors as sets: what a union of them records of a class."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.posture.selectors import Condition, EventClass, Selector, coverage, of_answer

MANAGEMENT = EventClass("Management")
OBJECTS = EventClass("Data", {"resources.type": "AWS::S3::Object", "readOnly": "false"})
OF_LOGS = EventClass(
    "Data",
    {
        "resources.type": "AWS::S3::Object",
        "readOnly": "false",
        "resources.ARN": "arn:aws:s3:::logs/*",
    },
)


def basic(*selectors: dict[str, Any]) -> dict[str, Any]:
    return {"EventSelectors": list(selectors)}


def management(kind: str = "All", *, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "ReadWriteType": kind,
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": list(leave_out),
        "DataResources": [],
    }


def objects(*values: str, kind: str = "All") -> dict[str, Any]:
    return {
        "ReadWriteType": kind,
        "IncludeManagementEvents": False,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": list(values)}],
    }


def advanced(*selectors: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    return {
        "AdvancedEventSelectors": [
            {"FieldSelectors": [{"Field": name, **operators} for name, operators in one.items()]}
            for one in selectors
        ]
    }


def equals(*values: str) -> dict[str, list[str]]:
    return {"Equals": list(values)}


DATA = {"eventCategory": equals("Data"), "resources.type": equals("AWS::S3::Object")}


@pytest.mark.parametrize(
    ("answer", "wanted", "extent", "left_out"),
    [
        pytest.param(basic(management()), MANAGEMENT, "all", "", id="all-management"),
        pytest.param(
            basic(management("ReadOnly")), MANAGEMENT, "some", "events with writes", id="reads-only"
        ),
        pytest.param(
            basic(management("ReadOnly"), management("WriteOnly")),
            MANAGEMENT,
            "all",
            "",
            id="reads-and-writes-apart",
        ),
        pytest.param(
            basic(management(leave_out=("kms.amazonaws.com",))),
            MANAGEMENT,
            "some",
            "kms.amazonaws.com",
            id="without-kms",
        ),
        pytest.param(
            basic(management(leave_out=("kms.amazonaws.com",)), management("WriteOnly")),
            MANAGEMENT,
            "some",
            "reads",
            id="one-fills-half-of-the-others-hole",
        ),
        pytest.param(basic(objects("arn:aws:s3")), MANAGEMENT, "none", "", id="data-alone"),
        pytest.param(basic(objects("arn:aws:s3")), OBJECTS, "all", "", id="all-objects"),
        pytest.param(
            basic(objects("arn:aws-us-gov:s3:::")), OBJECTS, "all", "", id="all-of-a-partition"
        ),
        pytest.param(
            basic(objects("arn:aws:s3", kind="ReadOnly")),
            OBJECTS,
            "none",
            "",
            id="reads-of-objects",
        ),
        pytest.param(basic(objects("arn:aws:s3:::b/")), OBJECTS, "some", "", id="one-bucket"),
        pytest.param(basic(objects("arn:aws:s3:::logs/")), OF_LOGS, "all", "", id="the-bucket"),
        pytest.param(
            basic(objects("arn:aws:s3:::logs/AWSLogs/")), OF_LOGS, "some", "", id="below-a-prefix"
        ),
        pytest.param(
            basic(objects("arn:aws:s3:::logs-2/")), OF_LOGS, "none", "", id="a-longer-name"
        ),
        pytest.param(basic(), MANAGEMENT, "none", "", id="no-selector"),
        pytest.param({}, MANAGEMENT, "none", "", id="no-answer"),
        pytest.param(
            advanced({"eventCategory": equals("Management")}), MANAGEMENT, "all", "", id="advanced"
        ),
        pytest.param(
            advanced(
                {"eventCategory": equals("Management"), "eventSource": {"NotEquals": ["a"]}},
                {"eventCategory": equals("Management"), "eventSource": equals("a")},
            ),
            MANAGEMENT,
            "all",
            "",
            id="a-hole-that-another-fills",
        ),
        pytest.param(
            advanced(
                {
                    "eventCategory": equals("Management"),
                    "userIdentity.arn": {"NotStartsWith": ["arn:aws:iam::111122223333:role/x"]},
                }
            ),
            MANAGEMENT,
            "some",
            "userIdentity.arn arn:aws:iam::111122223333:role/x*",
            id="somebody-left-out",
        ),
        pytest.param(
            advanced(
                {
                    "eventCategory": equals("Management"),
                    "sessionCredentialFromConsole": {"NotEquals": ["true"]},
                }
            ),
            MANAGEMENT,
            "some",
            "sessionCredentialFromConsole true",
            id="the-console-left-out",
        ),
        pytest.param(
            advanced({**DATA, "resources.ARN": {"NotStartsWith": ["arn:aws:s3:::logs/"]}}),
            OF_LOGS,
            "none",
            "",
            id="all-but-the-bucket",
        ),
        pytest.param(
            advanced({**DATA, "eventName": {"NotEquals": ["DeleteObject"]}}),
            OBJECTS,
            "some",
            "eventName DeleteObject",
            id="all-but-deletions",
        ),
        pytest.param(
            advanced({"eventCategory": equals("NetworkActivity"), "eventSource": equals("s3")}),
            EventClass("NetworkActivity", {"eventSource": "s3"}),
            "all",
            "",
            id="network-activity",
        ),
    ],
)
def test_a_union_of_selectors_records_all_some_or_none(
    answer: dict[str, Any], wanted: EventClass, extent: str, left_out: str
) -> None:
    found = coverage(of_answer(answer), wanted)
    assert found.extent == extent
    assert left_out in found.left_out
    assert bool(found.left_out) == (extent != "all")


WORDS = st.text("ab", min_size=1, max_size=2)
SOME = st.lists(WORDS, max_size=2).map(tuple)
CONDITIONS = st.builds(
    Condition,
    equals=SOME,
    starts=SOME,
    ends=SOME,
    not_equals=SOME,
    not_starts=SOME,
    not_ends=SOME,
)
READS = st.sampled_from([Condition(), Condition(equals=("true",)), Condition(equals=("false",))])
SELECTORS = st.lists(
    st.builds(
        lambda source, read: {
            "eventCategory": Condition(equals=("Management",)),
            "eventSource": source,
            "readOnly": read,
        },
        CONDITIONS,
        READS,
    ),
    min_size=1,
    max_size=3,
)
# Long enough for any two of the words with a letter between that none of them has.
EVENTS = [
    ("".join(letters), read)
    for length in range(6)
    for letters in itertools.product("abc", repeat=length)
    for read in ("true", "false")
]


@settings(max_examples=60)
@given(SELECTORS)
def test_the_extent_is_that_of_every_event_asked_for_by_itself(selectors: list[Selector]) -> None:
    recorded = sum(
        any(one["eventSource"].holds(source) and one["readOnly"].holds(read) for one in selectors)
        for source, read in EVENTS
    )
    expected = "all" if recorded == len(EVENTS) else "some" if recorded else "none"
    assert coverage(selectors, MANAGEMENT).extent == expected

"""What a message announces, in every envelope, and that no text at all can do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.sources.notifications import Announced, NotANoticeError, read
from tests.logs import SHARED, key
from tests.sources import announcing
from tests.sources.announcing import eventbridge, s3, s3_record, sns, trail

ODD = "a b+c/é=%41:x.json.gz"
BODIES = {
    "s3": s3(s3_record("logs", ODD)),
    "s3-through-sns": sns(s3(s3_record("logs", ODD))),
    "s3-through-sns-as-lambda-has-it": json.dumps(
        {
            "Records": [
                {"EventSource": "aws:sns", "Sns": json.loads(sns(s3(s3_record("logs", ODD))))}
            ]
        }
    ),
    "s3-through-sns-and-sqs-as-lambda-has-it": json.dumps(
        {"Records": [{"body": sns(s3(s3_record("logs", ODD)))}]}
    ),
    "eventbridge": eventbridge("logs", ODD),
    "eventbridge-through-sns": sns(eventbridge("logs", ODD)),
    "trail": trail("logs", ODD),
    "trail-through-sns": sns(trail("logs", ODD)),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
def test_the_object_is_found_in_every_envelope_with_its_key_as_s3_has_it(body: str) -> None:
    notice = read(body)
    assert [(found.bucket, found.key) for found in notice.objects] == [("logs", ODD)]
    assert notice.ignored == 0


def test_a_message_may_name_several_objects() -> None:
    assert [found.key for found in read(trail("logs", "a", "b")).objects] == ["a", "b"]
    body = s3(s3_record("logs", "a"), s3_record("more", "b"))
    assert [(found.bucket, found.key) for found in read(body).objects] == [
        ("logs", "a"),
        ("more", "b"),
    ]


def test_etag_and_size_are_taken_only_when_they_can_be_ones() -> None:
    (found,) = read(s3(s3_record("logs", "k"))).objects
    assert (found.etag, found.size_bytes) == ("b1946ac92492d2347c6235b4d2611184", 1_000)
    assert found.at is not None
    for wrong in ({"eTag": "x\r\nHost: evil"}, {"eTag": 5}, {"size": "1"}, {"size": -1}):
        (found,) = read(s3(s3_record("logs", "k", object=wrong))).objects
        assert (found.etag, found.size_bytes) == ("", 0)
    (found,) = read(trail("logs", "k")).objects
    assert found == Announced("logs", "k")


@pytest.mark.parametrize(
    "body",
    [
        announcing.test_event("logs"),
        sns(announcing.test_event("logs")),
        s3(s3_record("logs", "k", eventName="ObjectRemoved:Delete")),
        s3(s3_record("logs", "k", eventName="ObjectTagging:Put")),
        eventbridge("logs", "k", "Object Deleted"),
    ],
)
def test_what_announces_no_new_object_is_ignored(body: str) -> None:
    notice = read(body)
    assert (notice.objects, notice.ignored) == ([], 1)


@pytest.mark.parametrize(
    "body",
    [
        s3(s3_record("logs", "k", eventName="ObjectRestore:Completed")),
        eventbridge("logs", "k", "Object Restore Completed"),
    ],
)
def test_a_restored_object_is_to_be_looked_at(body: str) -> None:
    assert read(body).objects[0].etag == ""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param("this is not json at all {{{", "not JSON", id="text"),
        pytest.param("[" * 100_000, "not JSON", id="deep"),
        pytest.param("[]", "not a JSON object", id="list"),
        pytest.param("{}", "no object in a known form", id="empty"),
        pytest.param('{"Records":[1]}', "not an object", id="number"),
        pytest.param(sns("hello"), "not JSON", id="sns-text"),
        pytest.param(s3(s3_record("logs", "k", eventVersion="3.0")), "version", id="s3-3.0"),
        pytest.param(eventbridge("logs", "k", **{"event-version": "2.0"}), "version", id="eb-2.0"),
        pytest.param(s3(s3_record("", "k")), "bucket", id="no-bucket"),
        pytest.param(s3(s3_record("logs", "")), "key", id="no-key"),
        pytest.param(trail("logs", "k" * 1_025), "longer", id="long-key"),
        pytest.param('{"s3Bucket":"logs","s3ObjectKey":"\\ud800"}', "JSON|Unicode", id="surrogate"),
        pytest.param(
            s3(s3_record("logs", "k", object={"key": "%ff"})), "not UTF-8", id="key-bytes"
        ),
        pytest.param(
            json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x"}),
            "confirm",
            id="subscription",
        ),
        pytest.param(sns(sns(sns(sns(sns(sns(trail("b", "k"))))))), "envelopes", id="nested"),
    ],
)
def test_what_can_not_be_understood_is_said(body: str, says: str) -> None:
    with pytest.raises(NotANoticeError, match=says):
        read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "s3",
                    "bucket",
                    "object",
                    "key",
                    "name",
                    "detail",
                    "source",
                    "s3ObjectKey",
                    "Message",
                    "TopicArn",
                    "Type",
                    "Sns",
                    "body",
                    "eventName",
                    "detail-type",
                    "Event",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON.map(json.dumps) | st.text())
def test_any_text_ends_in_a_notice_or_in_words(body: str) -> None:
    try:
        notice = read(body)
    except NotANoticeError as error:
        assert str(error)
        return
    for found in notice.objects:
        assert found.bucket
        assert 0 < len(found.key.encode()) <= 1_024


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_key_comes_through_as_it_is(name: str) -> None:
    for body in (s3(s3_record("b", name)), eventbridge("b", name), trail("b", name)):
        assert [found.key for found in read(body).objects] == [name]


REAL: dict[str, list[str] | None] = {
    "s3-event-object-created": ["b21b84d653bb07b05b1e6b33684dc11b"],
    "s3-event-urlencoded-key": ["my file=a.json.gz"],
    "s3-test-event": [],
    "sns-s3-event": ["b21b84d653bb07b05b1e6b33684dc11b"],
    "sns-s3-test-event": [],
    "sqs-s3-event": ["b21b84d653bb07b05b1e6b33684dc11b"],
    "sqs-sns-event": ["b21b84d653bb07b05b1e6b33684dc11b"],
    "sqs-batch-partial-garbage": [
        "b21b84d653bb07b05b1e6b33684dc11b",
        "second-sibling-object.json.gz",
    ],
    "eventbridge-object-created": ["example-key"],
    "eventbridge-object-created-plus-key": ["my+file.json.gz"],
    "eventbridge-object-created-unsupported-version": None,
    "eventbridge-object-deleted": [],
    "eventbridge-object-annotation-created": [],
    "eventbridge-object-restore-completed": ["example-key"],
}


def test_published_messages_are_read() -> None:
    folder = SHARED / "s3-notification-envelopes"
    files: list[Path] = sorted(folder.glob("*.json"))
    assert {file.stem for file in files} in (set(), set(REAL))
    for file in files:
        wanted = REAL[file.stem]
        if wanted is None:
            with pytest.raises(NotANoticeError):
                read(file.read_text("utf-8"))
        else:
            assert [found.key for found in read(file.read_text("utf-8")).objects] == wanted


def test_a_record_that_can_not_be_understood_costs_its_neighbours_nothing() -> None:
    notice = read(s3(s3_record("logs", "a"), s3_record("logs", ""), s3_record("logs", "b")))
    assert [found.key for found in notice.objects] == ["a", "b"]
    assert notice.fault == "the key is missing"


def test_a_log_file_is_no_announcement() -> None:
    body: dict[str, Any] = {"Records": [{"eventVersion": "1.11", "eventName": "PutObject"}]}
    with pytest.raises(NotANoticeError):
        read(json.dumps(body))
    assert read(trail("b", key())).objects[0].key == key()

"""Messages that announce objects, in each form that AWS sends them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

TOPIC = "arn:aws:sns:eu-west-1:123456789012:trail"


def s3_record(bucket: str, key: str, **fields: Any) -> dict[str, Any]:
    """One record of an S3 event notification; S3 encodes the key."""
    named = {"size": 1_000, "eTag": "b1946ac92492d2347c6235b4d2611184"} | fields.pop("object", {})
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-03-01T08:05:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": quote_plus(key, safe="/"), "sequencer": "0", **named},
        },
    } | fields


def s3(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def trail(bucket: str, *keys: str) -> str:
    """The notification of a trail's own topic."""
    return json.dumps({"s3Bucket": bucket, "s3ObjectKey": keys})


def eventbridge(bucket: str, key: str, kind: str = "Object Created", **fields: Any) -> str:
    named = {"key": key, "size": 1_000, "etag": "b1946ac92492d2347c6235b4d2611184"}
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": kind,
            "source": "aws.s3",
            "account": "111122223333",
            "time": "2026-03-01T08:05:00Z",
            "region": "eu-west-1",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {"version": "0", "bucket": {"name": bucket}, "object": named} | fields,
        }
    )


def sns(message: str) -> str:
    """A message as SNS hands it to a queue, unless delivery is raw."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "TopicArn": TOPIC,
            "Message": message,
        }
    )


def test_event(bucket: str) -> str:
    """What S3 sends when notifications are set up."""
    return json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket})


test_event.__test__ = False  # type: ignore[attr-defined]

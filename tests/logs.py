"""CloudTrail records and log files for tests: made here, or real ones from `tests/data`."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ctanalytics.records.object_key import log_key

ACCOUNT = "111122223333"
REGION = "eu-west-1"
START = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Real files of many origins, where they lie beside the repository; nothing depends on them."""


def record(number: int = 0, **fields: Any) -> dict[str, Any]:
    """One record as a trail delivers it; its id and its second follow from the number."""
    time = START + dt.timedelta(seconds=number)
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/dora",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "dora",
        },
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetBucketAcl",
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": {"bucketName": f"logs-{number}", "acl": ""},
        "responseElements": None,
        "requestID": f"r{number}",
        "eventID": event_id(number),
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    } | fields


def event_id(number: int) -> str:
    """The event id of a numbered record."""
    return str(uuid.UUID(int=number))


def document(records: Iterable[Mapping[str, Any]]) -> bytes:
    """A log file's content, on one line as CloudTrail writes it."""
    return json.dumps({"Records": list(records)}, separators=(",", ":")).encode()


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """A gzipped log file at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(document(records), mtime=0))
    return path


def key(number: int = 0, **parts: Any) -> str:
    """A log file's key; five minutes lie between two numbers."""
    delivered = START + dt.timedelta(minutes=5 * number)
    values = {"account_id": ACCOUNT, "aws_region": REGION, "unique": f"{number:016d}"} | parts
    return log_key(delivered=delivered, **values)


def corpus(root: Path, *, files: int, per_file: int, apart: int = 300) -> int:
    """Write a folder of log files as a trail would; every tenth record is also in the next file.

    Args:
        apart: seconds between the first records of two files.

    Returns:
        The number of distinct events.
    """
    numbers: set[int] = set()
    last: list[int] = []
    for file in range(files):
        own = [file * apart + place for place in range(per_file)]
        write(root / key(file), map(record, own + last))
        last = own[::10]
        numbers.update(own)
    return len(numbers)

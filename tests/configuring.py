"""Items and files of AWS Config for tests, as its delivery channel writes them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.logs import ACCOUNT, REGION, START


def item(
    resource_type: str = "AWS::EC2::SecurityGroup",
    resource_id: str = "sg-0a1b2c3d4e5f60718",
    *,
    at: dt.datetime = START,
    configuration: Any = None,
    **fields: Any,
) -> dict[str, Any]:
    """One configuration item of version 1.3."""
    service = resource_type.split("::")[1].lower()
    kind = resource_type.split("::")[2].lower()
    return {
        "relatedEvents": [],
        "relationships": [],
        "configuration": configuration if configuration is not None else {"id": resource_id},
        "supplementaryConfiguration": {},
        "tags": {},
        "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": at.isoformat(timespec="milliseconds").replace(
            "+00:00", "Z"
        ),
        "configurationStateId": int(at.timestamp() * 1_000),
        "awsAccountId": ACCOUNT,
        "configurationItemStatus": "OK",
        "resourceType": resource_type,
        "resourceId": resource_id,
        "ARN": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/{resource_id}",
        "awsRegion": REGION,
        "availabilityZone": "Not Applicable",
        "configurationStateMd5Hash": "",
        "resourceCreationTime": "2026-02-01T00:00:00.000Z",
    } | fields


def key(
    channel: str = "ConfigHistory",
    name: str = "AWS::EC2::SecurityGroup",
    *,
    at: dt.datetime = START,
) -> str:
    """The key of a file of Config: months and days are not padded."""
    end = at + dt.timedelta(hours=6)
    day = f"{at.year}/{at.month}/{at.day}"
    stamp = f"{at:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}_1"
    return (
        f"AWSLogs/{ACCOUNT}/Config/{REGION}/{day}/{channel}/"
        f"{ACCOUNT}_Config_{REGION}_{channel}_{name}_{stamp}.json.gz"
    )


def content(items: Iterable[Mapping[str, Any]], **fields: Any) -> bytes:
    """A file's JSON."""
    return json.dumps(
        {"fileVersion": "1.0", "configSnapshotId": "a1b2"}
        | fields
        | {"configurationItems": [*items]}
    ).encode()


def write(path: Path, items: Iterable[Mapping[str, Any]]) -> Path:
    """Write a gzipped file of Config."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content(items), mtime=0))
    return path

"""A trail's bucket whose new objects a queue announces, on the local AWS server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctanalytics.app.ingest import IngestResult, ingest
from ctanalytics.settings import Ingest, Settings
from tests.app.ingesting import settings
from tests.aws_server import ACCOUNT, REGION, Server
from tests.logs import document

BUCKET = "logs"
QUICK = {"queue_gather_seconds": 0.5, "queue_hidden_seconds": 30, "queue_wait_seconds": 0}


@dataclass
class Trail:
    """The bucket, its queue, and a lake that is filled from them."""

    server: Server
    lake: Path
    url: str = ""

    def __post_init__(self) -> None:
        self.server.bucket(BUCKET)
        self.url = self.sqs.create_queue(QueueName="trail")["QueueUrl"]

    @property
    def sqs(self) -> Any:
        return self.server.client("sqs")

    @property
    def s3(self) -> Any:
        return self.server.client("s3")

    @property
    def queue_arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:trail"

    def announce_by(self, way: str) -> None:
        """Let S3 announce its new objects: "direct", "sns", "sns-raw"."""
        if way == "direct":
            target = {"QueueConfigurations": [{"QueueArn": self.queue_arn, **_CREATED}]}
        else:
            topic = self.subscribed(raw=way == "sns-raw")
            target = {"TopicConfigurations": [{"TopicArn": topic, **_CREATED}]}
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration=target
        )

    def subscribed(self, *, raw: bool = False) -> str:
        """A topic whose messages go to the queue."""
        sns = self.server.client("sns")
        topic: str = sns.create_topic(Name="trail")["TopicArn"]
        attributes = {"RawMessageDelivery": "true"} if raw else {}
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self.queue_arn, Attributes=attributes
        )
        return topic

    def put(self, key: str, records: Iterable[Mapping[str, Any]], bucket: str = BUCKET) -> str:
        """Put a log file; returns its ETag."""
        body = gzip.compress(document(records), mtime=0)
        tag: str = self.s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"]
        return tag.strip('"')

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def ingest(self, *sources: str, **more: Any) -> IngestResult:
        url = more.pop("queue", None)
        limits = QUICK | {k: more.pop(k) for k in list(more) if k in Ingest.__struct_fields__}
        return ingest(
            sources or (f"s3://{BUCKET}",),
            str(self.lake),
            settings=settings(queue=url or "", **limits),
            queue=self.url,
            **more,
        )

    def left(self) -> dict[str, int]:
        """Messages in the queue: waiting, and hidden for a while."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        waiting, hidden = (int(found["Attributes"][name]) for name in names)
        return {"waiting": waiting, "hidden": hidden}


_CREATED = {"Events": ["s3:ObjectCreated:*"]}
EMPTY = {"waiting": 0, "hidden": 0}

SCRIPT = """
import json, sys
from ctanalytics.app.ingest import ingest
from ctanalytics.settings import Ingest, Settings
source, lake, queue, limits = sys.argv[1:]
ingest([source], lake, queue=queue, settings=Settings(ingest=Ingest(**json.loads(limits))))
"""


def arguments(trail: Trail, **limits: Any) -> list[str]:
    """What SCRIPT takes, to ingest the trail in a process of its own."""
    given = json.dumps({"workers": 1, **QUICK, **limits})
    return ["-c", SCRIPT, f"s3://{BUCKET}", str(trail.lake), trail.url, given]


__all__ = ["BUCKET", "EMPTY", "QUICK", "Settings", "Trail", "arguments"]

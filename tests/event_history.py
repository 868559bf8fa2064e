"""A stand-in for the LookupEvents API at the edge of the local AWS server.

`server.disturb.append(History().answer)` and the server knows event history; what it answers has
the real API's shape, order, limits and errors.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response

from tests.aws_server import REGION, json_error

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/cloudtrail/")


@dataclass
class History:
    """What happened, and how the API misbehaves."""

    events: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """By region and category."""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Region and parameters of every LookupEvents request that was answered with events."""
    throttled: Counter[str] = field(default_factory=Counter)
    """So many next requests of a region are refused."""
    denied: set[str] = field(default_factory=set)
    fails_after: int | None = None
    """Requests that are answered before all others fail."""
    stale_tokens: int = 0
    """So many next tokens are not known any more."""

    def add(
        self,
        records: Iterable[Mapping[str, Any]],
        region: str = REGION,
        category: str = "management",
        **fields: Any,
    ) -> None:
        """Put records into a region's history."""
        for record in records:
            event = {
                "EventId": record["eventID"],
                "EventName": record["eventName"],
                "ReadOnly": "true",
                "Username": "dora",
                "EventTime": dt.datetime.fromisoformat(record["eventTime"]).timestamp(),
                "EventSource": record["eventSource"],
                "Resources": [{"ResourceType": "AWS::S3::Bucket", "ResourceName": "logs"}],
                "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
            }
            self.events.setdefault((region, category), []).append(event | fields)

    def answer(self, request: Request, passed: Callable[[], Response]) -> Response | None:
        """Answer LookupEvents; let everything else pass."""
        if not request.headers.get("X-Amz-Target", "").endswith(".LookupEvents"):
            return None
        scope = _SCOPE.search(request.headers["Authorization"])
        assert scope is not None
        region = scope["region"]
        if region in self.denied:
            return json_error(
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/dora is not authorized to perform: "
                "cloudtrail:LookupEvents with an explicit deny in a service control policy",
            )
        if self.throttled[region] > 0:
            self.throttled[region] -= 1
            return json_error("ThrottlingException", "Rate exceeded")
        if self.fails_after is not None and len(self.requests) >= self.fails_after:
            return json_error("InvalidTimeRangeException", "the test stops here")
        asked = json.loads(request.get_data())
        if "NextToken" in asked and self.stale_tokens:
            self.stale_tokens -= 1
            return json_error("InvalidNextTokenException", "the token has expired")
        self.requests.append((region, asked))
        body = json.dumps(self._page(region, asked))
        return Response(body, 200, content_type="application/x-amz-json-1.1")

    def _page(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        category = asked.get("EventCategory", "management")
        found = [
            event
            for event in self.events.get((region, category), [])
            if asked["StartTime"] <= event["EventTime"] <= asked["EndTime"]
        ]
        found.sort(key=lambda event: (-event["EventTime"], event["EventId"]))
        start = int(base64.b64decode(asked.get("NextToken", "MA==")))
        end = start + min(asked["MaxResults"], 50)
        page: dict[str, Any] = {"Events": found[start:end]}
        if end < len(found):
            page["NextToken"] = base64.b64encode(str(end).encode()).decode()
        return page

"""Event history: the LookupEvents API, for those who have no bucket with logs.

It keeps 90 days of management and Insights events of each region, and answers two requests a
second, 50 events each, the newest first.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from ctanalytics import aws as amazon
from ctanalytics import settings
from ctanalytics.aws_errors import SOURCE, aws_errors, explain
from ctanalytics.errors import SourceDenied, SourceError
from ctanalytics.sources.base import Fetched, LogObject, Notes, Requests, Selection

NAME: Final = "lookup-events"
"""The source as a user writes it, and the bucket of what it gives in the ledger."""

HISTORY: Final = dt.timedelta(days=90)
Category = Literal["management", "insight"]
CATEGORIES: Final[tuple[Category, ...]] = ("management", "insight")
LATE: Final = {"management": dt.timedelta(minutes=30), "insight": dt.timedelta(hours=36)}
"""So long an event may take to appear: what is younger is asked for again."""

_SEGMENTS: Final = {"management": "CloudTrail", "insight": "CloudTrail-Insight"}
_PAGE: Final = 50
_CHUNK_PAGES: Final = 40
_SPACING: Final = 0.5  # seconds between two requests to a region
_ATTEMPTS: Final = 10  # of a throttled request, each of them already repeated by botocore
_SECOND: Final = dt.timedelta(seconds=1)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_KEY: Final = re.compile(
    r"(?P<account>\d{12})/(?P<segment>[A-Za-z-]+)/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
    r"(?P<since>\d{8}T\d{6}Z)_(?P<until>\d{8}T\d{6}Z)_(?P<at>\d{8}T\d{6}Z)\.json\.gz"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some time of one region, since <= t < until, in whole seconds."""

    account_id: str
    aws_region: str
    category: Category
    since: dt.datetime
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was found of a span, packed as a log file; it covers the whole span."""

    span: Span
    asked_at: dt.datetime
    data: bytes
    events: int

    @property
    def key(self) -> str:
        """Its key in the ledger, from which `covered` reads what was asked already.

        It is built as AWS builds those of log files, so that all who parse them understand it.
        """
        span = self.span
        names = "_".join(f"{at:{_STAMP}}" for at in (span.since, span.until, self.asked_at))
        segment = _SEGMENTS[span.category]
        day = f"{span.until - _SECOND:%Y/%m/%d}"
        return f"{span.account_id}/{segment}/{span.aws_region}/{day}/{names}.json.gz"


def covered(
    keys: Iterable[str],
) -> dict[tuple[str, str, str], list[tuple[dt.datetime, dt.datetime]]]:
    """Return what was asked for good, by account, region and category: spans in order, joined.

    Args:
        keys: of chunks that have been ingested.
    """
    spans: dict[tuple[str, str, str], list[tuple[dt.datetime, dt.datetime]]] = {}
    categories = {segment: category for category, segment in _SEGMENTS.items()}
    for key in keys:
        match = _KEY.fullmatch(key)
        category = categories.get(match["segment"]) if match else None
        if match is None or category is None:
            continue
        since, until, at = (_moment(match[name]) for name in ("since", "until", "at"))
        until = min(until, at - LATE[category])
        if since < until:
            place = (match["account"], match["region"], category)
            spans.setdefault(place, []).append((since, until))
    return {place: _joined(found) for place, found in spans.items()}


def gaps(
    since: dt.datetime, until: dt.datetime, known: Sequence[tuple[dt.datetime, dt.datetime]]
) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return what of a span lies outside known ones, which are in order."""
    found = []
    for start, end in known:
        if start > since:
            found.append((since, min(start, until)))
        since = max(since, end)
        if since >= until:
            break
    if since < until:
        found.append((since, until))
    return [gap for gap in found if gap[0] < gap[1]]


@dataclass
class LookupSource:
    """The event history of the account that the credentials belong to."""

    aws: settings.Aws
    name: str = NAME
    requests: Requests = field(default_factory=Requests)
    notes: Notes = field(default_factory=Notes)
    asked: int = 0
    """Requests so far."""
    spacing: float = _SPACING
    sleep: Callable[[float], None] = time.sleep
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def list(self, selection: Selection) -> Iterator[list[LogObject]]:  # noqa: ARG002 - no files here
        """Nothing can be listed: what there is, `chunks` asks for."""
        return iter(())

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:  # noqa: ARG002 - no files here
        """Chunks are staged in the lake before they are read."""
        raise SourceError("event history has no objects", where=obj.key, mend="report this fault")

    def spec(self) -> dict[str, Any]:
        """See `sources.base.Source`."""
        return {"source": self.name, "aws": msgspec.to_builtins(self.aws)}

    def account(self) -> str:
        """Ask whose events these are.

        Raises:
            SourceDenied: there are no credentials, or they have expired.
        """
        with aws_errors(NAME, SOURCE):
            return str(amazon.client("sts", self.aws).get_caller_identity()["Account"])

    def regions(self) -> tuple[str, ...]:
        """Ask which regions are enabled in the account; where that is denied, only the own one."""
        from botocore.exceptions import ClientError

        with aws_errors(NAME, SOURCE):
            client = amazon.client("ec2", self.aws)
            try:
                found = client.describe_regions()["Regions"]
            except ClientError as error:
                if explain(error).kind != "denied":
                    raise
                region = str(client.meta.region_name)
                self.notes.add(
                    f"which regions are enabled can't be asked (ec2:DescribeRegions): only {region} "
                    "is read; name others with --region"
                )
                return (region,)
        return tuple(sorted(str(region["RegionName"]) for region in found))

    def chunks(self, spans: Sequence[Span], now: Callable[[], dt.datetime]) -> Iterator[Chunk]:
        """Yield what happened in the spans, regions at the same time, the newest first in each.

        Raises:
            SourceDenied: no region may be asked.
            SourceError: a region can't be asked.
        """
        by_region: dict[str, list[Span]] = {}
        for span in spans:
            by_region.setdefault(span.aws_region, []).append(span)
        found: queue.Queue[Chunk | BaseException | None] = queue.Queue(maxsize=16)
        stopped = threading.Event()
        threads = [
            threading.Thread(target=self._ask_region, args=(own, now, found, stopped), daemon=True)
            for own in by_region.values()
        ]
        for thread in threads:
            thread.start()
        denied: list[SourceDenied] = []
        try:
            ended = 0
            while ended < len(threads):
                item = found.get()
                if isinstance(item, Chunk):
                    yield item
                    continue
                ended += 1
                if isinstance(item, SourceDenied):
                    denied.append(item)
                    self.notes.add(f"{item.where} was not read: {item.what}")
                elif item is not None:
                    raise item
            if denied and len(denied) == len(threads):
                raise denied[0]
        finally:
            stopped.set()
            while any(thread.is_alive() for thread in threads):
                _drain(found)
                for thread in threads:
                    thread.join(0.05)

    def _ask_region(
        self,
        spans: Sequence[Span],
        now: Callable[[], dt.datetime],
        found: queue.Queue[Chunk | BaseException | None],
        stopped: threading.Event,
    ) -> None:
        """A thread's work: all spans of one region; at its end the queue gets None, or an error."""
        pace = _Pace(self.spacing, self.sleep)
        try:
            for span in spans:
                for chunk in self._ask(span, now(), pace):
                    found.put(chunk)
                    if stopped.is_set():
                        return
        except BaseException as error:
            found.put(error)
        else:
            found.put(None)

    def _ask(self, span: Span, asked_at: dt.datetime, pace: _Pace) -> Iterator[Chunk]:
        """Ask for one span, page by page; a chunk is cut where no second is divided."""
        until = end = oldest = span.until
        events: list[dict[str, Any]] = []
        token: str | None = None
        pages = 0
        while True:
            page = self._page(span, end, token, pace)
            if page is None:
                if oldest == end:
                    raise SourceError("AWS takes back its place in the history", where=NAME)
                end, token = oldest, None
                continue
            events += page["Events"]
            pages += 1
            token = page.get("NextToken")
            if not token:
                break
            if events:
                oldest = _whole(min(event["EventTime"] for event in events)) + _SECOND
            if pages >= _CHUNK_PAGES and oldest < until:
                yield _chunk(span, oldest, until, asked_at, events)
                until, events, pages = oldest, [], 0
        if span.since < until:
            yield _chunk(span, span.since, until, asked_at, events)

    def _page(
        self, span: Span, end: dt.datetime, token: str | None, pace: _Pace
    ) -> dict[str, Any] | None:
        """One page; None when its token is not good any more."""
        from botocore.exceptions import ClientError

        request: dict[str, Any] = {
            "StartTime": span.since,
            # Both ends are included, and events have times of whole seconds.
            "EndTime": end - _SECOND,
            "MaxResults": _PAGE,
        }
        if span.category == "insight":
            request["EventCategory"] = "insight"
        if token:
            request["NextToken"] = token
        where = f"{NAME} of {span.account_id} in {span.aws_region}"
        client = amazon.client("cloudtrail", self.aws, region=span.aws_region)
        for attempt in range(1, _ATTEMPTS + 1):
            pace.wait()
            with self._counting:
                self.asked += 1
            with aws_errors(where, SOURCE):
                try:
                    answer: dict[str, Any] = client.lookup_events(**request)
                    return answer
                except ClientError as error:
                    if token and error.response["Error"]["Code"] == "InvalidNextTokenException":
                        return None
                    if explain(error).kind != "throttled" or attempt == _ATTEMPTS:
                        raise
            # Others look up events too: the quota is the account's.
            self.sleep(min(30.0, 2.0**attempt))
        raise AssertionError("the last attempt returns or raises")


class _Pace:
    """Keeps requests to one region apart."""

    def __init__(self, spacing: float, sleep: Callable[[float], None]) -> None:
        self._spacing = spacing
        self._sleep = sleep
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next request may go."""
        now = time.monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._spacing


def _chunk(
    span: Span,
    since: dt.datetime,
    until: dt.datetime,
    asked_at: dt.datetime,
    events: Sequence[dict[str, Any]],
) -> Chunk:
    records = b",\n".join(_record(event) for event in events)
    return Chunk(
        Span(span.account_id, span.aws_region, span.category, since, until),
        asked_at,
        gzip.compress(b'{"Records":[' + records + b"]}", 1, mtime=0),
        len(events),
    )


def _record(event: dict[str, Any]) -> bytes:
    """An event's record, byte for byte as in a log file.

    One that is no JSON by itself stays a text, so that it can't be taken for more than one.
    """
    text = event.get("CloudTrailEvent")
    if isinstance(text, str):
        record = text.encode("utf-8", "backslashreplace")
        try:
            msgspec.json.decode(record, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            return record
    kept = {name: event.get(name) for name in ("EventId", "EventName", "CloudTrailEvent")}
    return json.dumps(kept, default=str).encode()


def _joined(
    spans: Sequence[tuple[dt.datetime, dt.datetime]],
) -> list[tuple[dt.datetime, dt.datetime]]:
    found: list[tuple[dt.datetime, dt.datetime]] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def _moment(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, _STAMP).replace(tzinfo=dt.UTC)


def _whole(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC).replace(microsecond=0)


def _drain(found: queue.Queue[Any]) -> None:
    try:
        while True:
            found.get_nowait()
    except queue.Empty:
        return

"""Event history into the lake: what was asked before is left out, what comes goes in by the minute.

The ledger has a row for each piece of an account's, region's and category's history that was read
(`sources.lookup.Chunk`), so that a later ingest asks only for the rest, whoever runs it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Final

from ctanalytics.app.ingest_payload import Payload
from ctanalytics.app.ingest_run import Run
from ctanalytics.sources import lookup
from ctanalytics.sources.base import Selection
from ctanalytics.sources.lookup import Chunk, LookupSource, Span

_PLAN_SECONDS: Final = 60.0
_PLAN_BYTES: Final = 32 * 1024 * 1024
_WORTH_A_ROW: Final = dt.timedelta(days=1)
"""Time without events that is remembered as asked; less is asked again, by one request."""


def take(run: Run, source: LookupSource, selection: Selection, now: dt.datetime) -> None:
    """Ingest the event history of the account that the credentials belong to.

    Raises:
        SourceError: it can't be asked; what has come is in the lake.
    """
    account = source.account()
    if not selection.takes_account(account):
        source.notes.add(
            f"{source.name}: the credentials belong to account {account}, which is not among those "
            "chosen; name a role of the other account with --role-arn"
        )
        return
    regions = sorted(selection.regions) or source.regions()
    spans = list(_spans(run, selection, account, regions, now))
    if run.dry_run:
        for place in sorted({(span.aws_region, span.category) for span in spans}):
            run.notes.append(f"{source.name} of {account}: {place[1]} events of {place[0]}")
        return
    payloads: list[Payload] = []
    begun = started = time.monotonic()

    def clock() -> dt.datetime:
        passed = dt.timedelta(seconds=time.monotonic() - begun)
        return (now + passed).replace(microsecond=0)

    events = 0
    for chunk in source.chunks(spans, clock):
        if not _is_worth_a_row(chunk):
            continue
        events += chunk.events
        payloads.append(Payload(lookup.NAME, chunk.key, chunk.data, chunk.asked_at))
        size = sum(len(payload.data) for payload in payloads)
        if size >= _PLAN_BYTES or time.monotonic() - started >= _PLAN_SECONDS:
            run.take_payloads(payloads)
            payloads, started = [], time.monotonic()
    run.take_payloads(payloads)
    source.notes.add(
        f"{source.name} of {account}: {events:,} events of {len(regions)} regions by "
        f"{source.asked:,} requests"
    )


def _spans(
    run: Run,
    selection: Selection,
    account: str,
    regions: list[str] | tuple[str, ...],
    now: dt.datetime,
) -> Iterator[Span]:
    """What has to be asked: the chosen time, without what is known for good."""
    now = now.replace(microsecond=0)
    since = max(
        _whole(selection.since) if selection.since else now - lookup.HISTORY, now - lookup.HISTORY
    )
    until = min(_whole(selection.until) if selection.until else now, now)
    if selection.since and selection.since < now - lookup.HISTORY:
        run.notes.append(f"{lookup.NAME}: event history goes back to {since:%Y-%m-%d %H:%M} only")
    known = {}
    if run.known and not (run.retry or run.reingest):
        known = lookup.covered(run.known.keys(lookup.NAME))
    for region in regions:
        for category in lookup.CATEGORIES:
            for start, end in lookup.gaps(since, until, known.get((account, region, category), [])):
                yield Span(account, region, category, start, end)


def _is_worth_a_row(chunk: Chunk) -> bool:
    return bool(chunk.events) or chunk.span.until - chunk.span.since >= _WORTH_A_ROW


def _whole(time: dt.datetime) -> dt.datetime:
    whole = time.astimezone(dt.UTC).replace(microsecond=0)
    return whole if whole == time else whole + dt.timedelta(seconds=1)

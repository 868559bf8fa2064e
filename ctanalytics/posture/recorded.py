"""Checks of what trails record together, region by region, as set logic over their selectors."""

from __future__ import annotations

import datetime as dt
from typing import Final

from ctanalytics.posture import things
from ctanalytics.posture.catalogue import global_region
from ctanalytics.posture.seen import Seen, SeenClass
from ctanalytics.posture.selectors import Coverage, EventClass, coverage
from ctanalytics.posture.trail import QUOTA
from ctanalytics.posture.view import (
    Subject,
    Unread,
    Verdict,
    View,
    anyone,
    failed,
    listed,
    passed,
)

MANAGEMENT: Final = EventClass("Management")
HALVES: Final = (
    EventClass("Management", {"readOnly": "false"}),
    EventClass("Management", {"readOnly": "true"}),
)
S3_WRITES: Final = EventClass("Data", {"resources.type": "AWS::S3::Object", "readOnly": "false"})
S3_READS: Final = EventClass("Data", {"resources.type": "AWS::S3::Object", "readOnly": "true"})
LAMBDA: Final = EventClass("Data", {"resources.type": "AWS::Lambda::Function"})
DYNAMODB: Final = EventClass("Data", {"resources.type": "AWS::DynamoDB::Table"})
BEDROCK: Final = (
    EventClass("Data", {"resources.type": "AWS::Bedrock::Model"}),
    EventClass("Data", {"resources.type": "AWS::Bedrock::AgentAlias"}),
    EventClass("Data", {"resources.type": "AWS::Bedrock::KnowledgeBase"}),
    EventClass("Data", {"resources.type": "AWS::Bedrock::Guardrail"}),
)
MATRIX: Final = (
    *HALVES,
    S3_WRITES,
    S3_READS,
    LAMBDA,
    DYNAMODB,
)
"""The classes of the table of what is recorded where."""

_DAY: Final = dt.timedelta(days=1)


def multi_region(view: View, _: Subject) -> Verdict:
    """One trail logs all management events of all regions."""
    found = things.trails(view)

    def holds(trail: Subject) -> bool:
        return (
            bool(trail.facts.get("IsMultiRegionTrail"))
            and things.is_logging(view, trail)
            and _of(view, trail, MANAGEMENT).extent == "all"
        )

    whole = anyone(found.known, holds)
    if whole is not None:
        return passed(f"the trail {whole.name} logs all management events everywhere")
    if found.unseen:
        raise found.unseen[0]
    return failed("no multi-region trail that logs records all management events")


def _of(view: View, trail: Subject, wanted: EventClass) -> Coverage:
    return coverage(things.selectors_of(view, trail), wanted)


def management(view: View, trail: Subject) -> Verdict:
    """A trail records all management events, if it records any."""
    found = _of(view, trail, MANAGEMENT)
    if found.extent == "all":
        return passed("all management events are recorded")
    if found.extent == "none":
        other = anyone(
            things.trails(view).known,
            lambda one: (
                one is not trail
                and things.is_logging(view, one)
                and things.records_in(one, trail.aws_region)
                and _of(view, one, MANAGEMENT).extent == "all"
            ),
        )
        if other is not None:
            return passed(f"a trail of other events; {other.name} records the management events")
        return failed("no management event is recorded")
    return failed(f"not recorded: {found.left_out}", left_out=found.left_out)


def s3_writes(view: View, _: Subject) -> Verdict:
    """Writes to all objects of S3 are recorded in every region."""
    return _everywhere(view, (S3_WRITES,))


def s3_reads(view: View, _: Subject) -> Verdict:
    """Reads of all objects of S3 are recorded in every region."""
    return _everywhere(view, (S3_READS,))


def lambda_dynamodb(view: View, _: Subject) -> Verdict:
    """Data events of Lambda and DynamoDB are recorded in every region."""
    return _everywhere(view, (LAMBDA, DYNAMODB))


def bedrock(view: View, _: Subject) -> Verdict:
    """Data events of Bedrock are recorded in every region."""
    return _everywhere(view, BEDROCK)


def _everywhere(view: View, classes: tuple[EventClass, ...]) -> Verdict:
    """Each class is recorded whole in each region; a gap that is sure outweighs what is unread."""
    gaps: dict[str, str] = {}
    unread: Unread | None = None
    for region in view.snapshot.regions:
        for wanted in classes:
            try:
                found = things.recorded(view, region, wanted)
            except Unread as why:
                unread = unread or why
                continue
            if found.extent != "all":
                gaps[f"{region}: {wanted}"] = found.left_out
    if gaps:
        first = next(iter(gaps.values()))
        return failed(f"not recorded in {listed(_places(gaps))}: {first}", gaps=gaps)
    if unread is not None:
        raise unread
    return passed(f"{' and '.join(map(str, classes))} are recorded everywhere")


def _places(gaps: dict[str, str]) -> list[str]:
    return sorted({gap.partition(":")[0] for gap in gaps})


def network_activity(view: View, region: Subject) -> Verdict:
    """Calls through the VPC endpoints that are named are recorded."""
    sources = view.expected.network_sources
    if not sources:
        return passed("does not apply: no endpoint is named that must be logged", applies=False)
    missing = [
        source
        for source in sources
        if things.recorded(
            view, region.aws_region, EventClass("NetworkActivity", {"eventSource": source})
        ).extent
        != "all"
    ]
    if missing:
        return failed(
            f"calls through endpoints are not recorded: {listed(missing)}", missing=missing
        )
    return passed(f"calls through endpoints are recorded: {listed(list(sources))}")


def log_bucket(view: View, bucket: Subject) -> Verdict:
    """What is done to the log files themselves is recorded, by a trail that writes elsewhere."""
    wanted = EventClass(
        "Data",
        {
            "resources.type": "AWS::S3::Object",
            "readOnly": "false",
            "resources.ARN": f"{bucket.resource}/*",
        },
    )
    found = things.trails(view)

    def holds(trail: Subject) -> bool:
        return things.is_logging(view, trail) and _of(view, trail, wanted).extent == "all"

    elsewhere = [one for one in found.known if one.facts.get("S3BucketName") != bucket.name]
    here = [one for one in found.known if one.facts.get("S3BucketName") == bucket.name]
    trail = anyone(elsewhere, holds)
    if trail is not None:
        return passed(f"the trail {trail.name}, which writes elsewhere, records writes to it")
    if found.unseen:
        raise found.unseen[0]
    looping = anyone(here, holds)
    if looping is not None:
        return failed(
            f"the trail {looping.name} records its own deliveries: a loop that costs, and whoever "
            "deletes the bucket deletes the record",
            trail=looping.resource,
        )
    return failed("deleting log files leaves no trace: no trail records writes to the bucket")


def duplicate(view: View, region: Subject) -> Verdict:
    """One trail records a region's management events, and the quota has room for another."""
    found = things.trails(view)
    if found.unseen:
        raise found.unseen[0]
    here = [trail for trail in found.known if things.records_in(trail, region.aws_region)]
    logging = [trail for trail in here if things.is_logging(view, trail)]
    for wanted in HALVES:
        recording = [
            trail.resource for trail in logging if _of(view, trail, wanted).extent != "none"
        ]
        if len(recording) > 1:
            return failed(
                f"{len(recording)} trails record {wanted}: all but one of them cost extra",
                trails=recording,
            )
    if len(here) >= QUOTA:
        return failed(f"{len(here)} trails: the region has room for no other", trails=len(here))
    return passed("no management event is recorded twice")


def seen_not_recorded(view: View, region: Subject) -> Verdict:
    """What the lake has of a region's last day is still recorded by some trail that is known."""
    seen = _seen(view)
    gone = {}
    for one in seen.classes:
        if one.aws_region != region.aws_region or seen.until - one.last > _DAY:
            continue
        if one.category == "Data" and not one.resource_type:
            continue  # a data event that does not say of what can't be held against a selector
        if things.recorded(view, region.aws_region, _class(one)).extent == "none":
            gone[str(_class(one))] = one.last.isoformat()
    if gone:
        return failed(
            "the lake has events that no trail records now; the trail was narrowed, or one delivers "
            f"that this account does not show: {listed(list(gone))}",
            last_seen=gone,
        )
    return passed("all that the lake has of the last day is recorded still")


def recorded_not_seen(view: View, region: Subject) -> Verdict:
    """What trails say they record of a region, and the lake used to have, still comes."""
    seen = _seen(view)
    silent = {}
    for one in seen.classes:
        days = (one.last - one.first).total_seconds() / 86_400
        quiet_hours = (seen.until - one.last).total_seconds() / 3_600
        if one.aws_region != region.aws_region or days < 3 or quiet_hours <= 24:
            continue
        # What came less than hourly, on average, may well not have come for a day.
        if one.events / (days * 24) < 1:
            continue
        if things.recorded(view, region.aws_region, _class(one)).extent != "none":
            silent[str(_class(one))] = one.last.isoformat()
    if silent:
        return failed(
            "a trail says that it records these, and the lake has had none for a day: "
            f"{listed(list(silent))}",
            last_seen=silent,
        )
    return passed("what is recorded still reaches the lake, as far as it came before")


def tampering(view: View, _: Subject) -> Verdict:
    """Nobody weakened a trail in the span that the lake shows."""
    seen = _seen(view)
    done = [one for one in seen.tampering if one.succeeded]
    tried = [one for one in seen.tampering if not one.succeeded]
    if done:
        last = done[0]
        return failed(
            f"{last.principal} called {last.event_name} on {last.target or 'a trail'} at "
            f"{last.event_time.isoformat()}; {len(done)} such calls in all",
            event_ids=[one.event_id for one in done[:100]],
            denied=len(tried),
        )
    if tried:
        last = tried[0]
        return failed(
            f"{last.principal} tried {last.event_name} at {last.event_time.isoformat()} and was "
            f"refused; {len(tried)} such tries in all",
            severity="medium",
            event_ids=[one.event_id for one in tried[:100]],
        )
    return passed(f"no call weakened a trail since {seen.since.date().isoformat()}")


def _seen(view: View) -> Seen:
    if view.seen is None:
        raise Unread("no lake is given")
    return view.seen


def _class(one: SeenClass) -> EventClass:
    fields = {"readOnly": "false" if one.write else "true"}
    if one.resource_type:
        fields["resources.type"] = one.resource_type
    if one.event_source:
        fields["eventSource"] = one.event_source
    return EventClass(one.category, fields)


def matrix(view: View) -> list[dict[str, str]]:
    """What is recorded in each region: one row per region and class.

    extent is all, some, none or unknown; left_out says what is missing, or could not be read.
    """
    rows = []
    classes = [*MATRIX, EventClass("Management", {"eventSource": "iam.amazonaws.com"})]
    for region in view.snapshot.regions:
        for wanted in classes:
            if "eventSource" in wanted.fields and region != global_region(view.snapshot.partition):
                continue
            try:
                found = things.recorded(view, region, wanted)
                extent, left_out = str(found.extent), found.left_out
            except Unread as why:
                extent, left_out = "unknown", why.why
            rows.append(
                {
                    "aws_region": region,
                    "events": str(wanted),
                    "extent": extent,
                    "left_out": left_out,
                }
            )
    return rows

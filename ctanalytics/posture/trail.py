"""Checks of trails: that they log, deliver, are validated, encrypted and told of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from ctanalytics.posture import things
from ctanalytics.posture.view import (
    Subject,
    Unread,
    Verdict,
    View,
    anyone,
    failed,
    listed,
    moment,
    passed,
)

_DAY: Final = dt.timedelta(hours=24)
_DIGEST: Final = dt.timedelta(hours=2)  # a digest comes every hour
QUOTA: Final = 5  # trails in a region
_DATA_ALONE: Final = "does not apply: the trail records no management events"


def exists(view: View, _: Subject) -> Verdict:
    """Some trail logs."""
    found = things.trails(view)
    logging = anyone(found.known, lambda trail: things.is_logging(view, trail))
    if logging is not None:
        return passed(f"the trail {logging.name} logs", trail=logging.resource)
    if found.unseen:
        raise found.unseen[0]
    names = [trail.resource for trail in found.known]
    if not names:
        return failed("there is no trail")
    return failed(f"no trail logs: {listed(names)}", trails=names)


def logging(view: View, trail: Subject) -> Verdict:
    """The trail logs, and was not stopped last."""
    found = things.status(view, trail)
    stopped = moment(found.get("StopLoggingTime"))
    started = moment(found.get("StartLoggingTime"))
    if not found.get("IsLogging"):
        since = f" since {found['StopLoggingTime']}" if stopped else ""
        return failed(f"the trail does not log{since}", stopped=found.get("StopLoggingTime"))
    if stopped and started and stopped > started:
        return failed(
            "the trail was stopped after it was last started",
            started=found.get("StartLoggingTime"),
            stopped=found.get("StopLoggingTime"),
        )
    return passed("the trail logs", started=found.get("StartLoggingTime"))


def delivering(view: View, trail: Subject) -> Verdict:
    """Log files reach the bucket."""
    found = things.status(view, trail)
    if error := found.get("LatestDeliveryError"):
        return failed(f"the last delivery failed: {error}", error=error)
    if not found.get("IsLogging"):
        return failed("a trail that does not log delivers nothing")
    return _fresh(view, found, "LatestDeliveryTime", _DAY, "log file")


def digests(view: View, trail: Subject) -> Verdict:
    """Digests reach the bucket, where validation is on."""
    if not trail.facts.get("LogFileValidationEnabled"):
        return failed("the trail writes no digests: validation is off")
    found = things.status(view, trail)
    if error := found.get("LatestDigestDeliveryError"):
        return failed(f"the last digest failed: {error}", error=error)
    return _fresh(view, found, "LatestDigestDeliveryTime", _DIGEST, "digest")


def _fresh(
    view: View, found: Mapping[str, Any], name: str, oldest: dt.timedelta, what: str
) -> Verdict:
    last = moment(found.get(name))
    if last is None:
        begun = moment(found.get("StartLoggingTime"))
        if begun and view.now - begun <= oldest:
            return passed(f"logging began {found['StartLoggingTime']}; no {what} is due yet")
        return failed(f"no {what} was ever delivered")
    if view.now - last > oldest:
        hours = int((view.now - last).total_seconds() // 3600)
        return failed(f"the last {what} was delivered {hours} hours ago", last=found[name])
    return passed(f"the last {what} was delivered at {found[name]}", last=found[name])


def validation(_: View, trail: Subject) -> Verdict:
    """Log files are vouched for by digests."""
    if trail.facts.get("LogFileValidationEnabled"):
        return passed("log file validation is on")
    return failed("log file validation is off: altered or deleted files go unnoticed")


def encrypted(_: View, trail: Subject) -> Verdict:
    """Log files are encrypted with a KMS key."""
    if key := trail.facts.get("KmsKeyId"):
        return passed(f"log files are encrypted with {key}", key=key)
    return failed("log files are encrypted with no key of KMS")


def log_group(view: View, trail: Subject) -> Verdict:
    """Events reach CloudWatch Logs."""
    arn = trail.facts.get("CloudWatchLogsLogGroupArn")
    if not arn:
        if not things.records_management(view, trail):
            return passed(_DATA_ALONE, applies=False)
        return failed("the trail writes to no log group: no alarm can hear of its events")
    found = things.status(view, trail)
    if error := found.get("LatestCloudWatchLogsDeliveryError"):
        return failed(f"the last delivery to {arn} failed: {error}", error=error)
    last = moment(found.get("LatestCloudWatchLogsDeliveryTime"))
    if last and view.now - last > _DAY:
        return failed(
            f"nothing reached {arn} for more than a day",
            last=found["LatestCloudWatchLogsDeliveryTime"],
        )
    return passed(f"events go to {arn}", log_group=arn)


def topic(view: View, trail: Subject) -> Verdict:
    """The trail's own notifications work, where an ingest relies on them."""
    arn = trail.facts.get("SnsTopicARN")
    if not arn:
        if view.expected.wants_topic:
            return failed("the trail tells no topic of its log files, and an ingest waits for that")
        return passed("the trail tells no topic, and nothing here relies on one")
    if error := things.status(view, trail).get("LatestNotificationError"):
        return failed(f"the last notification failed: {error}", error=error, topic=arn)
    return passed(f"the trail tells {arn} of its log files", topic=arn)


def global_events(view: View, _: Subject) -> Verdict:
    """Some trail records IAM, STS and CloudFront."""
    found = things.trails(view)

    def holds(trail: Subject) -> bool:
        return bool(trail.facts.get("IncludeGlobalServiceEvents")) and things.is_logging(
            view, trail
        )

    including = anyone(found.known, holds)
    if including is not None:
        return passed(f"the trail {including.name} records global services")
    if found.unseen:
        raise found.unseen[0]
    return failed("no trail that logs includes the events of global services: IAM is unseen")


def organization(view: View, _: Subject) -> Verdict:
    """In an organization there is a trail for all of it."""
    found = things.trails(view)
    whole = [trail.resource for trail in found.known if trail.facts.get("IsOrganizationTrail")]
    if whole:
        return passed("the organization has a trail of its own", trails=whole)
    if not view.home("organizations", "DescribeOrganization").get("Organization"):
        return passed("does not apply: the account is in no organization", applies=False)
    if found.unseen:
        raise found.unseen[0]
    return failed("the organization has no trail: each account's own can be stopped from inside")


def home_region(view: View, trail: Subject) -> Verdict:
    """An organization's trail lives in a region that every account has."""
    if not (trail.facts.get("IsOrganizationTrail") and trail.facts.get("IsMultiRegionTrail")):
        return passed(
            "does not apply: it is no multi-region trail of an organization", applies=False
        )
    answer = view.home("ec2", "DescribeRegions", AllRegions=True)
    state = {
        str(one.get("RegionName")): str(one.get("OptInStatus"))
        for one in answer.get("Regions") or ()
    }.get(trail.aws_region)
    if state is None:
        raise Unread(f"AWS does not list the region {trail.aws_region}")
    if state == "opt-in-not-required":
        return passed(f"every account has {trail.aws_region}")
    return failed(
        f"{trail.aws_region} must be opted in to: accounts that did not send nothing",
        opt_in_status=state,
    )


def tagged(view: View, trail: Subject) -> Verdict:
    """The trail has a tag that is no tag of AWS's own."""
    answer = view.answer(
        "cloudtrail", "ListTags", trail.aws_region, ResourceIdList=[trail.resource]
    )
    tags = [
        str(tag.get("Key"))
        for one in answer.get("ResourceTagList") or ()
        for tag in one.get("TagsList") or ()
        if not str(tag.get("Key", "")).startswith("aws:")
    ]
    if tags:
        return passed(f"tagged with {listed(tags)}", tags=tags)
    return failed("the trail has no tags")


def insights(view: View, trail: Subject) -> Verdict:
    """CloudTrail Insights of both types looks at management events."""
    answer = view.answer(
        "cloudtrail", "GetInsightSelectors", trail.aws_region, TrailName=trail.resource
    )
    kinds = {
        str(one.get("InsightType"))
        for one in answer.get("InsightSelectors") or ()
        if "Management" in (one.get("EventCategories") or ["Management"])
    }
    missing = sorted({"ApiCallRateInsight", "ApiErrorRateInsight"} - kinds)
    if missing and not things.records_management(view, trail):
        return passed(_DATA_ALONE, applies=False)
    if missing:
        return failed(f"Insights is off for {listed(missing)}", missing=missing)
    return passed("Insights looks at call rates and error rates")


def store_key(view: View, store: Subject) -> Verdict:
    """An event data store is encrypted with a key of the account's own."""
    facts = view.answer(
        "cloudtrail", "GetEventDataStore", store.aws_region, EventDataStore=store.resource
    )
    if key := facts.get("KmsKeyId"):
        return passed(f"encrypted with {key}", key=key)
    return failed("the event data store is encrypted with no key of the account's own")


def store_protected(view: View, store: Subject) -> Verdict:
    """An event data store can't be deleted by one call."""
    facts = view.answer(
        "cloudtrail", "GetEventDataStore", store.aws_region, EventDataStore=store.resource
    )
    if facts.get("TerminationProtectionEnabled"):
        return passed("termination protection is on")
    return failed("termination protection is off: one call deletes the event data store")

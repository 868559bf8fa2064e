"""Checks of the topics through which alarms reach people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ctanalytics.posture import key as keys
from ctanalytics.posture import policy, things
from ctanalytics.posture.bucket_policy import CLOUDTRAIL
from ctanalytics.posture.view import Gone, Subject, Verdict, View, failed, listed, passed

_SENDERS: Final = {
    "alarm": "cloudwatch.amazonaws.com",
    "trail": CLOUDTRAIL,
    "rule": "events.amazonaws.com",
}
_NEEDED: Final = ("kms:GenerateDataKey", "kms:Decrypt")


def attributes(view: View, topic: Subject) -> Mapping[str, Any]:
    """What SNS says of a topic.

    Raises:
        Unread: it was denied, or the topic is gone.
    """
    answer = view.answer("sns", "GetTopicAttributes", topic.aws_region, TopicArn=topic.resource)
    found: Mapping[str, Any] = answer.get("Attributes") or {}
    if not found:
        raise Gone("there is no such topic")
    return found


def encrypted(view: View, topic: Subject) -> Verdict:
    """Messages at rest are encrypted, with a key that the sender may use."""
    name = str(attributes(view, topic).get("KmsMasterKeyId") or "")
    if not name:
        return failed("messages are not encrypted at rest")
    senders = [_SENDERS[user] for user in topic.facts["users"]]
    if name.endswith("alias/aws/sns"):
        return failed(
            f"the key that AWS manages lets {listed(senders)} send nothing: no message arrives",
            key=name,
        )
    found = keys.statements(view, things.key(view, name, topic.aws_region, ()))
    for sender in senders:
        allowing = [one for one in found if one.allow and ("Service", sender) in one.principals]
        missing = [action for action in _NEEDED if not any(one.does(action) for one in allowing)]
        if missing:
            return failed(f"the key {name} does not let {sender} {listed(missing)}", key=name)
    return passed(f"encrypted with {name}, which {listed(senders)} may use", key=name)


def not_public(view: View, topic: Subject) -> Verdict:
    """Nobody outside may publish or subscribe."""
    wide = [
        one.sid or "a statement"
        for one in policy.statements(attributes(view, topic).get("Policy"))
        if one.public
    ]
    if wide:
        return failed(f"open to anybody by {listed(wide)}", statements=wide)
    return passed("the policy lets nobody outside publish or subscribe")


def source_arn(view: View, topic: Subject) -> Verdict:
    """CloudTrail may publish for our trails alone, where it may at all."""
    found = [
        one
        for one in policy.statements(attributes(view, topic).get("Policy"))
        if one.allow and ("Service", CLOUDTRAIL) in one.principals
    ]
    if not found:
        return passed("does not apply: CloudTrail may not publish here", applies=False)
    for one in found:
        if not one.values("aws:SourceArn") and not one.values("aws:SourceAccount"):
            return failed("CloudTrail may publish for anybody: no aws:SourceArn", sid=one.sid)
    return passed("CloudTrail may publish for our trails alone")

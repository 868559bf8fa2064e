"""Checks of the log group that a trail writes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctanalytics.posture import policy, things
from ctanalytics.posture.view import Gone, Subject, Unread, Verdict, View, failed, listed, passed


def retention(view: View, group: Subject) -> Verdict:
    """Events stay long enough."""
    days = _there(view, group).get("retentionInDays")
    if days is None:
        return passed("events never expire")
    if days < view.expected.retention_days:
        return failed(
            f"events expire after {days} days; {view.expected.retention_days} are wanted", days=days
        )
    return passed(f"events stay for {days} days", days=days)


def encrypted(view: View, group: Subject) -> Verdict:
    """Events are encrypted with a key of the account's own."""
    if key := _there(view, group).get("kmsKeyId"):
        return passed(f"encrypted with {key}", key=key)
    return failed("encrypted with no key of the account's own")


def _there(view: View, group: Subject) -> Mapping[str, Any]:
    found = things.log_group_facts(view, group)
    if not found:
        raise Gone("there is no such log group")
    return found


def public_policy(view: View, group: Subject) -> Verdict:
    """No resource policy of CloudWatch Logs opens the log group to anybody."""
    if things.account_of(group.resource) != view.account_id:
        raise Unread("the log group is another account's: audit that one")
    answer = view.answer("logs", "DescribeResourcePolicies", group.aws_region)
    wide = [
        str(one.get("policyName"))
        for one in answer.get("resourcePolicies") or ()
        for each in policy.statements(one.get("policyDocument"))
        if each.public and (each.reaches(group.resource) or each.reaches(f"{group.resource}:*"))
    ]
    if wide:
        return failed(f"open to anybody by {listed(wide)}", policies=wide)
    return passed("no resource policy opens it to anybody")

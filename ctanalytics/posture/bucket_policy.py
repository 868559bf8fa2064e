"""Checks of a log bucket's policy: who may write, who may delete, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ctanalytics.posture import bucket as buckets
from ctanalytics.posture import things
from ctanalytics.posture.expected import named
from ctanalytics.posture.policy import ANYONE, Statement, fits
from ctanalytics.posture.view import Subject, Unread, Verdict, View, failed, listed, passed

CLOUDTRAIL: Final = "cloudtrail.amazonaws.com"
DELIVERY: Final = (
    CLOUDTRAIL,
    "config.amazonaws.com",
    "delivery.logs.amazonaws.com",
    "logging.s3.amazonaws.com",
)
"""Services of AWS that deliver logs."""

GUARDED: Final = (
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
)
"""What an attacker calls to be rid of logs: without MFA each must be denied."""

HARMFUL: Final = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutObjectAcl",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    "s3:BypassGovernanceRetention",
)


def source_arn(view: View, bucket: Subject) -> Verdict:
    """CloudTrail may write only for our trail, not for anybody's."""
    found = [
        one
        for one in things.bucket_policy(view, bucket)
        if one.allow and ("Service", CLOUDTRAIL) in one.principals
    ]
    if not found:
        return failed("no statement lets cloudtrail.amazonaws.com deliver")
    trails = [trail.resource for trail in bucket.facts["trails"]]
    for one in found:
        arns, accounts = one.values("aws:SourceArn"), one.values("aws:SourceAccount")
        if not arns and not accounts:
            return failed(
                "CloudTrail may deliver for anybody: a statement has no aws:SourceArn", sid=one.sid
            )
        if arns and not any(fits(pattern, trail) for pattern in arns for trail in trails):
            return failed(
                f"aws:SourceArn names {listed(list(arns))}, none of the trails that deliver here",
                sid=one.sid,
            )
        if any(pattern == ANYONE for pattern in arns):
            return failed("aws:SourceArn is *, which is anybody's trail", sid=one.sid)
    return passed("CloudTrail may deliver for our trails alone")


def least(view: View, bucket: Subject) -> Verdict:
    """Nobody but log delivery may write, and only where logs go."""
    faults = [
        fault
        for one in things.bucket_policy(view, bucket)
        if one.allow
        for fault in _faults(view, bucket, one)
    ]
    if faults:
        return failed(listed(faults, 3), faults=faults)
    return passed("the policy lets log delivery write, and nobody else")


def _faults(view: View, bucket: Subject, one: Statement) -> Iterator[str]:
    harmful = [action for action in HARMFUL if one.does(action)]
    if not harmful:
        return
    name = f"statement {one.sid}" if one.sid else "a statement"
    if one.not_principals:
        yield f"{name} allows everybody but a few {listed(harmful, 2)}"
        return
    for kind, who in one.principals:
        if kind == "Service" and who in DELIVERY:
            beyond = [action for action in harmful if action != "s3:PutObject"]
            if beyond:
                yield f"{name} allows {who} {listed(beyond, 2)}"
            elif not all(_where_logs_go(bucket, resource) for resource in one.resources):
                yield f"{name} lets {who} write outside of AWSLogs/"
        elif not named(view.expected.log_writers, who):
            yield f"{name} allows {who} {listed(harmful, 2)}"


def _where_logs_go(bucket: Subject, resource: str) -> bool:
    """Tell whether a resource lies below AWSLogs/, or is one of S3's own access logs."""
    key = resource.partition(f"{bucket.name}/")[2]
    head = key.partition("*")[0]
    return "AWSLogs/" in head or not bucket.facts["trails"]


def deny_non_tls(view: View, bucket: Subject) -> Verdict:
    """Requests without TLS are denied."""
    for one in things.bucket_policy(view, bucket):
        if (
            not one.allow
            and _everybody(one)
            and one.does("s3:GetObject")
            and one.does("s3:PutObject")
            and one.covers(f"{bucket.resource}/*")
            and "false" in one.values("aws:SecureTransport", ("bool",))
        ):
            return passed("requests without TLS are denied", sid=one.sid)
    return failed("requests without TLS are let through")


def delete_protected(view: View, bucket: Subject) -> Verdict:
    """Object Lock, MFA Delete or the policy keeps one stolen session from deleting logs."""
    return _protected(_ways(view, bucket))


def lake_delete_protected(view: View, bucket: Subject) -> Verdict:
    """As for logs; a lake also holds when only those that a policy names delete without MFA."""
    return _protected(_ways(view, bucket, lake=True))


def _protected(ways: Sequence[tuple[str, bool | Unread]]) -> Verdict:
    holding = [way for way, holds in ways if holds is True]
    if holding:
        return passed(f"protected by {' and '.join(holding)}", protections=holding)
    for _, holds in ways:
        if isinstance(holds, Unread):
            raise holds
    return failed(
        "one stolen session can delete logs for good: no Object Lock, no MFA Delete, and no policy "
        "that denies deleting without MFA"
    )


def _ways(view: View, bucket: Subject, *, lake: bool = False) -> list[tuple[str, bool | Unread]]:
    """Each protection, and whether it holds, or why that is unknown."""
    ways: list[tuple[str, Callable[[], bool]]] = [
        ("Object Lock", lambda: _locked(view, bucket)),
        ("MFA Delete", lambda: buckets.has_mfa_delete(view, bucket)),
        ("a policy that denies deleting without MFA", lambda: _denied_without_mfa(view, bucket)),
    ]
    if lake:
        ways.append(
            (
                "versions that only those named may delete without MFA",
                lambda: _kept_versions(view, bucket),
            )
        )
    found: list[tuple[str, bool | Unread]] = []
    for way, holds in ways:
        try:
            found.append((way, holds()))
        except Unread as why:
            found.append((way, why))
    return found


def _locked(view: View, bucket: Subject) -> bool:
    mode, days = buckets.lock(view, bucket)
    return mode == "COMPLIANCE" and days > 0


def _denied_without_mfa(view: View, bucket: Subject) -> bool:
    return _denied(view, bucket, _unless_mfa)


def _denied(view: View, bucket: Subject, sparing: Callable[[Statement], bool]) -> bool:
    """Whether everybody is denied every action that deletes, but those whom a statement may spare."""
    denying = [
        one
        for one in things.bucket_policy(view, bucket)
        if not one.allow and _everybody(one) and sparing(one)
    ]
    return all(
        any(one.does(action) and one.covers(_target(bucket, action)) for one in denying)
        for action in GUARDED
    )


def _unless_mfa(one: Statement) -> bool:
    """Without IfExists, a session that never heard of MFA, such as a role's, slips through."""
    others = [
        (operator, key)
        for operator, key, _ in one.conditions
        if (operator, key) != ("boolifexists", "aws:multifactorauthpresent")
    ]
    return not others and one.values("aws:MultiFactorAuthPresent") == ("false",)


def _kept_versions(view: View, bucket: Subject) -> bool:
    """Whether versions are kept, and nobody is rid of one without MFA, but those a policy names."""
    if things.s3(view, bucket, "GetBucketVersioning").get("Status") != "Enabled":
        return False
    return _denied(view, bucket, _but_for_few)


def _but_for_few(one: Statement) -> bool:
    """Whether a Deny spares at most sessions with MFA, and principals by name."""
    return all(
        (key == "aws:principalarn" and "not" in operator and ANYONE not in values)
        or ((operator, key, values) == ("boolifexists", "aws:multifactorauthpresent", ("false",)))
        for operator, key, values in one.conditions
    )


def _everybody(one: Statement) -> bool:
    return not one.not_principals and ("AWS", ANYONE) in one.principals


def _target(bucket: Subject, action: str) -> str:
    return f"{bucket.resource}/*" if action.startswith("s3:DeleteObject") else bucket.resource

"""Checks of a log bucket's settings; a lake's buckets are held to the same functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ctanalytics.posture import things
from ctanalytics.posture.expected import named
from ctanalytics.posture.view import Gone, Subject, Unread, Verdict, View, failed, listed, passed

FLAGS: Final = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
_PUBLIC_GROUPS: Final = ("/global/AllUsers", "/global/AuthenticatedUsers")
SHORTEST_DAYS: Final = 90  # a log that expires sooner is lost before most intrusions are noticed


def exists_owned(view: View, bucket: Subject) -> Verdict:
    """The bucket is there, and an expected account owns it."""
    owners = [view.account_id, *(one for one in view.expected.trusted_accounts if one.isdigit())]
    unread: list[Unread] = []
    for owner in owners:
        read = view.find(
            "s3",
            "HeadBucket",
            view.snapshot.home_region,
            Bucket=bucket.name,
            ExpectedBucketOwner=owner,
        )
        if read.absent:
            return failed("there is no such bucket: whoever makes one of that name gets the logs")
        if read.answer is not None:
            return passed(f"the account {owner} owns it", owner=owner)
        why = (
            f"{read.ask.api}: {read.refused}; another account may own the bucket: name it among "
            "audit.trusted_accounts, or audit that account"
        )
        unread.append(Unread(why, missing=read.missing))
    raise unread[0]


def block_public_access(view: View, bucket: Subject) -> Verdict:
    """All four settings that block public access are on."""
    off = [flag for flag in FLAGS if not _own_block(view, bucket).get(flag)]
    if not off:
        return passed("all public access is blocked")
    return failed(f"public access is not blocked: {listed(off)} off", off=off)


def account_block_public_access(view: View, _: Subject) -> Verdict:
    """All four settings are on for the account too, so that no new bucket can be public."""
    found = _account_block(view)
    off = [flag for flag in FLAGS if not found.get(flag)]
    if not off:
        return passed("all public access is blocked for the account")
    return failed(f"public access is not blocked for the account: {listed(off)} off", off=off)


def _own_block(view: View, bucket: Subject) -> Any:
    return things.s3(view, bucket, "GetPublicAccessBlock").get("PublicAccessBlockConfiguration", {})


def _account_block(view: View) -> Any:
    return view.home("s3control", "GetPublicAccessBlock", AccountId=view.account_id).get(
        "PublicAccessBlockConfiguration", {}
    )


def not_public(view: View, bucket: Subject) -> Verdict:
    """Nobody outside may read the bucket, by its policy or its ACL."""
    own = _own_block(view, bucket)
    shut = {flag for flag in FLAGS if own.get(flag)}
    if {"IgnorePublicAcls", "RestrictPublicBuckets"} <= shut:
        return passed("the bucket blocks public access, whatever its policy and ACL say")
    by_policy = "RestrictPublicBuckets" not in shut and bool(
        (things.s3(view, bucket, "GetBucketPolicyStatus").get("PolicyStatus") or {}).get("IsPublic")
    )
    by_acl = "IgnorePublicAcls" not in shut and list(_public_grants(view, bucket))
    if not by_policy and not by_acl:
        return passed("neither policy nor ACL lets the public in")
    try:
        of_account = _account_block(view)
    except Unread:
        of_account = {}
    if by_policy and not of_account.get("RestrictPublicBuckets"):
        return failed("the bucket's policy lets the public in")
    if by_acl and not of_account.get("IgnorePublicAcls"):
        return failed(f"the bucket's ACL grants {listed(by_acl)} to everybody", grants=by_acl)
    return passed("the account blocks public access, whatever the bucket's policy and ACL say")


def _public_grants(view: View, bucket: Subject) -> Iterator[str]:
    for grant in things.s3(view, bucket, "GetBucketAcl").get("Grants") or ():
        if str((grant.get("Grantee") or {}).get("URI", "")).endswith(_PUBLIC_GROUPS):
            yield str(grant.get("Permission"))


def versioning(view: View, bucket: Subject) -> Verdict:
    """Deleted and overwritten files are kept as versions."""
    state = things.s3(view, bucket, "GetBucketVersioning").get("Status") or "never on"
    if state == "Enabled":
        return passed("versioning is on")
    return failed(f"versioning is {str(state).lower()}: what is deleted is gone", status=state)


def mfa_delete(view: View, bucket: Subject) -> Verdict:
    """Deleting a version takes the root user's MFA."""
    if has_mfa_delete(view, bucket):
        return passed("MFA Delete is on")
    return failed("MFA Delete is off")


def has_mfa_delete(view: View, bucket: Subject) -> bool:
    """Tell whether S3's own MFA Delete is on."""
    return bool(things.s3(view, bucket, "GetBucketVersioning").get("MFADelete") == "Enabled")


def object_lock(view: View, bucket: Subject) -> Verdict:
    """Nobody can delete a file before its time."""
    mode, days = lock(view, bucket)
    if not mode:
        return failed("Object Lock has no default retention", mode=mode)
    if mode != "COMPLIANCE":
        return failed(
            f"Object Lock is in {mode} mode: whoever may bypass it deletes all the same",
            mode=mode,
            days=days,
        )
    if days < view.expected.retention_days:
        return failed(
            f"Object Lock holds for {days} days, not for {view.expected.retention_days}", days=days
        )
    return passed(f"Object Lock holds for {days} days, in COMPLIANCE mode", days=days)


def lock(view: View, bucket: Subject) -> tuple[str, int]:
    """Return mode and days of a bucket's default retention; no mode when there is none."""
    found = things.s3(view, bucket, "GetObjectLockConfiguration").get("ObjectLockConfiguration", {})
    if found.get("ObjectLockEnabled") != "Enabled":
        return "", 0
    kept = (found.get("Rule") or {}).get("DefaultRetention") or {}
    return str(kept.get("Mode", "")), int(kept.get("Days") or 0) + 365 * int(kept.get("Years") or 0)


def lifecycle(view: View, bucket: Subject) -> Verdict:
    """Old logs move to cheaper storage, and expire no sooner than they may."""
    rules = [
        rule
        for rule in things.s3(view, bucket, "GetBucketLifecycleConfiguration").get("Rules") or ()
        if rule.get("Status") == "Enabled"
    ]
    if not rules:
        return failed("no lifecycle rule: logs stay in the dearest class for ever")
    expiring = {
        str(rule.get("ID", "")): int(rule["Expiration"]["Days"])
        for rule in rules
        if (rule.get("Expiration") or {}).get("Days")
    }
    soonest = min(expiring.values(), default=None)
    if soonest is not None and soonest < SHORTEST_DAYS:
        return failed(f"logs vanish after {soonest} days", severity="high", expiring=expiring)
    if soonest is not None and soonest < view.expected.retention_days:
        return failed(
            f"logs vanish after {soonest} days; {view.expected.retention_days} are wanted",
            severity="medium",
            expiring=expiring,
        )
    if not any(rule.get("Transitions") for rule in rules):
        return failed("no rule moves old logs to cheaper storage")
    return passed("old logs move to cheaper storage, and expire late enough", rules=len(rules))


def encryption(view: View, bucket: Subject) -> Verdict:
    """What comes without a word of encryption is encrypted with KMS."""
    found = things.default_encryption(view, bucket)
    how = str(found.get("SSEAlgorithm", ""))
    if how in ("aws:kms", "aws:kms:dsse"):
        return passed(
            f"encrypted with KMS ({how})",
            key=found.get("KMSMasterKeyID"),
            bucket_key=found.get("BucketKeyEnabled"),
        )
    return failed(f"default encryption is {how or 'not set'}, no key of KMS", algorithm=how)


def access_logging(view: View, bucket: Subject) -> Verdict:
    """Who reads the logs is logged, in another bucket."""
    target = (things.s3(view, bucket, "GetBucketLogging").get("LoggingEnabled") or {}).get(
        "TargetBucket"
    )
    if not target:
        return failed("access to the bucket is not logged")
    if target == bucket.name:
        return failed("access logs go into the same bucket: each one makes another")
    return passed(f"access is logged in {target}", target=target)


def acl_disabled(view: View, bucket: Subject) -> Verdict:
    """ACLs count for nothing."""
    rules = (
        things.s3(view, bucket, "GetBucketOwnershipControls").get("OwnershipControls") or {}
    ).get("Rules") or ()
    found = [str(rule.get("ObjectOwnership")) for rule in rules]
    if found == ["BucketOwnerEnforced"]:
        return passed("ACLs are disabled")
    return failed(f"ACLs still count: ownership is {listed(found) or 'not set'}", ownership=found)


def dedicated(view: View, bucket: Subject) -> Verdict:
    """The bucket holds logs alone."""
    answer = view.find(
        "s3",
        "ListObjectsV2",
        view.snapshot.home_region,
        Bucket=bucket.name,
        Delimiter="/",
        MaxKeys=1000,
    )
    if answer.refused:
        raise Unread(f"{answer.ask.api}: {answer.refused}", missing=answer.missing)
    if answer.absent:
        raise Gone("there is no such bucket")
    found = answer.answer or {}
    heads = {"AWSLogs/"} | {
        str(trail.facts.get("S3KeyPrefix") or "").partition("/")[0] + "/"
        for trail in bucket.facts["trails"]
    }
    others = [
        str(one.get("Prefix"))
        for one in found.get("CommonPrefixes") or ()
        if one.get("Prefix") not in heads
    ]
    others += [str(one.get("Key")) for one in found.get("Contents") or ()]
    if others:
        return failed(f"the bucket holds more than logs: {listed(others)}", others=others[:50])
    return passed("the bucket holds logs alone")


def requester_pays(view: View, bucket: Subject) -> Verdict:
    """CloudTrail can deliver: the bucket's owner pays."""
    payer = things.s3(view, bucket, "GetBucketRequestPayment").get("Payer")
    if payer == "Requester":
        return failed("the requester pays, so that CloudTrail can't deliver")
    return passed("the bucket's owner pays")


def replication(view: View, bucket: Subject) -> Verdict:
    """Logs are copied to another bucket, where that is wanted."""
    rules = (
        things.s3(view, bucket, "GetBucketReplication").get("ReplicationConfiguration") or {}
    ).get("Rules") or ()
    copies = [
        str((rule.get("Destination") or {}).get("Bucket"))
        for rule in rules
        if rule.get("Status") == "Enabled"
    ]
    if copies:
        return passed(f"logs are copied to {listed(copies)}", copies=copies)
    if not view.expected.wants_replication:
        return passed("logs are not copied, and no copy is asked for")
    return failed("logs are copied nowhere")


def notification(view: View, bucket: Subject) -> Verdict:
    """New log files are announced to nobody outside."""
    found = things.s3(view, bucket, "GetBucketNotificationConfiguration")
    arns = [
        str(one.get(name))
        for kind, name in (
            ("TopicConfigurations", "TopicArn"),
            ("QueueConfigurations", "QueueArn"),
            ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
        )
        for one in found.get(kind) or ()
    ]
    ours = (view.account_id, *view.expected.trusted_accounts)
    foreign = [arn for arn in arns if not named(ours, things.account_of(arn))]
    if foreign:
        return failed(f"new files are announced to {listed(foreign)}", foreign=foreign)
    return passed("new files are announced to nobody outside", told=arns)

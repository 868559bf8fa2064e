"""Checks of the keys that logs are encrypted with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ctanalytics.posture import policy, things
from ctanalytics.posture.bucket_policy import CLOUDTRAIL
from ctanalytics.posture.catalogue import bucket_region
from ctanalytics.posture.expected import named
from ctanalytics.posture.view import Gone, Subject, Verdict, View, failed, listed, passed

_CONTEXT: Final = "kms:EncryptionContext:aws:cloudtrail:arn"
_DANGEROUS: Final = (
    "kms:Decrypt",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:CreateGrant",
)


def facts(view: View, key: Subject) -> Mapping[str, Any]:
    """What KMS says of a key; empty when there is none."""
    found: Mapping[str, Any] = view.answer(
        "kms", "DescribeKey", key.aws_region, KeyId=key.resource
    ).get("KeyMetadata", {})
    return found


def statements(view: View, key: Subject) -> tuple[policy.Statement, ...]:
    """The statements of a key's policy."""
    # An alias has no policy: its key has.
    name = str(_there(view, key).get("Arn") or key.resource)
    answer = view.answer("kms", "GetKeyPolicy", key.aws_region, KeyId=name, PolicyName="default")
    return policy.statements(answer.get("Policy"))


def enabled(view: View, key: Subject) -> Verdict:
    """The key can be used."""
    state = facts(view, key).get("KeyState")
    if state == "Enabled":
        return passed("the key is enabled")
    if not state:
        return failed("there is no such key: logs can't be delivered, nor old ones read")
    return failed(f"the key is {state}: logs can't be delivered, nor old ones read", state=state)


def customer_managed(view: View, key: Subject) -> Verdict:
    """The account rules the key, not AWS."""
    manager = _there(view, key).get("KeyManager")
    if manager == "CUSTOMER":
        return passed("the key is the account's own")
    return failed("AWS manages the key: its policy can't be narrowed", manager=manager)


def _there(view: View, key: Subject) -> Mapping[str, Any]:
    found = facts(view, key)
    if not found:
        raise Gone("there is no such key")
    return found


def rotated(view: View, key: Subject) -> Verdict:
    """A symmetric key of the account's own is rotated."""
    found = _there(view, key)
    if found.get("KeyManager") == "AWS":
        return passed("does not apply: AWS rotates the keys that it manages", applies=False)
    if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        return passed("does not apply: only symmetric keys rotate", applies=False)
    if found.get("Origin", "AWS_KMS") != "AWS_KMS":
        return passed("does not apply: imported material is rotated by hand", applies=False)
    name = str(found.get("Arn") or key.resource)
    answer = view.answer("kms", "GetKeyRotationStatus", key.aws_region, KeyId=name)
    if answer.get("KeyRotationEnabled"):
        return passed("the key is rotated", days=answer.get("RotationPeriodInDays"))
    return failed("the key is never rotated")


def cloudtrail(view: View, key: Subject) -> Verdict:
    """CloudTrail may encrypt with the key, for our trails alone."""
    allowing = [
        one
        for one in statements(view, key)
        if one.allow and ("Service", CLOUDTRAIL) in one.principals
    ]
    encrypting = [one for one in allowing if one.does("kms:GenerateDataKeyWithoutPlaintext")]
    if not encrypting:
        return failed("the key's policy does not let CloudTrail encrypt")
    if not any(one.does("kms:DescribeKey") for one in allowing):
        return failed("the key's policy does not let CloudTrail describe the key")
    trails = [trail.resource for trail in key.facts["trails"]]
    for one in encrypting:
        arns = one.values("aws:SourceArn")
        if not arns:
            return failed("CloudTrail may encrypt for anybody: no aws:SourceArn", sid=one.sid)
        if not any(policy.fits(pattern, trail) for pattern in arns for trail in trails):
            return failed(f"aws:SourceArn names {listed(list(arns))}, not our trail", sid=one.sid)
        if not one.values(_CONTEXT):
            return failed(f"no condition on {_CONTEXT}", sid=one.sid)
    return passed("CloudTrail may encrypt for our trails alone")


def not_public(view: View, key: Subject) -> Verdict:
    """Nobody outside may decrypt logs or rule the key."""
    name = str(_there(view, key).get("Arn") or key.resource)
    owner = things.account_of(name)
    found = [fault for one in statements(view, key) for fault in _faults(view, owner, one)]
    grants = view.answer("kms", "ListGrants", key.aws_region, KeyId=name).get("Grants") or ()
    found += [
        f"a grant lets {grant.get('GranteePrincipal')} decrypt"
        for grant in grants
        if "Decrypt" in (grant.get("Operations") or ())
        and not _ours(view, owner, str(grant.get("GranteePrincipal")))
    ]
    if found:
        return failed(listed(found, 3), faults=found)
    return passed("nobody outside may decrypt logs or rule the key")


def _faults(view: View, owner: str, one: policy.Statement) -> Iterator[str]:
    if not one.allow:
        return
    actions = [action for action in _DANGEROUS if one.does(action)]
    if not actions:
        return
    if one.public:
        yield f"anybody is allowed {listed(actions, 2)}"
        return
    for kind, who in one.principals:
        if kind == "AWS" and who != policy.ANYONE and not _ours(view, owner, who):
            yield f"{who} is allowed {listed(actions, 2)}"


def _ours(view: View, owner: str, who: str) -> bool:
    account = things.account_of(who) if who.startswith("arn:") else who
    if not account.isdigit():
        return True  # a service, or the unique id of a principal of the account itself
    return account in (view.account_id, owner) or named(view.expected.trusted_accounts, account)


def same_region(view: View, key: Subject) -> Verdict:
    """The key is in the region of the bucket; CloudTrail can't deliver otherwise."""
    for trail in key.facts["trails"]:
        bucket = things.bucket(view, str(trail.facts.get("S3BucketName")), (trail,))
        answer = things.s3(view, bucket, "GetBucketLocation")
        region = bucket_region(view.snapshot.partition, answer.get("LocationConstraint"))
        if region != key.aws_region:
            return failed(
                f"the key is in {key.aws_region}, the bucket {bucket.name} in {region}",
                bucket_region=region,
            )
    return passed(f"key and bucket are in {key.aws_region}")

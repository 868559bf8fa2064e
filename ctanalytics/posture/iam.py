"""Checks of who may change trails and delete logs: users, groups and roles, and by which policy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.posture import policy, things
from ctanalytics.posture.expected import named
from ctanalytics.posture.view import Subject, Unread, Verdict, View, failed, listed, passed

TAMPERING: Final = (
    "cloudtrail:StopLogging",
    "cloudtrail:DeleteTrail",
    "cloudtrail:UpdateTrail",
    "cloudtrail:PutEventSelectors",
)
READING: Final = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:LookupEvents",
)
DELETING: Final = (
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketPolicy",
)
_SERVICE_ROLES: Final = "/aws-service-role/"


@dataclass(frozen=True, slots=True)
class Grant:
    """Statements that a principal has, and where from."""

    via: str
    """directly, or group NAME; then the policy."""
    statements: tuple[policy.Statement, ...]


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or role, with all that its policies say."""

    arn: str
    kind: str
    grants: tuple[Grant, ...]
    boundary: tuple[policy.Statement, ...] | None

    def may(self, action: str, resource: str = policy.ANYONE) -> str:
        """Return through what it may do something; empty when it may not."""
        everything = [one for grant in self.grants for one in grant.statements]
        if policy.allows(everything, action, resource) is None:
            return ""
        if self.boundary is not None and policy.allows(self.boundary, action, resource) is None:
            return ""
        for grant in self.grants:
            if any(
                one.allow
                and one.does(action)
                and (resource == policy.ANYONE or one.reaches(resource))
                for one in grant.statements
            ):
                return grant.via
        return ""


def details(view: View) -> Mapping[str, Any]:
    """All users, groups, roles and the policies that they have."""
    found: Mapping[str, Any] = view.home("iam", "GetAccountAuthorizationDetails")
    return found


def principals(view: View) -> Iterator[Principal]:
    """Every user and role but those that belong to AWS's services."""
    found = details(view)
    documents = {str(one.get("Arn")): _default_version(one) for one in found.get("Policies") or ()}
    groups = {str(one.get("GroupName")): one for one in found.get("GroupDetailList") or ()}
    for user in found.get("UserDetailList") or ():
        grants = list(_grants(user, "UserPolicyList", "", documents))
        for name in user.get("GroupList") or ():
            group = groups.get(str(name))
            if group is not None:
                grants += _grants(group, "GroupPolicyList", f"group {name}", documents)
        yield _principal(user, "user", grants, documents)
    for role in found.get("RoleDetailList") or ():
        if not str(role.get("Path", "")).startswith(_SERVICE_ROLES):
            yield _principal(
                role, "role", list(_grants(role, "RolePolicyList", "", documents)), documents
            )


def _principal(
    one: Mapping[str, Any],
    kind: str,
    grants: Sequence[Grant],
    documents: Mapping[str, tuple[policy.Statement, ...]],
) -> Principal:
    bound = (one.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    # A boundary whose text is not known bounds nothing that could be relied on.
    boundary = documents.get(str(bound)) if bound else None
    return Principal(str(one.get("Arn")), kind, tuple(grants), boundary)


def _grants(
    one: Mapping[str, Any],
    inline: str,
    through: str,
    documents: Mapping[str, tuple[policy.Statement, ...]],
) -> Iterator[Grant]:
    lead = f"{through}: " if through else ""
    for attached in one.get("AttachedManagedPolicies") or ():
        arn = str(attached.get("PolicyArn"))
        known = documents.get(arn)
        if known is None:
            raise Unread(
                f"the text of the policy {arn} is not known", missing="iam:GetPolicyVersion"
            )
        yield Grant(f"{lead}{attached.get('PolicyName')}", known)
    for each in one.get(inline) or ():
        yield Grant(
            f"{lead}inline policy {each.get('PolicyName')}",
            policy.statements(each.get("PolicyDocument")),
        )


def _default_version(one: Mapping[str, Any]) -> tuple[policy.Statement, ...]:
    for version in one.get("PolicyVersionList") or ():
        if version.get("IsDefaultVersion"):
            return policy.statements(version.get("Document"))
    return ()


def full_access(view: View, _: Subject) -> Verdict:
    """Few principals may change trails, and those are known."""
    holders: dict[str, str] = {}
    for one in principals(view):
        for action in TAMPERING:
            via = one.may(action)
            if via:
                holders[one.arn] = f"{action} through {via}"
                break
    expected = view.expected
    if expected.trail_admins:
        others = sorted(arn for arn in holders if not named(expected.trail_admins, arn))
        if others:
            return failed(
                f"{len(others)} principals that are not named may change trails: {listed(others)}",
                holders={arn: holders[arn] for arn in others[:100]},
            )
        return passed("only those that are named may change trails", holders=holders)
    if len(holders) > expected.most_trail_admins:
        return failed(
            f"{len(holders)} principals may change trails: {listed(sorted(holders))}",
            holders=dict(sorted(holders.items())[:100]),
        )
    return passed(f"{len(holders)} principals may change trails", holders=holders)


def read_only(view: View, _: Subject) -> Verdict:
    """Auditors can read trails without being able to change them."""
    everyone = list(principals(view))
    wanted = view.expected.auditors
    auditors = [
        one
        for one in everyone
        if (not wanted or named(wanted, one.arn)) and all(one.may(action) for action in READING)
    ]
    if wanted:
        missing = [
            pattern for pattern in wanted if not any(named((pattern,), one.arn) for one in auditors)
        ]
        if missing:
            return failed(f"these can't read trails: {listed(missing)}", missing=missing)
    quiet = [one.arn for one in auditors if not any(one.may(action) for action in TAMPERING)]
    if quiet or (wanted and auditors):
        return passed(f"{listed(quiet)} can read trails", auditors=quiet[:50])
    if _reading_group(view):
        return passed("a group reads trails, and changes none")
    return failed("nobody can read trails without being able to change them")


def _reading_group(view: View) -> bool:
    found = details(view)
    documents = {str(one.get("Arn")): _default_version(one) for one in found.get("Policies") or ()}
    for group in found.get("GroupDetailList") or ():
        one = Principal("", "group", tuple(_grants(group, "GroupPolicyList", "", documents)), None)
        if all(one.may(action) for action in READING) and not any(
            one.may(action) for action in TAMPERING
        ):
            return True
    return False


def direct_policies(view: View, _: Subject) -> Verdict:
    """Users have their rights from groups."""
    found = {
        str(user.get("Arn")): [
            *(str(one.get("PolicyName")) for one in user.get("AttachedManagedPolicies") or ()),
            *(str(one.get("PolicyName")) for one in user.get("UserPolicyList") or ()),
        ]
        for user in details(view).get("UserDetailList") or ()
    }
    direct = {arn: names for arn, names in found.items() if names}
    if direct:
        return failed(f"policies of their own: {listed(sorted(direct))}", users=direct)
    return passed("no user has a policy of its own")


def no_group(view: View, _: Subject) -> Verdict:
    """Every user is in a group."""
    alone = [
        str(user.get("Arn"))
        for user in details(view).get("UserDetailList") or ()
        if not user.get("GroupList")
    ]
    if alone:
        return failed(f"in no group: {listed(alone)}", users=alone)
    return passed("every user is in a group")


def log_deleters(view: View, bucket: Subject) -> Verdict:
    """Nobody but those that are named may delete logs, or lift what protects them."""
    if things.account_of(bucket.resource) not in ("", view.account_id):
        raise Unread("the bucket is another account's: audit that one")
    holders: dict[str, str] = {}
    for one in principals(view):
        for action in DELETING:
            target = f"{bucket.resource}/*" if "Object" in action else bucket.resource
            via = one.may(action, target)
            if via and not named(view.expected.log_deleters, one.arn):
                holders[one.arn] = f"{action} through {via}"
                break
    if holders:
        return failed(
            f"{len(holders)} principals may delete logs or lift their protection: "
            f"{listed(sorted(holders))}",
            holders=dict(sorted(holders.items())[:100]),
        )
    return passed("nobody may delete logs but those that are named")


def root(view: View) -> Mapping[str, str]:
    """The root user's line of the credential report."""
    answer = view.home("iam", "GetCredentialReport")
    for row in csv.DictReader(io.StringIO(str(answer.get("Content", "")))):
        if row.get("user") == "<root_account>":
            return row
    raise Unread("the credential report has no line of the root user")


def root_mfa(view: View, _: Subject) -> Verdict:
    """The root user signs in with MFA."""
    row = root(view)
    if row.get("mfa_active") == "true":
        return passed("the root user has MFA")
    if row.get("password_enabled") == "false":
        return passed("the root user has no password: it is managed centrally")
    return failed("the root user has no MFA")


def root_key(view: View, _: Subject) -> Verdict:
    """The root user has no access key."""
    row = root(view)
    active = [n for n in ("1", "2") if row.get(f"access_key_{n}_active") == "true"]
    if active:
        return failed(f"the root user has {len(active)} active access keys", keys=active)
    return passed("the root user has no access key")


def scp(view: View, _: Subject) -> Verdict:
    """A service control policy denies tampering with trails."""
    organization = view.home("organizations", "DescribeOrganization").get("Organization")
    if not organization:
        return passed("does not apply: the account is in no organization", applies=False)
    if organization.get("MasterAccountId") == view.account_id:
        note = "; the management account itself is never bound by it"
    else:
        note = ""
    listing = view.home("organizations", "ListPolicies", Filter="SERVICE_CONTROL_POLICY")
    denied: set[str] = set()
    attached: list[str] = []
    for one in listing.get("Policies") or ():
        found = view.home("organizations", "DescribePolicy", PolicyId=str(one.get("Id")))
        content = (found.get("Policy") or {}).get("Content")
        denies = {
            action
            for each in policy.statements(content)
            if not each.allow
            for action in TAMPERING
            if each.does(action)
        }
        if not denies:
            continue
        targets = view.home(
            "organizations", "ListTargetsForPolicy", PolicyId=str(one.get("Id"))
        ).get("Targets")
        if targets:
            denied |= denies
            attached.append(str(one.get("Name")))
    missing = sorted(set(TAMPERING) - denied)
    if missing:
        return failed(f"no service control policy denies {listed(missing)}", missing=missing)
    return passed(f"tampering is denied by {listed(attached)}{note}", policies=attached)


def log_role(view: View, group: Subject) -> Verdict:
    """The role through which CloudTrail writes to its log group can do nothing else."""
    trail = group.facts["trails"][0]
    arn = str(trail.facts.get("CloudWatchLogsRoleArn") or "")
    if things.account_of(arn) != view.account_id:
        raise Unread(f"the role {arn or 'of the trail'} is another account's: audit that one")
    found = details(view)
    role = next((one for one in found.get("RoleDetailList") or () if one.get("Arn") == arn), None)
    if role is None:
        return failed(f"the role {arn} is gone: nothing reaches the log group", role=arn)
    trusted = [
        who
        for one in policy.statements(role.get("AssumeRolePolicyDocument"))
        if one.allow
        for _, who in one.principals
    ]
    if trusted != ["cloudtrail.amazonaws.com"]:
        return failed(f"the role trusts {listed(trusted) or 'nobody'}", trusted=trusted)
    documents = {str(one.get("Arn")): _default_version(one) for one in found.get("Policies") or ()}
    wide = [
        f"{action} on {resource}"
        for grant in _grants(role, "RolePolicyList", "", documents)
        for one in grant.statements
        if one.allow
        for action in one.actions or ("NotAction",)
        for resource in one.resources or ("NotResource",)
        if action not in ("logs:CreateLogStream", "logs:PutLogEvents")
        or not resource.startswith(group.resource)
    ]
    if wide:
        return failed(
            f"the role may do more than write its streams: {listed(wide, 3)}", rights=wide
        )
    return passed("the role writes the trail's log streams, and nothing else", role=arn)

"""Attacks and failures, labelled: what a detector ought to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ctanalytics.simulator import cast
from ctanalytics.simulator.actors import attacker_key
from ctanalytics.simulator.episodes import Episode, Scene, Silence
from ctanalytics.simulator.organization import OUTSIDE_ACCOUNT
from ctanalytics.simulator.plan import Plan

Attack = Callable[[Plan, int], Episode | None]
"""Plan and start -> the episode; None where the organization gives no place for it."""

_INTRUDER: Final = {
    "ip": "198.51.100.23",
    "ua": "Boto3/1.34.11 md/Botocore#1.34.11 ua/2.0 os/linux#6.6.15-amd64 md/arch#x86_64 lang/python#3.11.8",
}
_OTHER_INTRUDER: Final = {
    "ip": "198.51.100.77",
    "ua": "aws-cli/2.15.0 Python/3.11.6 Linux/6.5.0-kali3-amd64 exe/x86_64.kali.2023",
}


def surge(plan: Plan, at: int) -> Episode:
    """Somebody starts machines by the dozen with the deploy pipeline's role."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.build_role(organization, account)
    scene = Scene(organization, "attack/surge", at)
    scene.call(actor, home, {"ec2:DescribeInstanceTypes": 3, "ec2:DescribeImages": 2}, seconds=60)
    scene.call(actor, home, {"ec2:RunInstances": 96}, after=60, seconds=520)
    return scene.episode(
        "surge",
        "96 RunInstances within 9 minutes: machines for mining",
        malicious=True,
        by=actor,
        region=home,
        api="ec2:RunInstances",
    )


def error_burst(plan: Plan, at: int) -> Episode:
    """A notebook's role tries what it may do, and is denied nearly everywhere."""
    organization = plan.organization
    account, home = organization.development, organization.home_region
    actor = cast.notebook_role(organization, account)
    scene = Scene(organization, "attack/error_burst", at)
    scene.call(actor, home, {"sts:GetCallerIdentity": 2}, seconds=20)
    steps = {
        "secretsmanager:ListSecrets!denied": 34,
        "kms:ListKeys!denied": 30,
        "lambda:ListFunctions20150331!denied": 30,
        "dynamodb:ListTables!denied": 28,
    }
    scene.call(actor, home, steps, after=20, seconds=560)
    return scene.episode(
        "error_burst",
        "122 calls denied within 10 minutes: somebody tries what this role may do",
        malicious=True,
        by=actor,
        region=home,
        api="secretsmanager:ListSecrets",
        fault="denied",
    )


def stolen_key(plan: Plan, at: int) -> Episode:
    """A user's key is used from elsewhere, for what it never did."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.reports_user(organization, account)
    scene = Scene(organization, "attack/stolen_key", at)
    look = [
        "sts:GetCallerIdentity",
        "iam:ListAttachedUserPolicies",
        "iam:ListUsers",
        "iam:ListRoles!denied",
        "iam:GetAccountAuthorizationDetails!denied",
        "s3:ListBuckets",
        "secretsmanager:ListSecrets",
        "ec2:DescribeInstances",
        "rds:DescribeDBInstances",
        "lambda:ListFunctions20150331",
        "ssm:DescribeParameters",
    ]
    scene.one_by_one(actor, home, look, seconds=500, given=_INTRUDER)
    take = {"secretsmanager:GetSecretValue": 14, "s3:ListObjects": 8, "s3:GetObject": 26}
    scene.call(actor, home, take, after=540, seconds=1_900, given=_INTRUDER)
    stay = {
        "new_user": "svc-backup-agent",
        "new_key": attacker_key(organization, "stay"),
        **_INTRUDER,
    }
    scene.one_by_one(
        actor,
        home,
        ["iam:CreateUser", "iam:AttachUserPolicy!denied", "iam:CreateAccessKey"],
        after=2_500,
        seconds=120,
        given=stay,
    )
    return scene.episode(
        "stolen_key",
        f"a key of {actor.principal_arn} used from {_INTRUDER['ip']}, a network it never came from",
        malicious=True,
        by=actor,
        region=home,
    )


def tampering(plan: Plan, at: int) -> Episode:
    """A workload's role turns off what watches; a guard turns the trail on again at once."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.inventory_role(organization, account)
    scene = Scene(organization, "attack/tampering", at)
    steps = [
        "sts:GetCallerIdentity",
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetTrailStatus",
        "cloudtrail:GetEventSelectors",
        "cloudtrail:StopLogging",
        "cloudtrail:PutEventSelectors",
        "cloudtrail:UpdateTrail",
        "cloudtrail:DeleteTrail!denied",
        "guardduty:ListDetectors",
        "guardduty:UpdateDetector!denied",
        "config:DescribeConfigurationRecorderStatus",
        "config:StopConfigurationRecorder!denied",
        "monitoring:DescribeAlarms",
        "monitoring:DisableAlarmActions",
        "logs:DescribeMetricFilters",
        "logs:DeleteLogGroup!denied",
        "ec2:DescribeFlowLogs",
        "ec2:DeleteFlowLogs",
    ]
    scene.one_by_one(actor, home, steps, seconds=780, given=_OTHER_INTRUDER)
    stopped = next(c for c in scene.calls if c.api == "cloudtrail:StopLogging")
    guard = cast.guard_role(organization, account)
    back = ["cloudtrail:StartLogging", "cloudtrail:GetTrailStatus"]
    scene.one_by_one(guard, home, back, after=int(stopped.times[0]) - at + 4, seconds=4)
    return scene.episode(
        "tampering",
        "the trail stopped and narrowed by a role that never touched it; a guard started it again",
        malicious=True,
        by=actor,
        region=home,
        api="cloudtrail:StopLogging",
        answers=len(back),
    )


def silent_stop(plan: Plan, at: int) -> Episode:
    """Instances stop telling that they live."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    until = min(at + 14 * 3_600, at + int((plan.end - at) * 0.8))
    return Episode(
        "silent_stop",
        "UpdateInstanceInformation, else sent every 10 minutes, stops: the agents are off",
        True,
        at,
        until,
        account.account_id,
        home,
        "ssm:UpdateInstanceInformation",
        principal_arn=cast.agent_role(organization, account).principal_arn,
        silence=Silence(account.account_id, home, "ssm:UpdateInstanceInformation", at, until),
    )


def drip(plan: Plan, at: int) -> Episode:
    """Secrets are read one at a time, slowly enough for no limit to be met."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.instance_role(organization, account, "web-server")
    scene = Scene(organization, "attack/drip", at)
    marks = np.arange(0, 20 * 3_600, 480) + scene.rng.integers(0, 240, 150)
    for mark in marks.tolist():
        scene.call(actor, home, {"secretsmanager:GetSecretValue": 1}, after=mark, seconds=0)
    return scene.episode(
        "drip",
        "a secret read every 8 minutes for 20 hours",
        malicious=True,
        by=actor,
        region=home,
        api="secretsmanager:GetSecretValue",
    )


def new_region(plan: Plan, at: int) -> Episode | None:
    """Machines are started where the organization has none."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    others = [region for region in organization.regions if region != home]
    region = others[0] if others else organization.closed_region
    if region is None:
        return None
    fault = "" if others else "!scp"
    actor = cast.build_role(organization, account)
    scene = Scene(organization, "attack/new_region", at)
    steps = [
        "ec2:DescribeRegions",
        "ec2:DescribeVpcs",
        f"ec2:CreateKeyPair{fault}",
        f"ec2:CreateSecurityGroup{fault}",
        f"ec2:AuthorizeSecurityGroupIngress{fault}",
        *[f"ec2:RunInstances{fault}"] * 12,
    ]
    scene.one_by_one(actor, region, steps, seconds=700)
    return scene.episode(
        "new_region",
        f"machines started in {region}, where the organization has none",
        malicious=True,
        by=actor,
        region=region,
        api="ec2:RunInstances",
        fault=fault[1:],
    )


def s3_ransom(plan: Plan, at: int) -> Episode:
    """Objects are encrypted with a key that nobody else has, and the old ones deleted."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.instance_role(organization, account, "web-server")
    bucket = (organization.resources(account.account_id, home, "bucket") or ("",))[0]
    given = {"bucket": bucket, **_OTHER_INTRUDER}
    scene = Scene(organization, "attack/s3_ransom", at)
    first = ["s3:ListBuckets", "s3:GetBucketVersioning", "s3:PutBucketVersioning"]
    scene.one_by_one(actor, home, first, seconds=60, given=given)
    scene.call(actor, home, {"s3:CopyObject": 160}, after=70, seconds=800, given=given)
    scene.call(actor, home, {"s3:DeleteObject": 90}, after=400, seconds=600, given=given)
    last = ["s3:PutBucketLifecycle", "s3:PutObject"]
    scene.one_by_one(actor, home, last, after=1_050, seconds=60, given=given)
    return scene.episode(
        "s3_ransom",
        f"objects of {bucket} encrypted with a customer key (SSE-C), then deleted",
        malicious=True,
        by=actor,
        region=home,
        api="s3:CopyObject",
    )


def snapshot_sharing(plan: Plan, at: int) -> Episode:
    """Disks leave as snapshots shared with an account outside."""
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.nightly_role(organization, account)
    given = {"target_account": OUTSIDE_ACCOUNT, **_INTRUDER}
    scene = Scene(organization, "attack/snapshot_sharing", at)
    steps = [
        "ec2:DescribeVolumes",
        "ec2:DescribeSnapshots",
        *["ec2:CreateSnapshot"] * 4,
        *["ec2:ModifySnapshotAttribute"] * 6,
        "rds:DescribeDBSnapshots",
        "rds:ModifyDBSnapshotAttribute",
    ]
    scene.one_by_one(actor, home, steps, seconds=1_100, given=given)
    return scene.episode(
        "snapshot_sharing",
        f"snapshots shared with {OUTSIDE_ACCOUNT}, which is outside the organization",
        malicious=True,
        by=actor,
        region=home,
        api="ec2:ModifySnapshotAttribute",
    )


def console_brute_force(plan: Plan, at: int) -> Episode:
    """Passwords are tried at the console until one fits."""
    organization = plan.organization
    account = organization.production
    region = organization.partition.global_region
    given = {"ip": "198.51.100.140", "ua": cast.BROWSER[1]}
    door = cast.failed_sign_in(organization, account, "break-glass")
    scene = Scene(organization, "attack/console_brute_force", at)
    scene.call(door, region, {"signin:ConsoleLogin!failed": 58}, seconds=1_500, given=given)
    inside = cast.console_user(organization, account, "break-glass")
    scene.one_by_one(
        inside,
        region,
        ["signin:ConsoleLogin", "iam:ListUsers", "iam:ListMFADevices", "iam:CreateLoginProfile"],
        after=1_530,
        seconds=400,
        given={**given, "new_user": "break-glass-2"},
    )
    return scene.episode(
        "console_brute_force",
        "58 sign-ins failed, then one without MFA went through",
        malicious=True,
        by=inside,
        region=region,
        api="signin:ConsoleLogin",
    )


def root_login(plan: Plan, at: int) -> Episode:
    """The root user signs in without MFA and makes itself a key."""
    organization = plan.organization
    account = organization.development
    region = organization.partition.global_region
    actor = cast.root(organization, account)
    scene = Scene(organization, "attack/root_login", at)
    scene.one_by_one(
        actor,
        region,
        ["signin:ConsoleLogin", "iam:GetAccountSummary", "iam:CreateAccessKey"],
        seconds=240,
        given={
            "ip": "198.51.100.140",
            "new_user": "root",
            "new_key": attacker_key(organization, "root"),
        },
    )
    return scene.episode(
        "root_login",
        "the root user, never seen before, signed in without MFA and made a key",
        malicious=True,
        by=actor,
        region=region,
        api="signin:ConsoleLogin",
    )


ATTACKS: Final[dict[str, tuple[Attack, float, float]]] = {
    "surge": (surge, 0.895, 14.2),
    "error_burst": (error_burst, 0.845, 10.4),
    "stolen_key": (stolen_key, 0.93, 2.6),
    "tampering": (tampering, 0.96, 21.3),
    "silent_stop": (silent_stop, 0.80, 18.1),
    "drip": (drip, 0.70, 5.0),
    "new_region": (new_region, 0.745, 22.7),
    "s3_ransom": (s3_ransom, 0.875, 1.2),
    "snapshot_sharing": (snapshot_sharing, 0.915, 16.8),
    "console_brute_force": (console_brute_force, 0.77, 3.3),
    "root_login": (root_login, 0.72, 19.5),
}
"""Kind -> what happens, where in the simulation (0 its start, 1 its end), and at which UTC hour."""

_DAYS_TO_CHOOSE_AN_HOUR: Final = 14


def attacks(plan: Plan) -> list[Episode]:
    """The episodes that a plan asks for, in the order of ATTACKS."""
    made = []
    for kind, (attack, place, hour) in ATTACKS.items():
        if kind in plan.incidents:
            episode = attack(plan, _start(plan, place, hour))
            made += [episode] if episode else []
    return made


def _start(plan: Plan, place: float, hour: float) -> int:
    if plan.days < _DAYS_TO_CHOOSE_AN_HOUR:
        return plan.begin + int(plan.days * 86_400 * place)
    return plan.begin + int(plan.days * place) * 86_400 + int(hour * 3_600)

"""Noise of real organizations that looks like attacks and is none: labelled, not malicious."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from typing import Final

from ctanalytics.simulator import cast
from ctanalytics.simulator.actors import event_source, service_linked
from ctanalytics.simulator.episodes import Episode, Scene
from ctanalytics.simulator.organization import BACKUP_ACCOUNT, fraction
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rhythms import Day

Noise = Callable[[Plan, Day], Iterator[Episode]]


def security_scan(plan: Plan, day: Day) -> Iterator[Episode]:
    """Once a week the scanner looks at everything, in every account and open region."""
    if day.date.isoweekday() != 3:
        return
    organization = plan.organization
    for account in organization.accounts:
        for region in organization.regions:
            home = region == organization.home_region
            scene = _scene(plan, day, f"scan/{account.account_id}/{region}", 20 + account.weight)
            scanner = cast.scanner(organization, account)
            steps = {
                "ec2:DescribeInstances": 3,
                "ec2:DescribeRouteTables": 1,
                "ec2:DescribeAddresses": 1,
                "s3:GetBucketVersioning": 3 if home else 1,
                "s3:GetBucketAcl": 3 if home else 1,
                "kms:DescribeKey": 2,
                "secretsmanager:ListSecrets": 1,
                "eks:ListClusters": 1,
                "apigateway:GetRestApis": 1,
                "kinesis:ListStreams": 1,
                "secretsmanager:GetSecretValue!denied": 1,
                "access-analyzer:ListFindings": 1,
            }
            if home:
                steps |= {"iam:GetCredentialReport": 1, "iam:GenerateServiceLastAccessedDetails": 2}
            scene.call(scanner, region, steps, seconds=420)
            yield scene.episode(
                "security_scan",
                "weekly posture scan of the security team",
                by=scanner,
                region=region,
            )


def terraform_rollout(plan: Plan, day: Day) -> Iterator[Episode]:
    """Twice a week Terraform plans and applies."""
    if day.date.isoweekday() not in (2, 4):
        return
    organization = plan.organization
    account = organization.accounts[day.place % min(2, len(organization.accounts))]
    actor = cast.terraform_role(organization, account)
    scene = _scene(plan, day, "terraform", 9 - day.utc_offset_hours + 2 * _luck(plan, day, "tf"))
    home = organization.home_region
    look = {
        "ec2:DescribeVpcs": 2,
        "ec2:DescribeSubnets": 2,
        "ec2:DescribeSecurityGroups": 3,
        "iam:GetRole": 3,
        "iam:GetPolicyVersion": 2,
        "s3:GetBucketPolicy": 2,
        "lambda:GetFunction20150331v2": 2,
        "sqs:GetQueueAttributes": 2,
    }
    change = [
        "ec2:CreateSecurityGroup",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateTags",
        "iam:CreateRole",
        "iam:AttachRolePolicy",
        "iam:PutRolePolicy",
        "logs:CreateLogGroup",
        "logs:PutRetentionPolicy",
        "sqs:CreateQueue",
        "events:PutRule",
        "events:PutTargets",
        "lambda:CreateFunction20150331",
        "route53:ChangeResourceRecordSets",
    ]
    scene.call(actor, home, look, seconds=90)
    scene.one_by_one(actor, home, change, after=100, seconds=240)
    yield scene.episode(
        "terraform_rollout",
        "planned change by Terraform",
        by=actor,
        region=home,
    )


def stackset_rollout(plan: Plan, day: Day) -> Iterator[Episode]:
    """Every ninth day CloudFormation changes all accounts within minutes."""
    if day.place % 9 != 3:
        return
    organization = plan.organization
    home = organization.home_region
    admin = cast.person(
        organization, organization.management, organization.people[2], "PlatformAdmin", cli=False
    )
    scene = _scene(plan, day, "stackset", 13)
    scene.one_by_one(
        admin, home, ["cloudformation:UpdateStackSet", "cloudformation:ListStacks"], seconds=30
    )
    for account in organization.accounts:
        scene.one_by_one(
            cast.stack_set_role(organization, account),
            home,
            [
                "cloudformation:UpdateStack",
                "iam:GetRole",
                "iam:PutRolePolicy",
                "config:PutConfigRule",
                "config:DescribeConfigRules",
            ],
            after=40 + int(240 * fraction(plan.seed, day.place, account.account_id)),
            seconds=60,
        )
    yield scene.episode(
        "stackset_rollout",
        f"StackSet rolled out to {len(organization.accounts)} accounts",
        by=admin,
        region=home,
        api="cloudformation:UpdateStack",
    )


def account_vending(plan: Plan, day: Day) -> Iterator[Episode]:
    """Now and then the account factory makes an account."""
    if day.place % 16 != 5:
        return
    organization = plan.organization
    home, account = organization.home_region, organization.management
    factory = cast.vending_role(organization, account)
    given = {"target_account": f"0009{day.place:08d}"}
    scene = _scene(plan, day, "vending", 10)
    scene.one_by_one(
        factory,
        home,
        [
            "servicecatalog:ProvisionProduct",
            "organizations:CreateAccount",
            "servicecatalog:DescribeRecord",
            "organizations:MoveAccount",
            "organizations:AttachPolicy",
        ],
        seconds=900,
        given=given,
    )
    for service, api, after in (
        ("organizations.amazonaws.com", "organizations:CreateAccountResult", 400),
        ("controltower.amazonaws.com", "controltower:CreateManagedAccount", 1_200),
    ):
        scene.call(
            event_source(account, service), home, {api: 1}, after=after, seconds=5, given=given
        )
    yield scene.episode(
        "account_vending",
        "the account factory made an account",
        by=factory,
        region=home,
    )


def on_call_night(plan: Plan, day: Day) -> Iterator[Episode]:
    """Every sixth night somebody is called out of bed."""
    if day.place % 6 != 4:
        return
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.person(organization, account, organization.people[2], "PlatformAdmin", cli=False)
    scene = _scene(plan, day, "on-call", 0.5 + 2 * _luck(plan, day, "on-call"))
    steps = {
        "monitoring:DescribeAlarms": 3,
        "logs:FilterLogEvents": 4,
        "ecs:DescribeServices": 2,
        "ecs:DescribeTasks": 2,
        "ecs:UpdateService": 1,
        "rds:DescribeDBInstances": 2,
        "autoscaling:SetDesiredCapacity": 1,
    }
    scene.call(actor, home, steps, seconds=2_700)
    yield scene.episode(
        "on_call_night",
        "on-call work at night",
        by=actor,
        region=home,
    )


def month_end_batch(plan: Plan, day: Day) -> Iterator[Episode]:
    """The batch of a month's last night does more than that of others."""
    if day.date.day != calendar.monthrange(day.date.year, day.date.month)[1]:
        return
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = cast.nightly_role(organization, account)
    scene = _scene(plan, day, "month-end", 2.3)
    steps = {
        "glue:GetTable": 4,
        "glue:StartJobRun": 3,
        "glue:BatchCreatePartition": 3,
        "athena:StartQueryExecution": 4,
        "s3:PutObject": 6,
    }
    scene.call(actor, home, steps, seconds=3_000)
    yield scene.episode(
        "month_end_batch",
        "month-end closing, more work than on other nights",
        by=actor,
        region=home,
    )


def backup_share(plan: Plan, day: Day) -> Iterator[Episode]:
    """Every Sunday snapshots are shared with the organization's backup account."""
    if day.date.isoweekday() != 7:
        return
    organization = plan.organization
    account, home = organization.production, organization.home_region
    actor = service_linked(organization, account, "Backup", "backup.amazonaws.com")
    scene = _scene(plan, day, "backup-share", 3.6)
    steps = {"ec2:ModifySnapshotAttribute": 3, "ec2:CopySnapshot": 2}
    scene.call(actor, home, steps, seconds=240, given={"target_account": BACKUP_ACCOUNT})
    yield scene.episode(
        "backup_share",
        f"snapshots shared with {BACKUP_ACCOUNT}, the organization's backup account",
        by=actor,
        region=home,
        api="ec2:ModifySnapshotAttribute",
    )


def closed_region_try(plan: Plan, day: Day) -> Iterator[Episode]:
    """Somebody picks the wrong region in the console, and a policy says no."""
    organization = plan.organization
    region = organization.closed_region
    if day.place % 8 != 1 or region is None:
        return
    account = organization.development
    actor = cast.person(organization, account, organization.people[0], "Developer", cli=False)
    scene = _scene(plan, day, "closed-region", 11)
    steps = {
        "ec2:DescribeInstances!scp": 2,
        "ec2:DescribeVpcs!scp": 1,
        "rds:DescribeDBInstances!scp": 1,
    }
    scene.call(actor, region, steps, seconds=40)
    yield scene.episode(
        "closed_region_try",
        "a region that a service control policy closes",
        by=actor,
        region=region,
        api="ec2:DescribeInstances",
        fault="scp",
    )


def dry_run(plan: Plan, day: Day) -> Iterator[Episode]:
    """A deploy pipeline asks EC2 what it would be allowed to do."""
    if day.place % 10 != 6:
        return
    organization = plan.organization
    account, home = organization.development, organization.home_region
    actor = cast.build_role(organization, account)
    scene = _scene(plan, day, "dry-run", 9.5)
    steps = {
        "ec2:RunInstances!dryrun": 2,
        "ec2:CreateTags!dryrun": 2,
        "ec2:TerminateInstances!dryrun": 2,
    }
    scene.call(actor, home, steps, seconds=60)
    yield scene.episode(
        "dry_run",
        "permissions tried with DryRun",
        by=actor,
        region=home,
        api="ec2:RunInstances",
        fault="dryrun",
    )


def key_rotation(plan: Plan, day: Day) -> Iterator[Episode]:
    """A user's key is replaced, and the old one is taken away a day later."""
    at = plan.key_rotation
    if plan.day_of(at) != day.place:
        return
    organization = plan.organization
    account, home = organization.production, organization.home_region
    reports = cast.reports_user(organization, account)
    actor = cast.rotation_role(organization, account)
    old, new = reports.access_keys
    scene = Scene(organization, "key-rotation", at - 300)
    scene.one_by_one(
        actor,
        home,
        ["iam:ListAccessKeys", "iam:CreateAccessKey", "secretsmanager:PutSecretValue"],
        seconds=90,
        given={"new_user": "reports-export", "user": "reports-export", "new_key": new},
    )
    scene.one_by_one(
        actor,
        home,
        ["iam:UpdateAccessKey", "iam:DeleteAccessKey"],
        after=6 * 3_600,
        seconds=60,
        given={"new_user": "reports-export", "old_key": old},
    )
    yield scene.episode(
        "key_rotation",
        f"the key of {reports.principal_arn} was replaced as planned",
        by=actor,
        region=organization.partition.global_region,
    )


def network_change(plan: Plan, day: Day) -> Iterator[Episode]:
    """The company's VPN gets new addresses: everybody comes from a network never seen."""
    at = plan.network_change
    if plan.day_of(at) != day.place:
        return
    yield Episode(
        "vpn_egress_change",
        f"from now on people come from {', '.join(cast.OFFICE_LATER)}, no longer from "
        f"{', '.join(cast.OFFICE)}",
        False,
        at,
        min(at + 86_400, plan.end),
        None,
    )


NOISE: Final[tuple[Noise, ...]] = (
    security_scan,
    terraform_rollout,
    stackset_rollout,
    account_vending,
    on_call_night,
    month_end_batch,
    backup_share,
    closed_region_try,
    dry_run,
    key_rotation,
    network_change,
)


def _scene(plan: Plan, day: Day, name: str, hour: float) -> Scene:
    return Scene(plan.organization, f"noise/{name}/{day.place}", day.at(hour % 24))


def _luck(plan: Plan, day: Day, name: str) -> float:
    return fraction(plan.seed, name, day.place)

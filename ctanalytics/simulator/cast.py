"""The organization's callers by name: workloads, CI, guards and people."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ctanalytics.simulator.actors import (
    Actor,
    Opening,
    foreign_role,
    identity_json,
    role,
    service,
    user,
)
from ctanalytics.simulator.organization import (
    SECURITY_ACCOUNT,
    VENDOR_ACCOUNT,
    Account,
    Organization,
    key_id,
    token,
)

OFFICE: Final = ("203.0.113.10", "203.0.113.11")
OFFICE_LATER: Final = ("198.18.7.20", "198.18.7.21")
"""Where people come from after the company changed its VPN."""
SCANNER_NETWORK: Final = ("198.18.90.4",)
VENDOR_NETWORK: Final = ("198.18.40.15", "2001:db8:40::16")
REPORTS_NETWORK: Final = ("192.0.2.240",)
BUILD_NETWORK: Final = tuple(f"198.19.{n}.{n * 3 % 250 + 1}" for n in range(40))

BROWSER: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
)
CLI: Final = (
    "aws-cli/2.31.3 md/awscrt#0.27.6 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13.7 cfg/retry-mode#standard",
)
BOTO: Final = (
    "Boto3/1.40.40 md/Botocore#1.40.40 ua/2.1 os/linux#6.1.148 md/arch#aarch64 lang/python#3.13.7 cfg/retry-mode#standard Botocore/1.40.40",
)
GO: Final = ("aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64",)
TERRAFORM: Final = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.14.1 aws-sdk-go-v2/1.39.2",
)
SSM_AGENT: Final = ("aws-sdk-go/1.55.5 (go1.24.6; linux; arm64) amazon-ssm-agent/3.3.2299.0",)


def instance_role(organization: Organization, account: Account, name: str) -> Actor:
    """The role of EC2 instances; the session is named after the instance."""
    home = organization.home_region
    instances = organization.resources(account.account_id, home, "instance") or ()
    opening = Opening("sts:AssumeRole", home, service(account, "ec2.amazonaws.com"))
    return role(
        organization,
        account,
        name,
        networks=(f"192.0.2.{account_octet(account)}",),
        agents=GO,
        sessions=tuple(instances[:6]),
        hours=6,
        opening=(opening,),
        attributes={"ec2RoleDelivery": "2.0"},
    )


def function_role(organization: Organization, account: Account, function: str) -> Actor:
    """The role of a Lambda function inside a VPC, which calls through an endpoint."""
    home = organization.home_region
    opening = Opening("sts:AssumeRole", home, service(account, "lambda.amazonaws.com"))
    endpoint = f"vpce-0{token(account.account_id, home, 'vpce').hex()[:16]}"
    return role(
        organization,
        account,
        f"{function}-role",
        path="/service-role/",
        networks=("10.20.4.17", "10.20.5.31"),
        agents=(
            "Boto3/1.40.4 md/Botocore#1.40.4 os/linux#5.10 lang/python#3.13.7 exec-env/AWS_Lambda_python3.13 Botocore/1.40.4",
        ),
        sessions=(function,),
        hours=6,
        opening=(opening,),
        scope={
            "issuerType": "AWS::Lambda::Function",
            "credentialsIssuedTo": organization.arn(
                "lambda", home, account.account_id, f"function:{function}"
            ),
        },
        extra={"vpcEndpointId": endpoint, "vpcEndpointAccountId": account.account_id},
    )


def task_role(organization: Organization, account: Account, name: str) -> Actor:
    """The role of ECS tasks."""
    home = organization.home_region
    opening = Opening("sts:AssumeRole", home, service(account, "ecs-tasks.amazonaws.com"))
    return role(
        organization,
        account,
        name,
        networks=(f"192.0.2.{account_octet(account)}",),
        agents=GO,
        sessions=tuple(token(account.account_id, name, n).hex() for n in range(4)),
        hours=6,
        opening=(opening,),
    )


def build_role(organization: Organization, account: Account, name: str = "ci-deploy") -> Actor:
    """The role that CI takes with its web identity, once for each run."""
    issuer = organization.arn(
        "iam", "", account.account_id, "oidc-provider/token.actions.githubusercontent.com"
    )
    subject = "repo:example/shop:ref:refs/heads/main"
    caller = Actor(
        name=f"{account.account_id}/web/ci",
        account_id=account.account_id,
        principal_arn=subject,
        caller_arn=subject,
        identity=identity_json(
            {
                "type": "WebIdentityUser",
                "principalId": f"{issuer}:sts.amazonaws.com:{subject}",
                "userName": subject,
                "identityProvider": issuer,
            }
        ),
        networks=BUILD_NETWORK,
        agents=(
            "aws-sdk-nodejs/3.896.0 linux/v20.19.5 configure-aws-credentials-for-github-actions",
        ),
    )
    return role(
        organization,
        account,
        name,
        networks=BUILD_NETWORK,
        agents=CLI,
        sessions=("GitHubActions-*",),
        hours=1,
        opening=(Opening("sts:AssumeRoleWithWebIdentity", organization.home_region, caller),),
        attributes={"webIdFederationData": {"federatedProvider": issuer, "attributes": {}}},
    )


def scanner(organization: Organization, account: Account) -> Actor:
    """The security scanner's role, which an account of the security team takes."""
    caller = foreign_role(
        account, SECURITY_ACCOUNT, "scanner", networks=SCANNER_NETWORK, agents=BOTO
    )
    return role(
        organization,
        account,
        "security-audit",
        path="/security/",
        networks=SCANNER_NETWORK,
        agents=BOTO,
        sessions=("posture-scan",),
        hours=4,
        opening=(Opening("sts:AssumeRole", organization.home_region, caller),),
    )


def vendor(organization: Organization, account: Account) -> Actor:
    """A monitoring company's role."""
    caller = foreign_role(
        account, VENDOR_ACCOUNT, "collector", networks=VENDOR_NETWORK, agents=BOTO
    )
    return role(
        organization,
        account,
        "metrics-collector",
        networks=VENDOR_NETWORK,
        agents=GO,
        sessions=("collector",),
        hours=6,
        opening=(Opening("sts:AssumeRole", organization.home_region, caller),),
    )


PERMISSION_SETS: Final = ("Developer", "ReadOnly", "PlatformAdmin")


def person(
    organization: Organization, account: Account, name: str, permission_set: str, *, cli: bool
) -> Actor:
    """Somebody signed in through Identity Center, in the console or with the CLI."""
    home = organization.home_region
    digits = token(organization.seed, permission_set, account.account_id).hex()[:16]
    email = f"{name}@example.com"
    opening = [
        Opening("sso:Federate", home, _directory_user(organization, name)),
        Opening("sts:AssumeRoleWithSAML", home, _saml_user(organization, account, name)),
    ]
    if not cli:
        opening.append(Opening("signin:ConsoleLogin", organization.partition.global_region, None))
    actor = role(
        organization,
        account,
        f"AWSReservedSSO_{permission_set}_{digits}",
        path=f"/aws-reserved/sso.amazonaws.com/{home}/",
        networks=OFFICE,
        agents=CLI if cli else BROWSER,
        sessions=(email,),
        hours=12,
        opening=tuple(opening),
        console=not cli,
        own=f"{name}/{'cli' if cli else 'console'}",
    )
    return replace(actor, networks_later=OFFICE_LATER)


def _directory_user(organization: Organization, name: str) -> Actor:
    account = organization.management
    store = organization.arn("identitystore", "", account.account_id, "identitystore/d-9a6example")
    user_id = f"{token(name).hex()[:8]}-c0c1-70a1-0a3a-{token(name).hex()[8:20]}"
    return Actor(
        name=f"{account.account_id}/directory/{name}",
        account_id=account.account_id,
        principal_arn=user_id,
        caller_arn=user_id,
        identity=identity_json(
            {
                "type": "IdentityCenterUser",
                "accountId": account.account_id,
                "onBehalfOf": {"userId": user_id, "identityStoreArn": store},
                "credentialId": f"EXAMPLE{token(name, 'credential').hex()[:24]}",
            }
        ),
        networks=OFFICE,
        networks_later=OFFICE_LATER,
        agents=BROWSER,
    )


def _saml_user(organization: Organization, account: Account, name: str) -> Actor:
    email = f"{name}@example.com"
    provider = organization.arn("iam", "", account.account_id, "saml-provider/AWSSSO")
    return Actor(
        name=f"{account.account_id}/saml/{name}",
        account_id=account.account_id,
        principal_arn=email,
        caller_arn=email,
        identity=identity_json(
            {
                "type": "SAMLUser",
                "principalId": f"EXAMPLENameQualifier=:{email}",
                "userName": email,
                "identityProvider": provider,
            }
        ),
        networks=("AWS Internal",),
        agents=("AWS Internal",),
    )


def root(organization: Organization, account: Account) -> Actor:
    """The account's root user, in the console."""
    account_id = account.account_id
    arn = organization.arn("iam", "", account_id, "root")
    return Actor(
        name=f"{account_id}/root",
        account_id=account_id,
        principal_arn=arn,
        caller_arn=arn,
        identity=identity_json(
            {
                "type": "Root",
                "principalId": account_id,
                "arn": arn,
                "accountId": account_id,
                "accessKeyId": "",
            }
        ),
        networks=OFFICE,
        networks_later=OFFICE_LATER,
        agents=BROWSER,
    )


def failed_sign_in(organization: Organization, account: Account, name: str) -> Actor:
    """An IAM user at the console's door: a failed sign-in carries no ARN and an empty key."""
    account_id = account.account_id
    return Actor(
        name=f"{account_id}/sign-in/{name}",
        account_id=account_id,
        principal_arn=organization.arn("iam", "", account_id, f"user/{name}"),
        caller_arn=name,
        identity=identity_json(
            {"type": "IAMUser", "accountId": account_id, "accessKeyId": "", "userName": name}
        ),
        networks=OFFICE,
        networks_later=OFFICE_LATER,
        agents=BROWSER,
    )


def account_octet(account: Account) -> int:
    """The last part of an account's NAT address."""
    return 10 + token(account.account_id, "nat")[0] % 200


def agent_role(organization: Organization, account: Account) -> Actor:
    """The role of instances that tell Systems Manager every ten minutes that they live."""
    actor = instance_role(organization, account, "fleet-agent")
    return replace(actor, agents=SSM_AGENT)


def reports_user(organization: Organization, account: Account) -> Actor:
    """An old user with a key, with which a machine in the office's data centre makes reports."""
    return user(organization, account, "reports-export", networks=REPORTS_NETWORK, agents=BOTO)


def inventory_role(organization: Organization, account: Account) -> Actor:
    """A role that lists what there is, twice an hour."""
    return task_role(organization, account, "inventory-sync")


def nightly_role(organization: Organization, account: Account) -> Actor:
    """The role of the nightly batch."""
    return task_role(organization, account, "etl-nightly")


def notebook_role(organization: Organization, account: Account) -> Actor:
    """The role of a data scientist's notebook, which now and then asks for what it may not."""
    return instance_role(organization, account, "sandbox-notebook")


def cost_role(organization: Organization, account: Account) -> Actor:
    """The role of a function that writes the daily cost report."""
    return function_role(organization, account, "cost-report")


def terraform_role(organization: Organization, account: Account) -> Actor:
    """The role with which Terraform plans and applies."""
    actor = build_role(organization, account, "terraform-apply")
    return replace(actor, agents=TERRAFORM)


def vending_role(organization: Organization, account: Account) -> Actor:
    """The role of the account factory."""
    return function_role(organization, account, "account-factory")


def stack_set_role(organization: Organization, account: Account) -> Actor:
    """The role with which CloudFormation rolls a StackSet out to an account."""
    return role(
        organization,
        account,
        "stacksets-exec-7f3a",
        networks=(),
        agents=(),
        sessions=("StackSet-*",),
        hours=1,
        invoked_by="cloudformation.amazonaws.com",
        opening=(
            Opening(
                "sts:AssumeRole",
                organization.home_region,
                service(account, "member.org.stacksets.cloudformation.amazonaws.com"),
            ),
        ),
    )


def rotation_role(organization: Organization, account: Account) -> Actor:
    """The role of the function that replaces users' keys."""
    return function_role(organization, account, "key-rotation")


def guard_role(organization: Organization, account: Account) -> Actor:
    """The role of the function that starts a stopped trail again."""
    return function_role(organization, account, "trail-guard")


def console_user(organization: Organization, account: Account, name: str) -> Actor:
    """An IAM user in the console, whose session has a temporary key."""
    actor = user(organization, account, name, networks=OFFICE, agents=BROWSER)
    key = key_id("ASIA", organization.seed, account.account_id, name)
    return replace(actor, access_keys=(key, key), console=True, networks_later=OFFICE_LATER)

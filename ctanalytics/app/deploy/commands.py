"""Commands: what to type to deploy what was rendered."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import Kit

_GO_ON = " \\\n  "


@dataclass(frozen=True)
class Telling:
    """What the commands speak of."""

    folder: Path
    """Where the files lie."""
    stack: str
    region: str
    profile: str
    prefix: str
    overrides: Mapping[str, str]
    """Parameters of the template that were given."""

    def aws(self, region: str = "") -> str:
        """Return the AWS CLI with its flags, for a region as the shell has it."""
        flags = {"profile": shlex.quote(self.profile) if self.profile else "", "region": region}
        return "aws" + "".join(f" --{name} {text}" for name, text in flags.items() if text)

    @property
    def here(self) -> str:
        """The AWS CLI in the region that was given, or the environment's."""
        return self.aws(shlex.quote(self.region) if self.region else "")

    def file(self, name: str) -> str:
        """Return the path of one of the files, quoted."""
        return shlex.quote(str(self.folder / name))


def commands(one: Kit, told: Telling) -> list[str]:
    """Return a shell's commands in order; a word in capitals is left to a person."""
    if not one.parts:
        return _install(one, told)
    if one.stack_set:
        return _everywhere(one, told)
    lines: list[str] = []
    deploy = _deploy(one, told, told.here)
    if (told.folder / f"{one.name}.yaml").stat().st_size > compose.MOST_BYTES:
        # CloudFormation takes a template of this size from a bucket alone.
        account = f"$({told.here} sts get-caller-identity --query Account --output text)"
        bucket = f'"{told.prefix}-templates-{account}"'
        lines.append(f"{told.here} s3 mb s3://{bucket}")
        deploy.append(f"--s3-bucket {bucket}")
    lines.append(_GO_ON.join(deploy))
    lines.append(
        f"{told.here} cloudformation describe-stacks --stack-name {shlex.quote(told.stack)}"
        f" > {told.file(f'{one.name}.outputs.json')}"
    )
    if "Dockerfile" in one.files:
        lines += _image(told)
    return lines


def _deploy(one: Kit, told: Telling, aws: str) -> list[str]:
    found = [
        f"{aws} cloudformation deploy",
        f"--stack-name {shlex.quote(told.stack)}",
        f"--template-file {told.file(f'{one.name}.yaml')}",
        "--capabilities CAPABILITY_NAMED_IAM",
    ]
    if told.overrides:
        # Said again although they are defaults now: an update keeps a stack's old values else.
        pairs = " ".join(shlex.quote(f"{name}={text}") for name, text in told.overrides.items())
        found.append(f"--parameter-overrides {pairs}")
    return found


def _everywhere(one: Kit, told: Telling) -> list[str]:
    """A StackSet of the organization; in one account alone, a stack in each other region."""
    if told.overrides["SecurityAccountId"] == told.overrides["LogArchiveAccountId"]:
        deploy = _GO_ON.join(_deploy(one, told, told.aws('"$region"')))
        return [f"for region in OTHER_REGIONS; do {deploy}; done"]
    pairs = " ".join(
        shlex.quote(f"ParameterKey={name},ParameterValue={text}")
        for name, text in told.overrides.items()
    )
    template = shlex.quote(f"file://{told.folder / one.name}.yaml")
    create = [
        f"{told.here} cloudformation create-stack-set",
        f"--stack-set-name {shlex.quote(told.stack)}",
        f"--template-body {template}",
        "--capabilities CAPABILITY_NAMED_IAM",
        "--permission-model SERVICE_MANAGED",
        "--auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false",
        f"--parameters {pairs}",
    ]
    instances = [
        f"{told.here} cloudformation create-stack-instances",
        f"--stack-set-name {shlex.quote(told.stack)}",
        "--deployment-targets OrganizationalUnitIds=ROOT_OR_UNITS",
        "--regions GOVERNED_REGIONS",
        "--operation-preferences RegionConcurrencyType=PARALLEL,MaxConcurrentPercentage=100,"
        "FailureTolerancePercentage=10",
    ]
    return [_GO_ON.join(create), _GO_ON.join(instances)]


def _image(told: Telling) -> list[str]:
    query = "Stacks[0].Outputs[?OutputKey=='RepositoryUri'].OutputValue"
    image = f'"$repository":{shlex.quote(told.overrides["ImageTag"])}'
    stack = shlex.quote(told.stack)
    return [
        f"repository=$({told.here} cloudformation describe-stacks --stack-name {stack}"
        f' --query "{query}" --output text)',
        f"{told.here} ecr get-login-password"
        ' | docker login --username AWS --password-stdin "${repository%%/*}"',
        f"docker build --tag {image} {shlex.quote(str(told.folder))}",
        f"docker push {image}",
    ]


def _install(one: Kit, told: Telling) -> list[str]:
    places = {
        ".toml": "/etc/ctanalytics/ctanalytics.toml",
        ".service": "/etc/systemd/system/ctanalytics-nightly.service",
        ".timer": "/etc/systemd/system/ctanalytics-nightly.timer",
        ".cron": "/etc/cron.d/ctanalytics-nightly",
    }
    lines = [
        f"sudo install -D -m 0644 {told.file(name)} {places[Path(name).suffix]}"
        for name in one.files
    ]
    if one.name == "systemd":
        lines.append("sudo systemctl daemon-reload")
        lines.append("sudo systemctl enable --now ctanalytics-nightly.timer")
    return lines

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctanalytics import settings
from ctanalytics.app.deploy.render import RenderResult, render
from tests.deploy import cloudformation, stacks
from tests.deploy.stacks import SECURITY, Stack

LAKE = {
    "Sources": "s3://central-logs,s3://other-logs/prefix",
    "LakePlace": "s3://ctanalytics-lake-333333333333-eu-west-1/lake",
    "ReportPlace": "s3://ctanalytics-reports-333333333333-eu-west-1/reports",
    "LakeKeyArn": "arn:aws:kms:eu-west-1:333333333333:key/0000-EXAMPLE",
    "IngestRoleArn": "arn:aws:iam::222222222222:role/ctanalytics-ingest",
    "EmitRoleArn": "arn:aws:iam::333333333333:role/ctanalytics-emit",
    "AlertTopicArn": "arn:aws:sns:eu-west-1:333333333333:ctanalytics-alerts",
    "Region": "eu-west-1",
}
FARGATE = LAKE | {
    "ImageTag": "2026-11-28",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
}
NIGHTLY = ["nightly", "--config", "/etc/ctanalytics/ctanalytics.toml", "--log-format", "json"]


def _rendered(name: str, folder: Path, **more: str) -> RenderResult:
    return render(name, values=(FARGATE if name == "nightly" else LAKE) | more, output=folder)


@pytest.mark.parametrize("name", ["nightly", "systemd", "cron"])
def test_the_settings_file_is_one_that_ctanalytics_reads(tmp_path: Path, name: str) -> None:
    _rendered(name, tmp_path)
    found = settings.load(file=tmp_path / "ctanalytics.toml", environ={})
    assert found.sources == ["s3://central-logs", "s3://other-logs/prefix"]
    assert found.lake == LAKE["LakePlace"]
    assert found.report.output == LAKE["ReportPlace"]
    assert found.source_aws.role_arn == LAKE["IngestRoleArn"]
    assert found.lake_aws.kms_key_id == LAKE["LakeKeyArn"]
    assert found.lake_aws.sse == "aws:kms"
    assert found.emit_aws.role_arn == LAKE["EmitRoleArn"]
    # The alarms on missed nights wait for this namespace.
    assert found.emit.targets == ["cloudwatch:Ctanalytics", f"sns:{LAKE['AlertTopicArn']}"]


def test_values_can_not_break_out_of_the_settings_file(tmp_path: Path) -> None:
    place = 'lake"\nsources = ["s3://elsewhere"]\n# \\'
    _rendered("cron", tmp_path, LakePlace=place)
    assert settings.load(file=tmp_path / "ctanalytics.toml", environ={}).lake == place


def test_the_image_runs_without_root_on_a_root_that_is_not_written(tmp_path: Path) -> None:
    _rendered("nightly", tmp_path)
    steps = _dockerfile((tmp_path / "Dockerfile").read_text("utf-8"))
    final = steps[max(index for index, (verb, _) in enumerate(steps) if verb == "FROM") :]
    said: dict[str, list[str]] = {}
    for verb, text in final:
        said.setdefault(verb, []).append(text)

    assert said["USER"] == ["10001:10001"]
    assert json.loads(said["ENTRYPOINT"][0]) == ["/opt/ctanalytics/bin/ctanalytics"]
    assert json.loads(said["CMD"][0]) == NIGHTLY
    assert json.loads(said["VOLUME"][0]) == ["/scratch"]
    assert said["HEALTHCHECK"][0].endswith(
        'CMD ["/opt/ctanalytics/bin/python", "/opt/ctanalytics/healthcheck.py"]'
    )
    # All that writes is sent to the volume.
    environment = dict(pair.split("=", 1) for pair in said["ENV"][0].split())
    assert {environment[name] for name in ("HOME", "TMPDIR", "CTANALYTICS_CARE_SPILL")} == {
        "/scratch"
    }
    # What hadolint and Docker's own checks look for.
    assert not any(verb in ("ADD", "MAINTAINER") for verb, _ in steps)
    assert all(":latest" not in text for verb, text in steps if verb in ("ARG", "FROM"))
    assert all(":" in text or "$" in text for verb, text in steps if verb == "FROM")
    assert not any("sudo" in text or "apt-get" in text for verb, text in steps if verb == "RUN")
    assert all("--no-cache-dir" in text for verb, text in steps if "pip install" in text)
    # Of the folder only what the image needs is sent, so that no secret beside it gets in.
    ignored = (tmp_path / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    copied = {text.split()[0] for verb, text in final if verb == "COPY" and "--from" not in text}
    assert copied == {line.removeprefix("!") for line in ignored[1:]} - {"*.whl"}


def test_the_healthcheck_tells_a_full_or_closed_folder(tmp_path: Path) -> None:
    _rendered("nightly", tmp_path)
    check = [sys.executable, str(tmp_path / "healthcheck.py")]

    def run(folder: Path) -> int:
        done = subprocess.run(
            check, env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, check=False
        )
        return done.returncode

    assert run(tmp_path) == 0
    assert run(tmp_path / "missing") == 1


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    _rendered("systemd", tmp_path, StateFolder="/var/lib", Program="/bin/true", RunAsUser="daemon")
    units = [str(tmp_path / f"ctanalytics-nightly.{kind}") for kind in ("service", "timer")]
    tool = shutil.which("systemd-analyze")
    if tool:  # where there is no systemd, the next test reads them all the same
        done = subprocess.run(
            [tool, "verify", "--man=no", *units], capture_output=True, text=True, check=False
        )
        complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
        assert (done.returncode, complaints) == (0, [])
    service = _unit(Path(units[0]))
    timer = _unit(Path(units[1]))
    assert service["Service"]["ExecStart"].split()[1:] == NIGHTLY
    assert service["Service"]["Type"] == "oneshot"
    assert {
        name: service["Service"][name]
        for name in ("NoNewPrivileges", "ProtectSystem", "ReadWritePaths", "CapabilityBoundingSet")
    } == {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ReadWritePaths": "/var/lib",
        "CapabilityBoundingSet": "",
    }
    assert timer["Timer"] == {
        "OnCalendar": "*-*-* 03:00:00 UTC",
        "Persistent": "true",
        "RandomizedDelaySec": "300",
    }


def test_the_cron_table_has_one_line_that_cron_runs(tmp_path: Path) -> None:
    _rendered("cron", tmp_path, RunAt="04:25")
    text = (tmp_path / "ctanalytics-nightly.cron").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    (job,) = jobs
    minute, hour, *days, user, command = job.split(maxsplit=6)
    assert (minute, hour, days, user) == ("25", "04", ["*", "*", "*"], "ctanalytics")
    assert "%" not in command  # cron would end the line there
    assert "nightly --config /etc/ctanalytics/ctanalytics.toml" in command
    assert text.endswith("\n")  # cron reads no line without an end


def test_commands_of_a_host_install_each_file_where_it_is_read(tmp_path: Path) -> None:
    commands = _rendered("systemd", tmp_path).commands
    assert [command.split()[-1] for command in commands[:3]] == [
        "/etc/systemd/system/ctanalytics-nightly.service",
        "/etc/systemd/system/ctanalytics-nightly.timer",
        "/etc/ctanalytics/ctanalytics.toml",
    ]
    assert "docker build" in " ".join(_rendered("nightly", tmp_path / "image").commands)


@pytest.fixture(scope="module")
def fargate() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as monkeypatch, stacks.deployer(monkeypatch):
        ec2 = cloudformation.client("ec2", stacks.REGION, SECURITY)
        subnets = ec2.describe_subnets()["Subnets"][:2]
        values = {
            "ImageTag": "2026-11-28",
            "VpcId": subnets[0]["VpcId"],
            "SubnetIds": ",".join(each["SubnetId"] for each in subnets),
        }
        yield stacks.deploy("nightly", values, account=SECURITY)


def test_the_schedule_starts_the_task_and_may_start_nothing_else(fargate: Stack) -> None:
    scheduler, ecs, iam = (fargate.client(name) for name in ("scheduler", "ecs", "iam"))
    schedule = scheduler.get_schedule(Name="ctanalytics-nightly", GroupName="ctanalytics-nightly")
    task = ecs.describe_task_definition(taskDefinition="ctanalytics-nightly")["taskDefinition"]
    (container,) = task["containerDefinitions"]
    role = iam.get_role_policy(RoleName="ctanalytics-nightly-schedule", PolicyName="start")
    run, give, queue = role["PolicyDocument"]["Statement"]

    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert schedule["Target"]["EcsParameters"]["TaskDefinitionArn"] == task["taskDefinitionArn"]
    assert schedule["Target"]["DeadLetterConfig"]["Arn"].endswith("nightly-never-started")
    assert container["command"] == NIGHTLY
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001:10001"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert container["mountPoints"][0]["containerPath"] == "/scratch"
    assert task["taskRoleArn"] == f"arn:aws:iam::{SECURITY}:role/ctanalytics-nightly"
    assert run["Action"] == "ecs:RunTask"
    assert run["Condition"]["ArnEquals"]["ecs:cluster"].endswith("cluster/ctanalytics-nightly")
    assert give["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    assert set(give["Resource"]) == {task["taskRoleArn"], task["executionRoleArn"]}
    assert queue["Action"] == "sqs:SendMessage"


def test_nights_that_fail_or_never_start_are_told_to_the_topic(fargate: Stack) -> None:
    from moto.events.models import EventPattern

    topic = f"arn:aws:sns:eu-west-1:{SECURITY}:ctanalytics-alerts"
    events = fargate.client("events")
    rule = events.describe_rule(Name="ctanalytics-nightly-failed")
    (target,) = events.list_targets_by_rule(Rule="ctanalytics-nightly-failed")["Targets"]
    (alarm,) = fargate.client("cloudwatch").describe_alarms()["MetricAlarms"]
    pattern = EventPattern(None, json.loads(rule["EventPattern"]))
    cluster = json.loads(rule["EventPattern"])["detail"]["clusterArn"][0]

    def told(**detail: object) -> bool:
        event = {
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "detail": {"clusterArn": cluster, "lastStatus": "STOPPED", **detail},
        }
        return pattern.matches_event(event)  # type: ignore[arg-type]

    assert target["Arn"] == topic
    assert alarm["AlarmActions"] == [topic]
    assert told(containers={"exitCode": 1})
    assert told(containers={"exitCode": 3})
    assert told(stopCode="TaskFailedToStart", containers={})
    assert not told(containers={"exitCode": 0}, stopCode="EssentialContainerExited")
    assert not told(containers={"exitCode": 1}, lastStatus="RUNNING")


def test_the_task_reaches_out_by_https_and_nothing_comes_in(fargate: Stack) -> None:
    groups = fargate.client("ec2").describe_security_groups()["SecurityGroups"]
    (group,) = [one for one in groups if "nightly" in one["Description"]]
    assert group["IpPermissions"] == []
    assert [(one["FromPort"], one["ToPort"]) for one in group["IpPermissionsEgress"]] == [
        (443, 443)
    ]


def _dockerfile(text: str) -> list[tuple[str, str]]:
    """Read instructions: continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1])
        for line in joined.splitlines()
        if line.strip()
    ]


def _unit(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(path, "utf-8")
    return found

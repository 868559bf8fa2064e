from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit, kits, table
from ctanalytics.app.deploy.parameters import given
from ctanalytics.app.deploy.render import parameters, render
from ctanalytics.cli.main import main
from ctanalytics.errors import UsageError

TEMPLATES = [
    pytest.param(one.name, mode, id=f"{one.name}-{mode or 'new'}")
    for one in kits().values()
    if one.parts
    for mode in ("", *one.modes)
]
ACCOUNTS = {
    "SecurityAccountId": "333333333333",
    "LogArchiveAccountId": "222222222222",
    "HomeRegion": "eu-west-1",
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, each read as what it holds."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in one object: {keys}"
        return super().construct_mapping(node, deep)


def _tag(loader: Any, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: node.value}
    return {suffix: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", _tag)


@cache
def _template(name: str, mode: str) -> tuple[str, dict[str, Any]]:
    text = compose.template(kit(name), mode, {})
    return text, yaml.load(text, Loader)


@pytest.mark.parametrize(("name", "mode"), TEMPLATES)
def test_a_template_is_whole_and_of_no_partition_or_region(name: str, mode: str) -> None:
    text, template = _template(name, mode)
    used = set(re.findall(r"!Ref \"?(\w+)|\$\{(\w+)[.}]", text))
    names = {one or other for one, other in used} - {"AWS"}

    assert names <= set(template["Parameters"]) | set(template["Resources"])
    assert set(template["Parameters"]) <= names, "parameters that nothing uses"
    assert "null" not in json.dumps(template), "something is named and not said"
    assert "<<" not in text
    assert "#%" not in text
    assert not re.search(r"arn:aws[a-z-]*:", text)
    assert not re.search(r"\b(us|eu|ap|sa|ca|me|af|cn)-[a-z]+-\d", text)
    assert len(text) < 1_000_000  # CloudFormation's limit on a template in a bucket


@pytest.mark.parametrize(("name", "mode"), [each for each in TEMPLATES if each.values[1]])
def test_what_is_there_already_is_not_made(name: str, mode: str) -> None:
    _, template = _template(name, mode)
    resources = template["Resources"]
    kinds = {one["Type"] for one in resources.values()}

    assert not kinds & {
        "AWS::CloudTrail::Trail",
        "AWS::Config::ConfigurationRecorder",
        "AWS::Config::DeliveryChannel",
        "AWS::IAM::Group",
        "AWS::Logs::LogGroup",
        "AWS::Organizations::Policy",
    }
    assert not set(resources) & {"LogBucket", "LogBucketPolicy", "LogKey", "ConfigBucket"}
    # Policies, settings and the like of a thing are resources beside it: none names what is there.
    for one in resources.values():
        if one["Type"] in ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
            assert "LogBucketName" not in json.dumps(one)


def test_every_alarm_and_topic_of_ours_is_named_so_that_tampering_is_seen() -> None:
    """The rules tell our things by the prefix of their names."""
    for name, mode in ((each.values[0], each.values[1]) for each in TEMPLATES):
        _, template = _template(str(name), str(mode))
        for logical, one in template["Resources"].items():
            properties = one["Properties"]
            for key in ("AlarmName", "TopicName", "BucketName", "RoleName", "QueueName"):
                if key in properties:
                    assert properties[key]["Sub"].startswith("${Prefix}-"), logical
            if "LogGroupName" in properties and one["Type"] == "AWS::Logs::LogGroup":
                assert properties["LogGroupName"]["Sub"].startswith("/${Prefix}/"), logical


def test_switches_for_data_events_tell_their_cost() -> None:
    found = parameters(kit("single-account"), "")
    for switch in table("data_events.toml")["switches"]:
        one = found[switch["parameter"]]
        assert one.default == "no"
        assert "Cost" in one.about
    assert {switch["resource_type"] for switch in table("data_events.toml")["switches"]} == {
        "AWS::S3::Object",
        "AWS::S3::AccessPoint",
        "AWS::S3Outposts::Object",
        "AWS::DynamoDB::Table",
        "AWS::DynamoDB::Stream",
        "AWS::ManagedBlockchain::Node",
        "AWS::Lambda::Function",
    }


def test_all_wrong_parameters_are_told_at_once(tmp_path: Path) -> None:
    values = given(
        ["AlertEmai=x", "AlertEmail=nobody", "ObjectLockMode=ON", "ExpireAfterDays=9", "Prefix=A"]
    )
    with pytest.raises(UsageError) as error:
        render("single-account", values=values, output=tmp_path)
    for told in (
        "AlertEmai is not known, did you mean AlertEmail?",
        "AlertEmail must be one address, or empty, and is 'nobody'",
        "ObjectLockMode must be NONE, GOVERNANCE or COMPLIANCE",
        "ExpireAfterDays must be at least 366",
        "Prefix must be 3 to 20 lower-case letters",
    ):
        assert told in error.value.what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        pytest.param("log-archive", {}, "OrganizationId is needed", id="needed"),
        pytest.param(
            "single-account",
            {"ObjectLockDays": "3000"},
            "ExpireAfterDays must be more than ObjectLockDays",
            id="retention-over-expiry",
        ),
        pytest.param(
            "nightly",
            {
                "TaskCpu": "8192",
                "TaskMemory": "4096",
                "ImageTag": "1",
                "VpcId": "vpc-0123456789abcdef0",
                "SubnetIds": "subnet-0123456789abcdef0",
                "Sources": "s3://logs",
                "LakePlace": "s3://lake/lake",
                "ReportPlace": "s3://reports/reports",
            },
            "TaskMemory must be one of 16384, 30720",
            id="fargate-has-no-such-size",
        ),
    ],
)
def test_values_that_do_not_go_together_are_told(
    tmp_path: Path, name: str, values: dict[str, str], told: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        render(name, values=values, output=tmp_path)


def test_values_are_defaults_of_the_template_and_said_again_in_the_command(
    tmp_path: Path,
) -> None:
    # An update of a stack keeps its old value where only a default changed.
    values = {"AlertEmail": "a@example.com", "ArchiveAfterDays": "400"}
    result = render("single-account", values=values, output=tmp_path, region="eu-west-1")
    template = yaml.load(result.files[0].read_text("utf-8"), Loader)
    bucket, deploy, outputs = result.commands

    assert template["Parameters"]["AlertEmail"]["Default"] == "a@example.com"
    assert template["Parameters"]["ArchiveAfterDays"]["Default"] == 400
    assert "--parameter-overrides AlertEmail=a@example.com ArchiveAfterDays=400" in deploy
    assert "--capabilities CAPABILITY_NAMED_IAM" in deploy
    assert deploy.startswith("aws --region eu-west-1 cloudformation deploy")
    # This one is too large for CloudFormation to take by itself.
    assert result.files[0].stat().st_size > compose.MOST_BYTES
    assert "s3 mb" in bucket
    assert "--s3-bucket" in deploy
    assert outputs.endswith("single-account.outputs.json")


def test_a_small_template_needs_no_bucket(tmp_path: Path) -> None:
    values = {"LogBucketName": "old-logs", "SecurityAccountId": "333333333333"}
    result = render("log-archive", values=values, output=tmp_path, mode="existing-bucket")
    assert not any("s3" in command.split()[1] for command in result.commands)
    assert "--s3-bucket" not in " ".join(result.commands)


def test_the_region_goes_out_as_a_stack_set_or_one_by_one(tmp_path: Path) -> None:
    values = {**ACCOUNTS, "OrganizationId": "o-a1b2c3d4e5"}
    values = {key: text for key, text in values.items() if key in parameters(kit("region"), "")}
    create, instances = render("region", values=values, output=tmp_path).commands
    alone = values | {"LogArchiveAccountId": values["SecurityAccountId"]}
    (loop,) = render("region", values=alone, output=tmp_path, force=True).commands
    assert "create-stack-set" in create
    assert "SERVICE_MANAGED" in create
    assert "create-stack-instances" in instances
    assert loop.startswith('for region in OTHER_REGIONS; do aws --region "$region" cloudform')


def test_outputs_of_a_stack_fill_parameters_of_the_same_names(tmp_path: Path) -> None:
    arn = "arn:aws:kms:eu-west-1:222222222222:key/0000-EXAMPLE"
    file = tmp_path / "log-archive.json"
    outputs = [
        {"OutputKey": "LogKeyArn", "OutputValue": arn},
        {"OutputKey": "SomethingElse", "OutputValue": "1"},
    ]
    file.write_text(json.dumps({"Stacks": [{"Outputs": outputs}]}), "utf-8")
    values = {**ACCOUNTS, "OrganizationId": "o-a1b2c3d4e5"}
    values = {k: v for k, v in values.items() if k in parameters(kit("management"), "")}
    result = render("management", values=values, outputs=[file], output=tmp_path / "out")
    assert result.parameters["LogKeyArn"] == arn
    file.write_text("[]x", "utf-8")
    with pytest.raises(UsageError, match="no outputs of a stack can be read"):
        render("management", values=values, outputs=[file], output=tmp_path / "out")


def test_a_file_that_a_person_changed_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["deploy", "render", "single-account", "--output", str(tmp_path)]
    assert main(arguments) == 0
    assert main(arguments) == 0  # the same again changes nothing
    (tmp_path / "single-account.yaml").write_text("mine", "utf-8")
    assert main(arguments) == 2
    assert (tmp_path / "single-account.yaml").read_text("utf-8") == "mine"
    assert main([*arguments, "--force"]) == 0
    assert "single-account.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        pytest.param(["--existing-trail", "--control-tower"], "exclude each other", id="both"),
        pytest.param(["--control-tower"], "does not apply to single-account", id="wrong-kit"),
        pytest.param(["--param", "Prefix"], "is not a parameter", id="no-value"),
        pytest.param(["--param", "A=1", "--param", "A=2"], "given twice", id="twice"),
    ],
)
def test_wrong_flags_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    assert main(["deploy", "render", "single-account", "-o", str(tmp_path), *flags]) == 2
    assert told in capsys.readouterr().err


def test_list_tells_kits_and_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found][:4] == [
        "single-account",
        "security-tooling",
        "log-archive",
        "management",
    ]
    assert main(["deploy", "list", "management", "--control-tower", "--json"]) == 0
    group = next(
        one for one in json.loads(capsys.readouterr().out) if one["name"] == "LogGroupName"
    )
    assert group["default"] == "aws-controltower/CloudTrailLogs"
    assert main(["deploy", "list", "manegement"]) == 2
    assert "did you mean management?" in capsys.readouterr().err

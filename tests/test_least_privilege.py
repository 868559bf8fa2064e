"""The rights that docs/security.md lists are enough, and each of them is needed.

The local server enforces IAM policies: each command acts as a user who has those rights and no others.
Conditions and KMS it does not enforce; what it can't show is named in BEYOND.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto.core import authorization

from ctanalytics.cli.main import main
from tests.aws_server import ACCOUNT, REGION, Server, aws_server
from tests.emitters import alerts
from tests.logs import corpus

PAGE = Path(__file__).parent.parent / "docs" / "security.md"
BEYOND = frozenset(
    (
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:AbortMultipartUpload",
        "s3:RestoreObject",
        "cloudtrail:LookupEvents",
        "securityhub:BatchImportFindings",
    )
)
"""Rights that these runs have no use for: the server has no keys, and their files are small."""
NAMES = {"cloudwatch": "monitoring", "sns:Publish": "sns:PublishBatch"}
"""What the local server calls otherwise: AWS asks for sns:Publish where a batch is published."""
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
QUEUE = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/new-logs"


def listed(row: str) -> list[str]:
    """The rights that the page's table has for a row that begins like this."""
    (line,) = re.findall(rf"^\| {re.escape(row)}.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    service, found = "", []
    for named in re.findall(r"`([A-Za-z0-9]+:)?([A-Z][A-Za-z]+)`", line.split(" | ", 1)[1]):
        service = named[0] or service
        found.append(service + named[1])
    return found


@dataclass(frozen=True)
class Case:
    """A command, the rows of the page whose rights it needs, and what else it uses."""

    rows: tuple[str, ...]
    line: str


CASES = {
    "ingest": Case(("`ingest`",), "ingest s3://logs --since 2026-02-28 --lake lake"),
    "queue": Case(("`ingest`",), f"ingest s3://logs --queue {QUEUE} --lake lake"),
    "lake": Case(("lake in S3, writing",), "ingest raw --lake s3://lake/new"),
    "compact": Case(("lake in S3, writing",), "lake compact --lake s3://lake"),
    "query": Case(("`query`, `report`",), "query 'select count(*) from events' --lake s3://lake"),
    "sns": Case(("`emit`",), f"emit --lake alerts --to sns:{TOPIC}"),
    "cloudwatch": Case(("`emit`",), "emit --lake alerts --to cloudwatch:Trail"),
    "logs": Case(("`emit`",), "emit --lake alerts --to logs:/alerts"),
    "eventbridge": Case(("`emit`",), "emit --lake alerts --to eventbridge:default"),
    "accounts": Case(("`accounts sync`",), "accounts sync --lake local"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    """Logs in a folder and a bucket, lakes here and in S3, a topic, a queue, a log group."""
    made = tmp_path_factory.mktemp("rights")
    corpus(made / "raw", files=2, per_file=3)
    alerts.lake(made / "alerts", alerts.row("a"))
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as server:
        patch.chdir(made)
        s3 = server.bucket("logs")
        server.bucket("lake")
        for path in sorted((made / "raw").rglob("*.gz")):
            s3.put_object(
                Bucket="logs", Key=path.relative_to(made / "raw").as_posix(), Body=path.read_bytes()
            )
        server.client("sns").create_topic(Name="alerts")
        server.client("sqs").create_queue(QueueName="new-logs")
        server.client("logs").create_log_group(logGroupName="/alerts")
        server.client("organizations", "us-east-1").create_organization(FeatureSet="ALL")
        assert main(["ingest", "raw", "--lake", "local"]) == 0
        assert main(["ingest", "raw", "--lake", "s3://lake"]) == 0
        yield made, server


@contextmanager
def only(server: Server, rights: list[str], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Act as a user who may do just this."""
    iam = server.client("iam")
    name = f"user{len(iam.list_users()['Users'])}"
    iam.create_user(UserName=name)
    for ours, theirs in NAMES.items():
        rights = rights + [right.replace(ours, theirs) for right in rights if ours in right]
    allowed = {"Effect": "Allow", "Action": rights, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    patch.setattr(authorization.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    try:
        yield
    finally:
        patch.undo()


def ran(line: str, place: tuple[Path, Server], rights: list[str]) -> int:
    """Run a command with these rights alone."""
    made, server = place
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        with only(server, rights, patch):
            return main(shlex.split(line))


@pytest.mark.parametrize("name", CASES)
def test_the_rights_of_the_page_are_enough(
    name: str, place: tuple[Path, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    rights = [right for row in case.rows for right in listed(row)]
    assert ran(case.line, place, rights) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("ingest", "s3:ListBucket"),
        ("ingest", "s3:GetObject"),
        ("queue", "sqs:ReceiveMessage"),
        ("lake", "s3:PutObject"),
        ("query", "s3:ListBucket"),
        ("query", "s3:GetObject"),
        ("sns", "sns:Publish"),
        ("cloudwatch", "cloudwatch:PutMetricData"),
        ("logs", "logs:PutLogEvents"),
        ("eventbridge", "events:PutEvents"),
        ("accounts", "organizations:ListRoots"),
        ("accounts", "organizations:ListAccountsForParent"),
    ],
)
def test_a_right_that_is_missing_is_named(
    name: str, right: str, place: tuple[Path, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    """That a command fails without it also shows that the server enforces anything."""
    case = CASES[name]
    rights = [other for row in case.rows for other in listed(row) if other != right]
    own = right.replace(":", "-")
    line = re.sub(r"--lake (lake|s3://lake/new)$", rf"--lake \1-{own}", case.line)
    if "--lake alerts" in line:
        alerts.lake(place[0] / own, alerts.row(right))
        line = line.replace("--lake alerts", f"--lake {own}")
    assert ran(line, place, rights) in (1, 3)
    said = capsys.readouterr()
    assert right.split(":")[1] in said.out + said.err

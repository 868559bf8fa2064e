"""The policy that a role's history needs, what it has beyond that, and what a proposal would stop."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.policy import build_policy
from ctanalytics.cli.main import main
from ctanalytics.errors import CtanalyticsError, UsageError
from tests import logs
from tests.app.ingesting import run
from tests.logs import ACCOUNT, START, record

ROLE = f"arn:aws:iam::{ACCOUNT}:role/app/deploy"
EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/function-runs"
UNTIL = START + dt.timedelta(days=1)
NOBODY = {"type": "IAMUser", "accountId": ACCOUNT, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
"""Who signs in with a name that is none: a user without an ARN."""


def identity(name: str = "app/deploy", account: str = ACCOUNT) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name.rpartition('/')[2]}/build-7",
        "accountId": account,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{account}:role/{name}",
                "accountId": account,
                "userName": name.rpartition("/")[2],
            }
        },
    }


def call(number: int, source: str, name: str, request: Any, **fields: Any) -> dict[str, Any]:
    return record(
        number,
        userIdentity=fields.pop("userIdentity", identity()),
        eventSource=f"{source}.amazonaws.com",
        eventName=name,
        requestParameters=request,
        **fields,
    )


def events() -> list[dict[str, Any]]:
    buckets = [call(n, "s3", "GetBucketPolicy", {"bucketName": f"b{n % 2}"}) for n in range(6)]
    put = {"bucketName": "b0", "key": "releases/1.zip"}
    data = {"eventCategory": "Data", "managementEvent": False, "readOnly": False}
    version = {"bucketName": "b0", "key": "releases/1.zip", "versionId": "v"}
    function = {"functionName": "orders", "role": EXECUTION}
    return [
        *buckets,
        call(10, "s3", "PutObject", put, **data),
        call(11, "s3", "GetObject", put, **data),
        call(12, "s3", "GetObject", version, **data),
        call(13, "ec2", "DescribeInstances", {}),
        call(14, "lambda", "CreateFunction20150331", function, readOnly=False),
        call(15, "lambda", "GetFunction20150331v2", {"functionName": "orders"}, errorCode="ResourceNotFoundException"),
        call(16, "iam", "CreateUser", {"userName": "x"}, errorCode="AccessDenied", readOnly=False),
        call(17, "sts", "GetCallerIdentity", None),
        call(18, "ec2", "BrandNewCall", {}, awsRegion="us-east-1"),
        call(19, "ec2", "DescribeInstances", {}, errorCode="Client.RequestLimitExceeded"),
        call(20, "kms", "Decrypt", {"keyId": "k"}, userIdentity=identity("other/deploy")),
        call(21, "signin", "ConsoleLogin", None, userIdentity=NOBODY, errorMessage="Failed authentication"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("policy")
    logs.write(home / "logs" / logs.key(0), events())
    run(home / "logs", home / "lake")
    return home / "lake"


def written(folder: Path, *statements: dict[str, Any]) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    return path


def test_each_action_stands_with_its_resources_and_its_evidence(lake: Path) -> None:
    found = build_policy(ROLE, lake)
    assert found.until == dt.datetime.combine(
        START.date() + dt.timedelta(days=1), dt.time(), dt.UTC
    ), "logs of long ago are judged to their end"
    by_action = {use.action: (each, use) for each in found.statements for use in each.uses}
    assert by_action.keys() == {
        "s3:GetBucketPolicy",
        "s3:PutObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "ec2:DescribeInstances",
        "ec2:BrandNewCall",
        "lambda:CreateFunction",
        "lambda:GetFunction",
        "iam:PassRole",
    }
    statement, use = by_action["s3:GetBucketPolicy"]
    assert statement.resources == ("arn:aws:s3:::b0", "arn:aws:s3:::b1")
    assert (use.calls, use.last_use) == (6, START + dt.timedelta(seconds=5))
    assert use.event_ids == [logs.event_id(number) for number in (5, 4, 3)]
    assert by_action["s3:GetObject"][0].resources == ("arn:aws:s3:::b0/releases/1.zip",)
    assert by_action["s3:GetObject"][1].calls == by_action["s3:GetObjectVersion"][1].calls == 1
    assert by_action["ec2:DescribeInstances"][0].why_any == "the action takes no resource"
    assert by_action["ec2:DescribeInstances"][1].calls == 1  # the throttled one proves nothing
    assert by_action["lambda:GetFunction"][1].errors == 1
    passed, use = by_action["iam:PassRole"]
    assert (passed.resources, passed.doubtful) == ((EXECUTION,), True)
    assert "passing a role is no call" in (use.doubt or "")
    assert by_action["ec2:BrandNewCall"][1].doubt == "IAM lists no action of this name"
    assert list(found.history.denied) == ["iam:CreateUser"]
    assert found.history.unneeded == {"sts.amazonaws.com GetCallerIdentity": 1}


def test_its_own_policy_replayed_allows_all_that_was_allowed(lake: Path, tmp_path: Path) -> None:
    first = build_policy(ROLE, lake, until=UNTIL)
    own = written(tmp_path, *first.document["Statement"])
    found = build_policy(ROLE, lake, until=UNTIL, replayed=own, compare=own)
    assert {each.verdict for each in found.replayed or () if each.was == "used"} == {"allowed"}
    assert found.would_be_denied == 0
    assert {each.state for each in found.granted or ()} == {"used", "?"}  # PassRole


def test_a_narrower_policy_tells_which_calls_it_would_have_denied(
    lake: Path, tmp_path: Path
) -> None:
    narrow = written(
        tmp_path,
        {"Effect": "Allow", "Action": ["s3:*", "iam:CreateUser"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetBucketPolicy", "Resource": "arn:aws:s3:::b1"},
        {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}},
        {"Effect": "Allow", "Action": "lambda:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
    )  # fmt: skip
    found = build_policy(ROLE, lake, until=UNTIL, replayed=narrow)
    told: Counter[tuple[str, str, str]] = Counter()
    for each in found.replayed or ():
        told[each.event_name, each.was, each.verdict] += each.calls
    assert told == {
        ("GetBucketPolicy", "used", "denied"): 3,
        ("BrandNewCall", "used", "denied"): 1,
        ("CreateFunction20150331", "used", "denied"): 1,  # the role that it passes on
        ("GetFunction20150331v2", "used", "?"): 1,
        ("GetBucketPolicy", "used", "allowed"): 3,
        ("GetObject", "used", "allowed"): 2,
        ("PutObject", "used", "allowed"): 1,
        ("DescribeInstances", "used", "allowed"): 1,
        ("CreateUser", "denied", "allowed"): 1,
    }
    assert found.would_be_denied == 5
    (stopped,) = [each for each in found.replayed or () if each.event_name.startswith("Create") and each.was == "used"]  # fmt: skip
    assert (stopped.actions, stopped.resources) == (("iam:PassRole",), [EXECUTION])


def test_what_is_granted_and_not_used_is_told_apart_from_what_can_not_be_seen(
    lake: Path, tmp_path: Path
) -> None:
    given = written(
        tmp_path,
        {"Sid": "Wide", "Effect": "Allow", "Action": ["s3:Get*Policy", "sqs:SendMessage"], "Resource": "*"},
        {"Sid": "Two", "Effect": "Allow", "Action": "s3:GetBucketPolicy", "Resource": "*"},
    )  # fmt: skip
    granted = build_policy(ROLE, lake, until=UNTIL, compare=given).granted or ()
    found = {each.action: (each.sids, each.state) for each in granted}
    assert found["s3:GetBucketPolicy"] == (("Wide", "Two"), "used")
    assert found["s3:GetAccessPointPolicy"] == (("Wide",), "unused")
    assert found["sqs:SendMessage"] == (("Wide",), "?")


def test_many_arns_become_a_pattern_only_when_that_is_asked_for(tmp_path: Path) -> None:
    data = {"eventCategory": "Data", "managementEvent": False}
    calls = [call(n, "s3", "GetObject", {"bucketName": "b", "key": f"in/{n}.csv"}, **data) for n in range(12)]  # fmt: skip
    logs.write(tmp_path / "logs" / logs.key(0), calls)
    run(tmp_path / "logs", tmp_path / "lake")
    listed = build_policy(ROLE, tmp_path / "lake", until=UNTIL)
    merged = build_policy(ROLE, tmp_path / "lake", until=UNTIL, wildcards=True)
    assert len(listed.statements[0].resources) == 12
    assert merged.statements[0].resources == ("arn:aws:s3:::b/in/*",)


def test_a_name_of_several_lists_them_and_an_unknown_one_what_is_near(lake: Path) -> None:
    with pytest.raises(UsageError) as several:
        build_policy("deploy", lake, until=UNTIL)
    assert "role/other/deploy  1 calls" in several.value.mend
    with pytest.raises(CtanalyticsError, match="no call of") as unknown:
        build_policy(ROLE.replace("deploy", "deplyo"), lake, until=UNTIL)
    assert ROLE in unknown.value.mend
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/build-7"
    with pytest.raises(UsageError):
        build_policy(session, lake, until=UNTIL)  # two roles of one name: sessions don't show paths


def test_the_command_prints_evidence_a_document_and_ends_with_3_on_denials(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["policy", ROLE, "--lake", str(lake), "--since", "2026-03-01", "--until", "2026-03-02"]
    assert main(given) == 0
    shown = capsys.readouterr()
    assert "? iam:PassRole" in shown.out
    assert "Denied, not in the policy" in shown.out
    assert main([*given, "--document"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["Version"] == "2012-10-17"
    assert all(each["Sid"].isalnum() for each in document["Statement"])
    nothing = written(tmp_path, {"Effect": "Allow", "Action": "sts:TagSession", "Resource": "*"})
    assert main([*given, "--replay", str(nothing), "--compare", str(nothing), "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert printed["would_be_denied"] == 13
    assert printed["granted"][0] == {
        "action": "sts:TagSession",
        "sids": ["1"],
        "state": "unused",
        "why": None,
    }
    assert main(["policy", "deploy", "--lake", str(lake), "--since", "2026-03-01"]) == 2

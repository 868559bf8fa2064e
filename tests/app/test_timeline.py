"""Timelines of resources in a lake that holds both CloudTrail's logs and AWS Config's files."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.timeline import data, page, timeline
from ctanalytics.changes.attribution import Entry
from ctanalytics.cli.main import main
from ctanalytics.errors import CtanalyticsError, UsageError
from tests import configuring, logs
from tests.app.ingesting import ask, run
from tests.configuring import item
from tests.logs import ACCOUNT, REGION, START, record

GROUP = "sg-0a1b2c3d4e5f60718"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:orders"
MINUTE = dt.timedelta(minutes=1)
CHILD = "ASIAEXAMPLECHILD1"
HOSTILE = "<script>alert(1)</script>\u202e"


def rule(port: int) -> dict[str, Any]:
    return {"fromPort": port, "toPort": port, "ipRanges": ["0.0.0.0/0"]}


def group(at: dt.datetime, *ports: int, **fields: Any) -> dict[str, Any]:
    state = {"groupId": GROUP, "groupName": "web", "ipPermissions": [rule(port) for port in ports]}
    return item(
        at=at, resourceName="web", configuration=fields.pop("configuration", state), **fields
    )


def volume(at: dt.datetime, size: int = 8, **fields: Any) -> dict[str, Any]:
    state = {"volumeId": "vol-1", "size": size}
    return item("AWS::EC2::Volume", "vol-1", at=at, configuration=state, **fields)


def function(at: dt.datetime, password: str, **tags: str) -> dict[str, Any]:
    state = {"functionName": "orders", "environment": {"variables": {"DSN": password}}}
    return item(
        "AWS::Lambda::Function",
        "orders",
        at=at,
        resourceName="orders",
        ARN=FUNCTION,
        configuration=state,
        tags=tags,
    )


def call(number: int, at: dt.datetime, name: str, request: dict[str, Any], **fields: Any) -> Any:
    return record(
        number,
        eventTime=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        eventSource=fields.pop("source", "ec2.amazonaws.com"),
        eventName=name,
        requestParameters=request,
        readOnly=False,
        **fields,
    )


def as_admin() -> dict[str, Any]:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/dora"
    return {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEID:dora",
        "arn": arn,
        "accountId": ACCOUNT,
        "accessKeyId": CHILD,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/Admin",
                "accountId": ACCOUNT,
                "userName": "Admin",
            }
        },
    }


def events() -> list[Any]:
    assumed = record(
        1,
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        requestParameters={"roleArn": f"arn:aws:iam::{ACCOUNT}:role/Admin"},
        responseElements={"credentials": {"accessKeyId": CHILD}},
    )
    return [
        assumed,
        call(
            2,
            START + 9 * MINUTE,
            "AuthorizeSecurityGroupIngress",
            {"groupId": GROUP},
            userIdentity=as_admin(),
            userAgent="Mozilla/5.0 (X11)",
        ),
        call(
            3,
            START + 70 * MINUTE,
            "DeleteSecurityGroup",
            {"groupId": GROUP},
            userAgent="APN/1.0 HashiCorp/1.0 Terraform/1.13.3",
        ),
        call(
            4,
            START + 90 * MINUTE,
            "CreateTags",
            {"resourcesSet": {"items": [{"resourceId": GROUP}]}},
        ),
        call(
            5,
            START + 15 * MINUTE,
            "UpdateFunctionConfiguration20150331v2",
            {"functionName": FUNCTION},
            source="lambda.amazonaws.com",
        ),
        call(
            6,
            START + MINUTE,
            "StartInstances",
            {"instancesSet": {"items": [{"instanceId": "i-0feed"}]}},
        ),
        call(7, START + 100 * MINUTE, "ModifyInstanceAttribute", {"instanceId": "i-0dead"}),
    ]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("timeline")
    source = home / "logs"
    logs.write(source / logs.key(0), events())
    old = START - dt.timedelta(days=20)
    items = [
        group(START, 443),
        group(START + 10 * MINUTE, 443, 22),
        group(START + 40 * MINUTE, 443, 22, 3389),
        group(START + 71 * MINUTE, configuration={}, configurationItemStatus="ResourceDeleted"),
        group(START, 443, awsRegion="us-east-1", resourceCreationTime=old.isoformat()),
        volume(START),
        volume(START + 130 * MINUTE, size=9, relatedEvents=[logs.event_id(7)]),
        function(START, "postgres://u:first@db"),
        function(START + 16 * MINUTE, "postgres://u:second@db", note=HOSTILE),
    ]
    configuring.write(source / configuring.key(), items)
    run(source, home / "lake")
    return home / "lake"


def told(entry: Entry) -> tuple[Any, ...]:
    call = entry.call
    return (
        entry.change,
        entry.verdict,
        call and call.event_name,
        call and call.human,
        call and call.tool,
        entry.confidence,
    )


def test_each_change_has_its_call_its_human_and_its_tool(lake: Path) -> None:
    dora = f"arn:aws:iam::{ACCOUNT}:user/dora"
    found = timeline(GROUP, lake, aws_region=REGION)
    assert [told(entry) for entry in found.entries] == [
        ("first_seen", "indirect", None, None, None, None),
        ("changed", "explained", "AuthorizeSecurityGroupIngress", dora, "console", "high"),
        ("changed", "unexplained", None, None, None, None),
        ("deleted", "explained", "DeleteSecurityGroup", dora, "terraform", "high"),
        (None, "no_recorded_change", "CreateTags", dora, "cli", None),
    ]
    opened = found.entries[1]
    assert opened.call
    assert (opened.call.is_click_ops, opened.call.session_name) == (True, "dora")
    (difference,) = opened.differences
    assert (difference.path, difference.kind) == ("/configuration/ipPermissions/1", "added")
    assert difference.after == rule(22)
    assert found.counts()["unexplained"] == 1


@pytest.mark.parametrize(
    "text", ["orders", FUNCTION, "AWS::Lambda::Function/orders"], ids=["name", "arn", "typed"]
)
def test_a_resource_is_found_by_all_its_names_and_its_secrets_are_hidden(
    lake: Path, text: str
) -> None:
    found = timeline(text, lake)
    first, second = found.entries
    assert (first.verdict, second.verdict, second.confidence) == ("indirect", "explained", "high")
    hidden, shown = second.differences
    assert hidden.path == "/configuration/environment/variables/DSN"
    assert (hidden.before, hidden.after) == ("***", "***")
    assert (shown.path, shown.after) == ("/tags/note", HOSTILE)


def test_an_event_that_config_names_is_the_one_whatever_it_says(lake: Path) -> None:
    last = timeline("vol-1", lake).entries[-1]
    assert told(last)[:3] == ("changed", "explained", "ModifyInstanceAttribute")
    assert (last.confidence, last.call and last.call.matched_by) == ("exact", "related_events")


def test_a_span_cuts_changes_and_calls_but_knows_the_state_before(lake: Path) -> None:
    found = timeline(GROUP, lake, aws_region=REGION, since=START + 30 * MINUTE)
    assert [entry.change for entry in found.entries] == ["changed", "deleted", None]
    assert [each.path for each in found.entries[0].differences] == [
        "/configuration/ipPermissions/2"
    ]
    assert timeline(GROUP, lake, aws_region=REGION, until=START).notes == (
        "nothing changed in the chosen span",
    )


def test_what_two_resources_are_called_lists_both(lake: Path) -> None:
    with pytest.raises(UsageError) as caught:
        timeline("web", lake)
    assert caught.value.exit_code == 2
    assert all(f"region {name}" in caught.value.mend for name in ("eu-west-1", "us-east-1"))


def test_without_items_of_config_the_calls_are_shown(lake: Path) -> None:
    found = timeline("i-0feed", lake)
    assert [told(entry)[:3] for entry in found.entries] == [
        (None, "no_recorded_change", "StartInstances")
    ]
    assert "only calls are shown" in found.notes[0]


def test_an_unknown_resource_is_told_with_what_is_near(lake: Path) -> None:
    with pytest.raises(CtanalyticsError, match="names order") as caught:
        timeline("order", lake)
    assert caught.value.exit_code == 1
    assert "orders" in caught.value.mend


def test_the_view_and_the_timeline_say_the_same(lake: Path) -> None:
    rows = ask(
        lake,
        "select item_id, verdict, event_id, human from who_changed where coalesce(is_main, true) "
        f"and resource_id in ('{GROUP}', 'orders') and aws_region = '{REGION}'",
    )
    entries = [
        entry
        for name in (GROUP, "orders")
        for entry in timeline(name, lake, aws_region=REGION).entries
        if entry.item_id
    ]
    assert {tuple(row.values()) for row in rows} == {
        (
            each.item_id,
            each.verdict,
            each.call and each.call.event_id,
            each.call and each.call.human,
        )
        for each in entries
    }


def test_the_page_loads_nothing_runs_nothing_and_escapes_what_logs_say(lake: Path) -> None:
    found = timeline("orders", lake)
    text = page(found, START)
    assert re.search(r"default-src 'none'; style-src 'sha256-[^']+'", text)
    assert "<script" not in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\u202e" in text
    assert "second@db" not in text
    assert text.count("<article") == 2
    assert text == page(found, START)


def test_the_command_prints_a_table_json_and_a_page(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    arguments = ["timeline", GROUP, "--in-region", REGION, "--lake", str(lake)]
    assert main([*arguments, "--diff", "--html", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "/configuration/ipPermissions/1" in shown
    assert "console (ClickOps)" in shown
    assert out.stat().st_mode & 0o777 == 0o600
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["counts"]["unexplained"] == 1
    assert printed["entries"][1]["call"]["event_name"] == "AuthorizeSecurityGroupIngress"
    assert main(["timeline", "web", "--lake", str(lake)]) == 2
    assert main(["timeline", "nothing-like-it", "--lake", str(lake)]) == 1
    assert data(timeline(GROUP, lake, aws_region=REGION))["verdicts"].keys() >= {"unexplained"}

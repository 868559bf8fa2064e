"""The noise of real organizations is there, and labelled harmless where it is an episode."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from ctanalytics.app.simulate import SimulateResult
from ctanalytics.simulator import cast
from ctanalytics.simulator.organization import BACKUP_ACCOUNT, OUTSIDE_ACCOUNT
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.simulation import episodes
from tests.simulator import logs
from tests.simulator.logs import Record

Small = tuple[Path, SimulateResult]


@functools.cache
def _records(out: Path) -> list[Record]:
    return list(logs.records(out))


def _role(record: Record) -> str:
    issuer = record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {})
    return str(issuer.get("arn", ""))


@pytest.mark.parametrize(
    "is_so",
    [
        pytest.param(
            lambda r: "/AWSServiceRoleFor" in _role(r) and r.get("errorCode") == "AccessDenied",
            id="service-linked roles are denied now and then",
        ),
        pytest.param(
            lambda r: "service control policy" in r.get("errorMessage", ""),
            id="a policy closes a region",
        ),
        pytest.param(
            lambda r: (
                r["eventName"] == "ConsoleLogin"
                and "AWSReservedSSO" in _role(r)
                and r["additionalEventData"]["MFAUsed"] == "No"
            ),
            id="people of Identity Center sign in without MFA as CloudTrail sees it",
        ),
        pytest.param(
            lambda r: r.get("errorCode") == "Client.DryRunOperation", id="EC2 is asked with DryRun"
        ),
        pytest.param(
            lambda r: (
                r["userIdentity"].get("invokedBy") == "athena.amazonaws.com"
                and r["userIdentity"]["type"] == "AssumedRole"
            ),
            id="a service calls on a role's behalf",
        ),
        pytest.param(
            lambda r: r["userIdentity"].get("type") == "AWSService" and "sharedEventID" in r,
            id="a service calls on its own",
        ),
        pytest.param(
            lambda r: r["eventType"] == "AwsServiceEvent" and "serviceEventDetails" in r,
            id="a service tells of an event",
        ),
        pytest.param(
            lambda r: r["userIdentity"].get("type") == "IdentityCenterUser",
            id="people pass the access portal",
        ),
        pytest.param(lambda r: r["eventCategory"] == "Data", id="data events are recorded"),
        pytest.param(
            lambda r: r.get("sessionCredentialFromConsole") == "true", id="people use the console"
        ),
        pytest.param(lambda r: "vpcEndpointId" in r, id="functions call through an endpoint"),
        pytest.param(lambda r: ":" in r["sourceIPAddress"], id="somebody has IPv6"),
        pytest.param(lambda r: "inScopeOf" in r["userIdentity"], id="a function has its scope"),
        pytest.param(
            lambda r: r.get("errorCode") == "ThrottlingException", id="somebody is throttled"
        ),
    ],
)
def test_background_has_this(small: Small, is_so: Callable[[Record], bool]) -> None:
    assert any(is_so(record) for record in _records(small[0]))


def test_the_scanner_is_in_every_account_and_region(small: Small) -> None:
    cells = {(r["recipientAccountId"], r["awsRegion"]) for r in _records(small[0])}
    scanned = {
        (r["recipientAccountId"], r["awsRegion"])
        for r in _records(small[0])
        if _role(r).endswith("/security-audit")
    }
    assert len(cells) == 6
    assert scanned == cells


def test_many_services_are_used_with_requests_and_answers(small: Small) -> None:
    records = _records(small[0])
    assert len({record["eventSource"] for record in records}) >= 25
    answered = {r["eventSource"] for r in records if r["responseElements"]}
    assert len(answered) >= 15
    assert len({r["errorCode"] for r in records if "errorCode" in r}) >= 10


def test_people_come_from_another_network_after_the_change(small: Small) -> None:
    people = [
        (record["eventTime"], record["sourceIPAddress"])
        for record in _records(small[0])
        if "AWSReservedSSO" in _role(record)
    ]
    change = next(x for x in logs.labels(small[0]) if x["kind"] == "vpn_egress_change")
    before = {ip for at, ip in people if at < change["started_at"]}
    after = {ip for at, ip in people if at >= change["started_at"]}
    assert before <= set(cast.OFFICE)
    assert after <= set(cast.OFFICE_LATER)
    assert before
    assert after


def test_the_rotated_key_is_used_before_and_its_successor_after(small: Small) -> None:
    uses: dict[str, list[str]] = {}
    for record in _records(small[0]):
        if record["userIdentity"].get("userName") == "reports-export":
            key = record["userIdentity"]["accessKeyId"]
            uses.setdefault(key, []).append(record["eventTime"])
    old, new = sorted(uses.values(), key=min)
    assert max(old) < min(new)
    (created,) = {
        record["responseElements"]["accessKey"]["accessKeyId"]
        for record in _records(small[0])
        if record["eventName"] == "CreateAccessKey"
        and record["requestParameters"]["userName"] == "reports-export"
    }
    assert uses[created] == new


def test_snapshots_go_to_the_backup_account_in_noise_and_outside_in_an_attack() -> None:
    plan = _plan()
    targets = {
        episode.kind: {
            calls.given["target_account"]
            for calls in episode.calls
            if calls.api == "ec2:ModifySnapshotAttribute"
        }
        for episode in episodes(plan)
    }
    assert targets["backup_share"] == {BACKUP_ACCOUNT}
    assert targets["snapshot_sharing"] == {OUTSIDE_ACCOUNT}


def test_five_weeks_have_every_kind_of_noise_labelled_harmless() -> None:
    noise = [episode for episode in episodes(_plan()) if not episode.malicious]
    assert {episode.kind for episode in noise} == {
        "security_scan",
        "terraform_rollout",
        "stackset_rollout",
        "account_vending",
        "on_call_night",
        "month_end_batch",
        "vpn_egress_change",
        "key_rotation",
        "backup_share",
        "closed_region_try",
        "dry_run",
    }


def test_a_stack_set_reaches_all_accounts_within_minutes() -> None:
    rollout = next(e for e in episodes(_plan(accounts=40)) if e.kind == "stackset_rollout")
    reached = {c.actor.account_id for c in rollout.calls if c.api == "cloudformation:UpdateStack"}
    assert len(reached) == 40
    assert rollout.ended_at - rollout.started_at < 900


def _plan(accounts: int = 2) -> Plan:
    return Plan(
        seed=7,
        start=dt.date(2025, 9, 28),
        days=35,
        accounts=accounts,
        events_per_day=800,
        incidents=("snapshot_sharing",),
    )

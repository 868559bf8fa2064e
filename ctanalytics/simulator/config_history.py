"""AWS Config's files for what the simulated calls change, and labels that say which call made what.

Config sees a change a little later than the call that made it; calls that come meanwhile are in the
same item. A few changes are made by nobody whom the logs show, and after a few calls nothing is recorded.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ctanalytics.records import object_key
from ctanalytics.simulator.calls import Calls
from ctanalytics.simulator.delivery import pack
from ctanalytics.simulator.organization import fraction, token
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rendering import Records

LABELS_FILE: Final = "config_labels.jsonl"

RECORDED: Final = {
    "autoscaling:SetDesiredCapacity": (
        "AWS::AutoScaling::AutoScalingGroup",
        "autoScalingGroupName",
    ),
    "ec2:AuthorizeSecurityGroupIngress": ("AWS::EC2::SecurityGroup", "groupId"),
    "ec2:RevokeSecurityGroupIngress": ("AWS::EC2::SecurityGroup", "groupId"),
    "ecs:UpdateService": ("AWS::ECS::Service", "service"),
    "iam:AttachRolePolicy": ("AWS::IAM::Role", "roleName"),
    "iam:PutRolePolicy": ("AWS::IAM::Role", "roleName"),
    "lambda:UpdateFunctionCode20150331v2": ("AWS::Lambda::Function", "functionName"),
    "lambda:UpdateFunctionConfiguration20150331v2": ("AWS::Lambda::Function", "functionName"),
    "monitoring:PutMetricAlarm": ("AWS::CloudWatch::Alarm", "alarmName"),
    "s3:PutBucketLifecycle": ("AWS::S3::Bucket", "bucketName"),
    "s3:PutBucketPolicy": ("AWS::S3::Bucket", "bucketName"),
    "s3:PutBucketVersioning": ("AWS::S3::Bucket", "bucketName"),
}
"""Calls whose effects Config records here: the type, and the parameter that names the resource."""

UNEXPLAINED: Final = 0.1
"""Share of resources that something changes once without a call."""
UNRECORDED: Final = 0.03
"""Share of calls after which nothing is recorded."""

_LAG: Final = (20, 240)
_APART: Final = 45 * 60
"""Seconds between what is made up here and anything else of the same resource."""
_STEP: Final = 6 * 3_600
_BEFORE: Final = 20 * 86_400

_read_head = msgspec.json.Decoder(dict[str, Any]).decode


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A call that changed a resource."""

    account_id: str
    region: str
    resource_type: str
    name: str
    time: int
    event_id: str


@dataclass(frozen=True, slots=True)
class _Item:
    """One state of a resource, and the calls that led to it."""

    captured: int
    number: int
    event_ids: tuple[str, ...]


_Resource = tuple[str, str, str, str]
"""Account, region, type, name."""


def changes(calls: Calls, records: Records) -> list[Change]:
    """Return what some records changed; nothing for calls of other APIs, and for failed ones."""
    known = RECORDED.get(calls.api)
    if known is None or calls.fault:
        return []
    kind, parameter = known
    found = []
    for text, event_id, second in zip(
        records.texts, records.event_ids, records.times.tolist(), strict=True
    ):
        name = _read_head(text.encode())["requestParameters"].get(parameter)
        if isinstance(name, str):
            found.append(Change(*records.cell, kind, name, second, event_id))
    return found


def write(plan: Plan, found: Iterable[Change], out: Path) -> int:
    """Write histories, a snapshot at the start and one at the end, and the labels.

    Returns:
        How many files were written.
    """
    by_resource: dict[_Resource, list[Change]] = defaultdict(list)
    for change in sorted(found, key=lambda each: (each.time, each.event_id)):
        key = (change.account_id, change.region, change.resource_type, change.name)
        by_resource[key].append(change)
    labels: list[dict[str, Any]] = []
    items: list[tuple[_Resource, _Item]] = []
    for resource, its_changes in sorted(by_resource.items()):
        kept, dropped = _recorded(plan, resource, its_changes)
        states = list(_items(plan, resource, kept))
        items += [(resource, state) for state in states]
        labels += [_label(plan, resource, state) for state in states]
        labels += [_label_of_call(plan, resource, change) for change in dropped]
    files = [*_histories(plan, items, out), *_snapshots(plan, items, out)]
    lines = b"".join(msgspec.json.encode(label) + b"\n" for label in labels)
    (out / LABELS_FILE).write_bytes(lines)
    return len(files)


def _recorded(
    plan: Plan, resource: _Resource, found: Sequence[Change]
) -> tuple[list[Change], list[Change]]:
    """The calls that Config records a change of, and the few others, which stand alone in time."""
    times = [change.time for change in found]
    kept: list[Change] = []
    dropped: list[Change] = []
    for place, change in enumerate(found):
        alone = all(
            abs(change.time - other) > _APART for at, other in enumerate(times) if at != place
        )
        lost = fraction(plan.seed, "config-lost", *resource, change.event_id) < UNRECORDED
        (dropped if alone and lost else kept).append(change)
    return kept, dropped


def _items(plan: Plan, resource: _Resource, found: Sequence[Change]) -> Iterator[_Item]:
    """The states of a resource: one from before the logs, then one for each capture."""
    numbers = itertools.count(1)
    yield _Item(plan.begin - _BEFORE, 0, ())
    captures: list[tuple[int, list[str]]] = []
    for change in found:
        if captures and change.time <= captures[-1][0]:
            captures[-1][1].append(change.event_id)
            continue
        low, high = _LAG
        lag = low + int(fraction(plan.seed, "config-lag", *resource, change.time) * (high - low))
        captures.append((change.time + lag, [change.event_id]))
    own = _by_nobody(plan, resource, [change.time for change in found])
    if own is not None:
        captures.append((own, []))
    for captured, event_ids in sorted(captures):
        yield _Item(captured, next(numbers), tuple(event_ids))


def _by_nobody(plan: Plan, resource: _Resource, times: Sequence[int]) -> int | None:
    """When a resource changes without a call, if it does; far from all its calls."""
    if fraction(plan.seed, "config-nobody", *resource) >= UNEXPLAINED:
        return None
    span = plan.end - plan.begin - 2 * _APART
    at = plan.begin + _APART + int(fraction(plan.seed, "config-when", *resource) * span)
    return at if all(abs(at - time) > _APART for time in times) else None


def _histories(plan: Plan, items: Iterable[tuple[_Resource, _Item]], out: Path) -> Iterator[Path]:
    groups: dict[tuple[str, str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for resource, item in items:
        if item.captured >= plan.begin:
            account, region, kind, _ = resource
            start = item.captured - item.captured % _STEP
            groups[account, _home(plan, region, kind), kind, start].append(
                _document(plan, resource, item)
            )
    for (account, region, kind, start), documents in sorted(groups.items()):
        key = object_key.config_key(
            account_id=account,
            aws_region=region,
            channel="ConfigHistory",
            name=kind,
            start=_moment(start),
            end=_moment(start + _STEP),
        )
        yield _written(out / key, {"configurationItems": documents})


def _snapshots(plan: Plan, items: Iterable[tuple[_Resource, _Item]], out: Path) -> Iterator[Path]:
    known = list(items)
    for at in (plan.begin, plan.end):
        newest = {resource: item for resource, item in known if item.captured <= at}
        cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for resource, item in newest.items():
            cell = (resource[0], _home(plan, resource[1], resource[2]))
            cells[cell].append(_document(plan, resource, item))
        for (account, region), documents in sorted(cells.items()):
            snapshot = token(plan.seed, "snapshot", account, region, at).hex()[:32]
            key = object_key.config_key(
                account_id=account,
                aws_region=region,
                channel="ConfigSnapshot",
                name=snapshot,
                start=_moment(at),
            )
            content = {"configSnapshotId": snapshot, "configurationItems": documents}
            yield _written(out / key, content)


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(msgspec.json.encode({"fileVersion": "1.0"} | content)))
    return path


def _home(plan: Plan, region: str, kind: str) -> str:
    # Config records IAM in one region, here the home region.
    return plan.organization.home_region if kind == "AWS::IAM::Role" else region


def _identity(plan: Plan, resource: _Resource) -> tuple[str, str, str]:
    """Resource id, ARN, and region as Config writes it."""
    account, region, kind, name = resource
    start = f"arn:{plan.organization.partition.name}"
    if kind == "AWS::IAM::Role":
        unique = token("role", account, name).hex().upper()[:12]
        return f"AROA{unique}EXAMPLE", f"{start}:iam::{account}:role/{name}", "global"
    if kind == "AWS::S3::Bucket":
        return name, f"{start}:s3:::{name}", region
    place = {
        "AWS::AutoScaling::AutoScalingGroup": "autoscaling:{}:autoScalingGroupName/",
        "AWS::CloudWatch::Alarm": "cloudwatch:{}:alarm:",
        "AWS::EC2::SecurityGroup": "ec2:{}:security-group/",
        "AWS::ECS::Service": "ecs:{}:service/",
        "AWS::Lambda::Function": "lambda:{}:function:",
    }[kind].format(f"{region}:{account}")
    arn = f"{start}:{place}{name}"
    return (arn if kind == "AWS::ECS::Service" else name), arn, region


def _state(resource: _Resource, number: int) -> dict[str, Any]:
    """What a resource is like after so many changes."""
    _, _, kind, name = resource
    if kind == "AWS::EC2::SecurityGroup":
        rules = [
            {"ipProtocol": "tcp", "fromPort": 443 + place, "toPort": 443 + place}
            for place in range(number % 5 + 1)
        ]
        return {"groupId": name, "ipPermissions": rules, "revision": number}
    if kind == "AWS::Lambda::Function":
        digest = token(name, number).hex()
        return {"functionName": name, "codeSha256": digest, "timeout": 30 + number % 3}
    return {"name": name, "revision": number}


def _document(plan: Plan, resource: _Resource, item: _Item) -> dict[str, Any]:
    account, _, kind, name = resource
    resource_id, arn, region = _identity(plan, resource)
    return {
        "relatedEvents": [],
        "relationships": [],
        "configuration": _state(resource, item.number),
        "supplementaryConfiguration": {},
        "tags": {},
        "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": _iso(item.captured),
        "configurationStateId": item.captured * 1_000,
        "awsAccountId": account,
        "configurationItemStatus": "OK",
        "resourceType": kind,
        "resourceId": resource_id,
        "resourceName": name,
        "ARN": arn,
        "awsRegion": region,
        "availabilityZone": "Not Applicable",
        "configurationStateMd5Hash": "",
        "resourceCreationTime": _iso(plan.begin - 2 * _BEFORE),
    }


def _label(plan: Plan, resource: _Resource, item: _Item) -> dict[str, Any]:
    return _place(plan, resource) | {
        "captured_at": _iso(item.captured),
        "change": "changed" if item.number else "first_seen",
        "event_ids": list(item.event_ids),
    }


def _label_of_call(plan: Plan, resource: _Resource, change: Change) -> dict[str, Any]:
    return _place(plan, resource) | {
        "captured_at": None,
        "change": None,
        "event_ids": [change.event_id],
    }


def _place(plan: Plan, resource: _Resource) -> dict[str, Any]:
    resource_id, _, region = _identity(plan, resource)
    return {
        "account_id": resource[0],
        "aws_region": region,
        "resource_type": resource[2],
        "resource_id": resource_id,
    }


def _moment(second: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(second, dt.UTC)


def _iso(second: int) -> str:
    return f"{_moment(second):%Y-%m-%dT%H:%M:%S}.000Z"

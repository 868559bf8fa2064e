from __future__ import annotations

import collections
import json
import re
from pathlib import Path

import pytest

from ctanalytics.app.simulate import SimulateResult, simulate
from ctanalytics.records import object_key
from ctanalytics.simulator.attacks import ATTACKS
from tests.simulator import logs
from tests.simulator.conftest import SETTINGS

Small = tuple[Path, SimulateResult]

REQUIRED = {
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "requestParameters",
    "responseElements",
    "eventID",
    "readOnly",
    "eventType",
    "managementEvent",
    "recipientAccountId",
    "eventCategory",
}


def _content(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_files_with_any_number_of_workers(
    small: Small, tmp_path: Path
) -> None:
    simulate(tmp_path / "again", workers=2, **SETTINGS)  # type: ignore[arg-type]
    assert _content(tmp_path / "again") == _content(small[0])


def test_another_seed_gives_other_records(tmp_path: Path) -> None:
    ids = []
    for seed in (1, 2):
        out = tmp_path / str(seed)
        simulate(out, days=1, events_per_day=300, seed=seed, digests="none", workers=1)
        ids.append({record["eventID"] for record in logs.records(out)})
    assert not ids[0] & ids[1]


def test_attacks_leave_the_records_of_normal_life_as_they_are(tmp_path: Path) -> None:
    found = []
    for kind in ("none", "root_login"):
        out = tmp_path / kind
        simulate(out, days=1, events_per_day=300, incidents=[kind], digests="none", workers=1)
        found.append({record["eventID"]: record for record in logs.records(out)})
    quiet, attacked = found
    assert quiet.items() <= attacked.items()
    assert len(attacked) > len(quiet)


def test_every_record_has_what_cloudtrail_always_writes(small: Small) -> None:
    for record in logs.records(small[0]):
        assert not REQUIRED - record.keys(), record
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["eventTime"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", record["eventID"])
        assert isinstance(record["readOnly"], bool)
        assert len(json.dumps(record)) < 256 * 1024


def test_no_hole_of_a_template_is_left_open(small: Small) -> None:
    for record in logs.records(small[0]):
        assert not re.search(r"\$\{|%s|\bNone\b", json.dumps(record)), record


def test_files_lie_where_their_keys_say(small: Small) -> None:
    out, result = small
    paths = logs.log_files(out)
    assert len(paths) == result.files
    for path in paths:
        key = path.relative_to(out).as_posix()
        parsed = object_key.parse(key)
        records = logs.records_of(path)
        assert parsed.kind == "log"
        assert records
        assert {record["recipientAccountId"] for record in records} == {parsed.account_id}
        assert {record["awsRegion"] for record in records} == {parsed.aws_region}
        assert parsed.stamp is not None
        assert parsed.stamp.date() == parsed.delivery_date
        assert parsed.stamp.minute % 5 == 0
        stamp = parsed.stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert all(record["eventTime"] < stamp for record in records)


def test_some_files_hold_records_of_another_day_than_that_of_their_delivery(small: Small) -> None:
    paths = logs.log_files(small[0])
    late = [
        path
        for path in paths
        if {r["eventTime"][:10].replace("-", "/") for r in logs.records_of(path)}
        - {"/".join(path.parts[-4:-1])}
    ]
    assert 0 < len(late) < len(paths) / 10


def test_records_of_a_file_are_in_no_strict_order(small: Small) -> None:
    times = [
        [record["eventTime"] for record in logs.records_of(path)]
        for path in logs.log_files(small[0])
    ]
    assert any(file != sorted(file) for file in times)


def test_duplicates_are_equal_in_every_byte_and_in_different_files(small: Small) -> None:
    copies = collections.defaultdict(list)
    for path in logs.log_files(small[0]):
        for record in logs.records_of(path):
            copies[record["eventID"]].append((path, json.dumps(record)))
    twice = [found for found in copies.values() if len(found) > 1]
    assert twice
    assert len(twice) < len(copies) / 100
    for found in twice:
        assert len({path for path, _ in found}) == len(found)
        assert len({text for _, text in found}) == 1


def test_result_counts_what_lies_on_disk(small: Small) -> None:
    out, result = small
    assert result.records == sum(1 for _ in logs.records(out))
    assert result.digests == len(logs.digest_files(out))
    assert result.incidents == len(ATTACKS)
    assert result.episodes == len(logs.labels(out))
    written = sum(path.stat().st_size for path in (out / "AWSLogs").rglob("*") if path.is_file())
    assert result.bytes == written


def test_about_as_many_events_are_made_as_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "logs"
    result = simulate(
        out, days=4, events_per_day=10_000, incidents=["none"], digests="none", workers=1
    )
    assert result.records / 4 == pytest.approx(10_000, rel=0.12)


def test_every_labelled_event_is_in_the_files(small: Small) -> None:
    out = small[0]
    by_id = {record["eventID"]: record for record in logs.records(out)}
    for label in logs.labels(out):
        events = [by_id[event_id] for event_id in label["event_ids"]]
        if label["kind"] in ("silent_stop", "vpn_egress_change"):
            assert not events
            continue
        assert events
        times = [event["eventTime"] for event in events]
        assert label["started_at"] == min(times)
        assert max(times) < label["ended_at"]
        if label["event_name"]:
            named = [event for event in events if event["eventName"] == label["event_name"]]
            assert named
            assert label["error_code"] in {event.get("errorCode") for event in named}


def test_every_kind_of_attack_is_labelled_once(small: Small) -> None:
    kinds = [label["kind"] for label in logs.labels(small[0]) if label["malicious"]]
    assert sorted(kinds) == sorted(ATTACKS)


def test_no_key_could_be_a_real_one(small: Small) -> None:
    for path in logs.log_files(small[0]):
        for record in logs.records_of(path):
            text = json.dumps(record)
            keys = re.findall(r"(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{13,}", text)
            assert all(key.endswith("EXAMPLE") for key in keys), keys
            assert '"sessionToken": "EXAMPLE-session-token"' in text or "sessionToken" not in text


def test_temporary_keys_come_from_a_recorded_call_and_are_used_after_it(small: Small) -> None:
    records = sorted(logs.records(small[0]), key=lambda record: str(record["eventTime"]))
    opened = {}
    for record in records:
        answer = record["responseElements"] or {}
        if record["eventName"].startswith("AssumeRole"):
            opened[answer["credentials"]["accessKeyId"]] = (
                record["eventTime"],
                answer["assumedRoleUser"]["arn"],
            )
    used = 0
    for record in records:
        who = record["userIdentity"]
        if who.get("type") != "AssumedRole" or "/aws-service-role/" in json.dumps(who):
            continue
        created = who["sessionContext"]["attributes"]["creationDate"]
        if created < "2025-10-01":
            continue  # opened before the first day
        at, arn = opened[who["accessKeyId"]]
        assert at <= record["eventTime"]
        assert arn == who["arn"]
        used += 1
    assert used > 1_000


@pytest.mark.parametrize(
    ("partition", "regions"),
    [
        pytest.param("aws-us-gov", {"us-gov-west-1", "us-gov-east-1"}, id="govcloud"),
        pytest.param("aws-cn", {"cn-north-1", "cn-northwest-1"}, id="china"),
    ],
)
def test_partitions_have_their_own_arns_and_regions(
    tmp_path: Path, partition: str, regions: set[str]
) -> None:
    out = tmp_path / "logs"
    simulate(out, days=1, events_per_day=600, partition=partition, digests="none", workers=1)
    found = list(logs.records(out))
    assert {record["awsRegion"] for record in found} == regions
    arns = collections.Counter(re.findall(r"arn:([a-z-]+):", json.dumps(found)))
    assert set(arns) == {partition}


def test_organization_id_stands_in_the_keys(tmp_path: Path) -> None:
    out = tmp_path / "logs"
    simulate(
        out, days=1, events_per_day=300, organization_id="o-a1b2c3d4e5", digests="1", workers=1
    )
    paths = logs.log_files(out) + logs.digest_files(out)
    keys = [object_key.parse(path.relative_to(out).as_posix()) for path in paths]
    assert {key.organization for key in keys} == {"o-a1b2c3d4e5"}
    assert {key.kind for key in keys} == {"log", "digest"}


def test_many_accounts_all_have_logs(tmp_path: Path) -> None:
    out = tmp_path / "logs"
    simulate(
        out, days=1, accounts=15, events_per_day=3_000, file_minutes=240, digests="none", workers=1
    )
    assert len({record["recipientAccountId"] for record in logs.records(out)}) == 15

"""Saved queries: each gives exactly these rows on a simulated organization under attack.

The rows of a query are a golden file; what the simulator labels is held to its labels besides.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app.queries import bind, queries, saved
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from tests import builders

GOLDEN = Path(__file__).parent / "queries"
PRODUCTION = "111122223333"
GIVEN: dict[str, dict[str, str]] = {
    "principal_activity": {"principal": f"arn:aws:iam::{PRODUCTION}:user/reports-export"},
    "principal_timeline": {"principal": f"arn:aws:iam::{PRODUCTION}:role/ci-deploy", "top": "12"},
    "key_activity": {"key": "{intruder_key}", "top": "60"},
    "who_is_behind_key": {"key": "{session}"},
    "sessions_of_root": {"root": "dora.lind@example.com", "top": "8"},
    "resource_history": {"resource": "svc-backup-agent"},
    "resource_readers": {"resource": "{bucket}"},
    "events_by_request": {"request": "{shared}"},
    "new_apis": {"days": "1"},
    "new_principals": {"days": "3"},
    "new_regions": {"days": "4"},
    "old_access_keys": {"days": "2"},
    "unused_access_keys": {"days": "1"},
    "services_by_account": {"top": "12"},
    "iam_changes": {"top": "25"},
    "deletions": {"top": "15"},
    "clickops": {"top": "12"},
    "remote_sessions": {"top": "8"},
    "function_changes": {"top": "10"},
    "sensitive_calls": {"top": "12"},
}
"""Parameters of the golden rows; what is in braces is looked up in the lake."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of two accounts with every attack there is, and a few records it never makes."""
    home = tmp_path_factory.mktemp("organization")
    ctanalytics.simulate(
        home / "logs", days=10, events_per_day=600, seed=4, digests="none", file_minutes=240
    )
    with gzip.open(home / "logs" / "odd.json.gz", "wt") as file:
        json.dump({"Records": [*_odd()]}, file)
    (home / "logs" / "broken.json.gz").write_bytes(b"not gzip")
    ctanalytics.ingest(
        [str(home / "logs")], str(home / "lake"), settings=settings.load({"ingest.workers": 1})
    )
    return home


def _odd() -> Iterator[dict[str, Any]]:
    """Old TLS, a call refused by an endpoint, a hidden user name, an open port."""
    user = f"arn:aws:iam::{PRODUCTION}:user/old-backup"
    common = {
        "eventVersion": "1.11",
        "eventTime": "2025-10-04T12:00:00Z",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.77",
        "userAgent": "Boto/2.49.0 Python/2.7",
        "recipientAccountId": PRODUCTION,
        "readOnly": True,
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "userIdentity": {"type": "IAMUser", "arn": user, "accountId": PRODUCTION, "userName": "o"},
    }
    yield common | {
        "eventID": "odd-1",
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListBuckets",
        "tlsDetails": {"tlsVersion": "TLSv1", "cipherSuite": "ECDHE-RSA-AES128-SHA"},
    }
    yield common | {
        "eventID": "odd-2",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventCategory": "NetworkActivity",
        "eventType": "AwsVpceEvent",
        "errorCode": "VpceAccessDenied",
        "vpcEndpointId": "vpce-0a1b2c3d",
        "userIdentity": {
            "type": "AWSAccount",
            "principalId": "AROAEXAMPLE:eve",
            "accountId": "999999999999",
        },
    }
    yield common | {
        "eventID": "odd-3",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "AuthorizeSecurityGroupIngress",
        "readOnly": False,
        "requestParameters": {
            "groupId": "sg-1",
            "ipPermissions": {
                "items": [
                    {"fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}
                ]
            },
        },
    }


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    with Lake(home / "lake").engine(locked=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with builders.engine(tmp_path_factory.mktemp("empty")) as engine:
        yield engine


@pytest.fixture(scope="module")
def labels(home: Path) -> dict[str, dict[str, Any]]:
    lines = (home / "logs" / "labels.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return {label["kind"]: label for label in found if label["malicious"]}


@pytest.fixture(scope="module")
def known(engine: Engine) -> dict[str, str]:
    """What stands for the braces in GIVEN."""

    def first(sql: str) -> str:
        return str(engine.sql(sql).column(0)[0].as_py())

    return {
        "intruder_key": first(
            "select access_key_id from events where source_ip_address = '198.51.100.23' "
            "and starts_with(access_key_id, 'AKIA') order by event_time limit 1"
        ),
        "session": first(
            "select session_id from role_chains where issued_by = 'AssumeRoleWithSAML' order by event_time limit 1"
        ),
        "bucket": first(
            "select bucket_name from data_events where bucket_name is not null and read_only order by event_time limit 1"
        ),
        "shared": first(
            "select shared_event_id from events where shared_event_id is not null order by event_time limit 1"
        ),
    }


def ask(engine: Engine, name: str, known: dict[str, str], **given: str) -> list[dict[str, Any]]:
    query = saved(name)
    texts = {key: value.format(**known) for key, value in (GIVEN.get(name, {}) | given).items()}
    return engine.query(query.sql, bind(query, texts)).to_pylist()


NAMES = [query.name for query in queries()]


@pytest.mark.parametrize("name", NAMES)
def test_saved_query_gives_the_golden_rows(
    engine: Engine, known: dict[str, str], home: Path, name: str
) -> None:
    rows = ask(engine, name, known)
    assert rows, "a query that finds nothing here is not tested"
    text = "[\n" + ",\n".join(json.dumps(row, default=_plain) for row in rows) + "\n]\n"
    text = text.replace(str(home), "")
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("CTANALYTICS_TEST_GOLDEN") == "write":
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_there_are_at_least_forty_and_every_golden_file_has_its_query() -> None:
    assert len(NAMES) >= 40
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("trail_tampering", "tampering", id="tampering"),
        pytest.param("snapshot_sharing", "snapshot_sharing", id="snapshots"),
        pytest.param("persistence", "stolen_key", id="persistence"),
        pytest.param("admin_grants", "stolen_key", id="admin"),
        pytest.param("logins_without_mfa", "root_login", id="root"),
        pytest.param("guessed_passwords", "console_brute_force", id="guessed"),
        pytest.param("bucket_setting_changes", "s3_ransom", id="ransom"),
        pytest.param("access_keys_made", "stolen_key", id="keys-made"),
    ],
)
def test_what_a_query_is_for_is_found_in_the_labelled_attack(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]], name: str, kind: str
) -> None:
    found = {row["event_id"] for row in ask(engine, name, known)}
    assert found & set(labels[kind]["event_ids"])


def test_all_calls_with_the_stolen_key_from_abroad_are_the_labelled_ones(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    rows = ask(engine, "key_activity", known, top="10000")
    abroad = {row["event_id"] for row in rows if row["source_ip_address"] == "198.51.100.23"}
    assert abroad == set(labels["stolen_key"]["event_ids"])


def test_the_stolen_key_stands_out_by_its_network(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    rows = ask(engine, "access_key_networks", known)
    (row,) = [row for row in rows if row["source_ip_address"] == "198.51.100.23"]
    assert row["calls"] == len(labels["stolen_key"]["event_ids"])
    assert row["access_key_id"] == known["intruder_key"]


def test_every_failed_sign_in_of_the_guesser_is_counted(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    failed = ask(engine, "console_login_failures", known)
    (row,) = [row for row in failed if row["source_ip_address"] == "198.51.100.140"]
    (entered,) = ask(engine, "guessed_passwords", known)
    assert row["failures"] == entered["failures_before"] == 58
    assert entered["event_id"] in labels["console_brute_force"]["event_ids"]


def test_all_that_root_did_is_the_labelled_sign_in(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    rows = ask(engine, "root_activity", known)
    assert sum(row["calls"] for row in rows) == len(labels["root_login"]["event_ids"])


def test_the_machines_of_the_surge_are_counted(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    started = ask(engine, "instances_started", known, top="1000")
    ours = [row for row in started if row["principal"] == labels["surge"]["principal_arn"]]
    assert sum(row["calls"] for row in ours) >= 96


def test_the_probing_role_is_named_with_its_refused_calls(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    label = labels["error_burst"]
    rows = ask(engine, "permission_probes", known)
    (row,) = [
        row
        for row in rows
        if row["principal"] == label["principal_arn"] and row["denied_calls"] > 100
    ]
    assert row["apis"] == 4


def test_objects_that_the_ransom_deleted_are_counted(
    engine: Engine, known: dict[str, str], labels: dict[str, dict[str, Any]]
) -> None:
    rows = ask(engine, "objects_deleted", known)
    ours = [row for row in rows if row["principal"] == labels["s3_ransom"]["principal_arn"]]
    assert sum(row["deletions"] for row in ours) == 90


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("key_activity", {}, "key: has to be given"),
        ("key_activity", {"key": "A", "top": "many"}, "top: 'many' is no integer"),
        ("key_activity", {"key": "A", "kye": "B"}, "kye: there is no such parameter"),
        ("root_activity", {"top": "3"}, "top: there is no such parameter"),
    ],
)
def test_wrong_parameters_are_all_named(name: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        bind(saved(name), given)
    assert message in caught.value.what


def test_an_unknown_query_names_its_neighbours() -> None:
    with pytest.raises(UsageError) as caught:
        saved("who_is_behind_keys")
    assert "who_is_behind_key" in caught.value.mend


def test_a_parameter_is_a_value_and_never_sql(engine: Engine, known: dict[str, str]) -> None:
    assert ask(engine, "key_activity", known, key="' or 1 = 1 --") == []


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.name)
def test_parameters_of_the_header_are_those_of_the_sql(query: Any) -> None:
    import re

    used = set(re.findall(r"\$([a-z_]+)", query.sql))
    assert used == {parameter.name for parameter in query.parameters}


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.name)
def test_saved_query_runs_on_an_empty_lake(query: Any, empty: Engine) -> None:
    needed = {p.name: p.default or "x" for p in query.parameters}
    assert empty.query(query.sql, bind(query, needed)).num_rows == 0


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)

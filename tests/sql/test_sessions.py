"""Who stands behind a key: precision and recall on chains whose truth is known, and odd shapes."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.lake.lake import Lake
from tests import builders
from tests.sql import chains

NOON = dt.datetime(2026, 2, 2, 12, tzinfo=dt.UTC)
DORA = "arn:aws:iam::111122223333:user/dora"


@pytest.fixture(scope="module", params=[1, 2, 3])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[chains.World, dict[str, dict[str, Any]]]:
    """A world, and what the view of sessions says of each key that it saw used."""
    world = chains.world(request.param)
    home = tmp_path_factory.mktemp("chains")
    (home / "logs").mkdir()
    with gzip.open(home / "logs" / "a.json.gz", "wt") as file:
        json.dump({"Records": world.records}, file)
    ctanalytics.ingest(
        [str(home / "logs")], str(home / "lake"), settings=settings.load({"ingest.workers": 1})
    )
    with Lake(home / "lake").engine() as engine:
        rows = engine.sql("from sessions").to_pylist()
    return world, {row["session_id"]: row for row in rows}


def test_every_key_in_use_is_a_session(
    told: tuple[chains.World, dict[str, dict[str, Any]]],
) -> None:
    world, rows = told
    assert rows.keys() == {key.session_id for key in world.keys}


def test_whoever_is_named_is_the_right_one(
    told: tuple[chains.World, dict[str, dict[str, Any]]],
) -> None:
    world, rows = told
    named = [key for key in world.keys if rows[key.session_id]["root_principal"]]
    wrong = [
        key
        for key in named
        if rows[key.session_id]["root_principal"] not in {key.human, *key.aliases}
    ]
    assert wrong == []
    assert len(named) > 500


def test_all_chains_that_logs_prove_are_told_whole(
    told: tuple[chains.World, dict[str, dict[str, Any]]],
) -> None:
    world, rows = told
    proven = [key for key in world.keys if key.proven]
    found = [
        key
        for key in proven
        if rows[key.session_id]["root_principal"] in {key.human, *key.aliases}
        and rows[key.session_id]["hop"] == key.hop
        and rows[key.session_id]["parent_session_id"] == key.parent
        and rows[key.session_id]["path"] == key.path
    ]
    assert {key.hop for key in proven} == {0, 1, 2, 3, 4, 5}
    assert len(found) / len(proven) >= 0.99


def test_what_logs_do_not_prove_stays_unknown(
    told: tuple[chains.World, dict[str, dict[str, Any]]],
) -> None:
    world, rows = told
    lost = [key for key in world.keys if not key.proven]
    assert len(lost) > 50
    for key in lost:
        said = rows[key.session_id]["root_principal"]
        assert said is None or said in key.aliases, key


def issue(key: str, **columns: Any) -> dict[str, Any]:
    answer = {
        "credentials": {"accessKeyId": key},
        "assumedRoleUser": {
            "assumedRoleId": "AROAEXAMPLE:work",
            "arn": "arn:aws:sts::111122223333:assumed-role/ops/work",
        },
    }
    row = {
        "event_source": "sts.amazonaws.com",
        "event_name": "AssumeRole",
        "response_elements": json.dumps(answer),
    }
    return builders.event(columns.pop("time", NOON), **row | columns)


def use(key: str, **columns: Any) -> dict[str, Any]:
    row = {
        "identity_type": "AssumedRole",
        "principal_type": "role",
        "identity_arn": "arn:aws:sts::111122223333:assumed-role/ops/work",
        "principal_arn": "arn:aws:iam::111122223333:role/ops",
        "principal_id": "AROAEXAMPLE:work",
        "session_name": "work",
        "access_key_id": key,
    }
    return builders.event(columns.pop("time", NOON + dt.timedelta(minutes=1)), **row | columns)


def session(folder: Path, key: str, *events: dict[str, Any]) -> dict[str, Any]:
    with builders.engine(folder, events=list(events)) as engine:
        rows = engine.sql("select * from sessions where session_id = $1", [key]).to_pylist()
    assert len(rows) == 1
    return dict(rows[0])


def test_two_callers_that_seem_to_get_one_key_name_nobody(tmp_path: Path) -> None:
    found = session(
        tmp_path,
        "ASIA1",
        issue("ASIA1", access_key_id="AKIA1"),
        issue("ASIA1", access_key_id="AKIA2", principal_arn="arn:aws:iam::111122223333:user/eve"),
        use("ASIA1"),
    )
    assert (found["root_principal"], found["parent_session_id"]) == (None, None)


def test_keys_that_issue_each_other_end_and_name_nobody(tmp_path: Path) -> None:
    events = [
        use("ASIA1", **{k: v for k, v in issue("ASIA2").items() if k[:3] in ("eve", "res")}),
        use("ASIA2", **{k: v for k, v in issue("ASIA1").items() if k[:3] in ("eve", "res")}),
    ]
    found = session(tmp_path, "ASIA1", *events)
    assert found["root_principal"] is None


def test_a_denied_assume_role_issues_nothing(tmp_path: Path) -> None:
    denied = issue("ASIA1", access_key_id="AKIA1", error_code="AccessDenied")
    assert session(tmp_path, "ASIA1", denied, use("ASIA1"))["hop"] == 0


def test_a_federation_token_leads_to_its_user(tmp_path: Path) -> None:
    answer = {
        "credentials": {"accessKeyId": "ASIA1"},
        "federatedUser": {
            "federatedUserId": "111122223333:guest",
            "arn": "arn:aws:sts::111122223333:federated-user/guest",
        },
    }
    given = issue(
        "ASIA1",
        event_name="GetFederationToken",
        access_key_id="AKIA1",
        response_elements=json.dumps(answer),
    )
    used = use("ASIA1", identity_type="FederatedUser", session_issuer_arn=DORA)
    found = session(tmp_path, "ASIA1", given, used)
    assert (found["root_principal"], found["root_from"], found["hop"]) == (DORA, "identity", 1)
    lone = session(tmp_path, "ASIA1", used)
    assert (lone["root_principal"], lone["hop"]) == (DORA, 0)


def test_a_console_session_leads_to_its_sign_in_and_its_user(tmp_path: Path) -> None:
    login = builders.event(
        NOON + dt.timedelta(seconds=1),
        event_id="login",
        event_source="signin.amazonaws.com",
        event_name="ConsoleLogin",
        response_elements='{"ConsoleLogin":"Success"}',
    )
    click = builders.event(
        NOON + dt.timedelta(minutes=5),
        access_key_id="ASIA1",
        session_creation_time=NOON,
        session_credential_from_console=True,
    )
    found = session(tmp_path, "ASIA1", login, click)
    assert (found["kind"], found["root_principal"]) == ("console", DORA)
    assert found["sign_in_event_id"] == "login"
    again = dict(login, event_id="again")
    assert session(tmp_path, "ASIA1", login, again, click)["sign_in_event_id"] is None


def test_a_sign_in_token_hands_the_callers_session_to_the_console(tmp_path: Path) -> None:
    first = issue("ASIA1", access_key_id="AKIA1")
    token = use(
        "ASIA1",
        event_source="signin.amazonaws.com",
        event_name="GetSigninToken",
        response_elements='{"credentials":{"accessKeyId":"ASIA2"},"GetSigninToken":"Success"}',
    )
    click = use("ASIA2", session_credential_from_console=True)
    found = session(tmp_path, "ASIA2", first, token, click)
    assert (found["root_principal"], found["hop"], found["parent_session_id"]) == (DORA, 2, "ASIA1")


@pytest.mark.parametrize(
    ("columns", "root", "origin"),
    [
        pytest.param({"source_identity": "dora"}, "dora", "source_identity", id="source-identity"),
        pytest.param({"on_behalf_of_user_id": "u-1"}, "u-1", "on_behalf_of", id="identity-center"),
        pytest.param(
            {
                "principal_arn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/X",
                "session_name": "dora@example.com",
            },
            "dora@example.com",
            "sso_session_name",
            id="permission-set",
        ),
        pytest.param(
            {"ec2_role_delivery": "2.0", "session_name": "i-1"}, "i-1", "instance", id="ec2"
        ),
        pytest.param(
            {"in_scope_of_credentials_issued_to": "arn:aws:lambda:x"},
            "arn:aws:lambda:x",
            "workload",
            id="lambda",
        ),
        pytest.param({"session_name": "dora"}, None, None, id="a-name-proves-nothing"),
    ],
)
def test_without_its_issue_a_session_has_what_it_bears_itself(
    tmp_path: Path, columns: dict[str, Any], root: str | None, origin: str | None
) -> None:
    found = session(tmp_path, "ASIA1", use("ASIA1", **columns))
    assert (found["root_principal"], found["root_from"]) == (root, origin)


def test_a_session_cut_by_since_still_knows_its_chain(tmp_path: Path) -> None:
    events = [
        issue("ASIA1", access_key_id="AKIA1"),
        use("ASIA1"),
        use("ASIA1", time=NOON + dt.timedelta(hours=14)),
    ]
    options = {"since": NOON + dt.timedelta(hours=12), "until": NOON + dt.timedelta(hours=24)}
    with builders.engine(tmp_path, options, events=events) as engine:
        rows = engine.sql("from sessions").to_pylist()
    assert [(row["session_id"], row["calls"], row["root_principal"]) for row in rows] == [
        ("ASIA1", 1, DORA)
    ]

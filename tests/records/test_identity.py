"""userIdentity in all its documented shapes, and in those that nobody documented."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.records import identity, schema

A, B = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{A}:role/teams/data/etl"


def read(found: Any) -> dict[str, Any]:
    """The columns that are not null."""
    values = identity.parse(json.dumps(found).encode())
    columns = dict(zip(identity.COLUMNS, values, strict=True))
    return {name: value for name, value in columns.items() if value is not None}


def session(**members: Any) -> dict[str, Any]:
    """An assumed role, its issuer with a path."""
    return {
        "type": "AssumedRole",
        "principalId": "AROAIDPPEZS35WEXAMPLE:run-7",
        "arn": f"arn:aws:sts::{A}:assumed-role/etl/run-7",
        "accountId": A,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAIDPPEZS35WEXAMPLE",
                "arn": ROLE,
                "accountId": A,
                "userName": "etl",
            },
            "attributes": {"creationDate": "2026-03-01T08:00:00Z", "mfaAuthenticated": "false"},
        }
        | members,
    }


SHAPES = {
    "user": (
        {
            "type": "IAMUser",
            "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": f"arn:aws:iam::{A}:user/people/dora",
            "accountId": A,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "dora",
        },
        {
            "identity_type": "IAMUser",
            "principal_type": "user",
            "principal_arn": f"arn:aws:iam::{A}:user/people/dora",
            "user_name": "dora",
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "actor": f"arn:aws:iam::{A}:user/people/dora",
            "actor_from": "arn",
        },
    ),
    "root": (
        {"type": "Root", "principalId": A, "arn": f"arn:aws:iam::{A}:root", "accountId": A},
        {"principal_type": "root", "actor": f"arn:aws:iam::{A}:root"},
    ),
    "role-session": (
        session(),
        {
            "principal_type": "role",
            "principal_arn": ROLE,  # with the path, which the session's ARN has lost
            "session_name": "run-7",
            "session_issuer_arn": ROLE,
            "session_issuer_user_name": "etl",
            "session_creation_time": dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC),
            "mfa_authenticated": False,
            "actor": ROLE,
            "actor_from": "session_issuer",
        },
    ),
    "role-session-with-a-source-identity": (
        session(sourceIdentity="dora@example.com"),
        {
            "source_identity": "dora@example.com",
            "principal_arn": ROLE,
            "actor": "dora@example.com",
            "actor_from": "source_identity",
        },
    ),
    "role-session-without-its-issuer": (
        {"type": "AssumedRole", "arn": f"arn:aws-us-gov:sts::{A}:assumed-role/etl/i-0123"},
        {
            "principal_arn": f"arn:aws-us-gov:iam::{A}:role/etl",
            "session_name": "i-0123",
            "actor": f"arn:aws-us-gov:iam::{A}:role/etl",
            "actor_from": "arn",
        },
    ),
    "role-session-without-its-arn": (
        session() | {"arn": None},
        {"principal_arn": ROLE, "actor": ROLE},
    ),
    "instance-role": (
        session(ec2RoleDelivery="2.0"),
        {"ec2_role_delivery": "2.0"},
    ),
    "web-identity-session": (
        session(
            webIdFederationData={
                "federatedProvider": "arn:aws:iam::111122223333:oidc-provider/x.example.com",
                "attributes": {},
            }
        ),
        {"federated_provider": "arn:aws:iam::111122223333:oidc-provider/x.example.com"},
    ),
    "empty-web-identity": (session(webIdFederationData={}), {"principal_arn": ROLE}),
    "assumed-root-as-text": (session(assumedRoot="true"), {"assumed_root": True}),
    "assumed-root-as-boolean": (session(assumedRoot=True), {"assumed_root": True}),
    "federated-user": (
        {
            "type": "FederatedUser",
            "principalId": f"{A}:guest",
            "arn": f"arn:aws:sts::{A}:federated-user/guest",
            "accountId": A,
        },
        {"principal_type": "federated", "principal_arn": f"arn:aws:sts::{A}:federated-user/guest"},
    ),
    "saml": (
        {
            "type": "SAMLUser",
            "principalId": "SAMLNAMEQUALIFIER:dora",
            "userName": "dora",
            "identityProvider": f"arn:aws:iam::{A}:saml-provider/corporate",
        },
        {
            "principal_type": "federated",
            "identity_provider": f"arn:aws:iam::{A}:saml-provider/corporate",
            "actor": "user:dora",
            "actor_from": "user_name",
        },
    ),
    "web-identity": (
        {
            "type": "WebIdentityUser",
            "principalId": "accounts.example.com:app:dora",
            "userName": "dora",
            "identityProvider": "accounts.example.com",
        },
        {"principal_type": "federated", "actor": "user:dora"},
    ),
    "identity-center": (
        {
            "type": "IdentityCenterUser",
            "accountId": A,
            "onBehalfOf": {
                "userId": "544894e8-80c1-707f-60e3-3ba6510dfac1",
                "identityStoreArn": f"arn:aws:identitystore::{A}:identitystore/d-9067642ac7",
            },
            "credentialId": "EXAMPLEVHULjJdTUdPJfofVa1sufHDoj7aYcOYcxFVllWR_Whr1fEXAMPLE",
        },
        {
            "principal_type": "identity_center",
            "actor": "544894e8-80c1-707f-60e3-3ba6510dfac1",
            "actor_from": "on_behalf_of",
            "credential_id": "EXAMPLEVHULjJdTUdPJfofVa1sufHDoj7aYcOYcxFVllWR_Whr1fEXAMPLE",
        },
    ),
    "service": (
        {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"},
        {
            "principal_type": "service",
            "actor": "service:autoscaling.amazonaws.com",
            "actor_from": "invoked_by",
        },
    ),
    "service-event-without-a-type": (
        {"accountId": A, "invokedBy": "AWS Internal"},
        {"principal_type": "service", "actor": "service:AWS Internal"},
    ),
    "other-account": (
        {"type": "AWSAccount", "principalId": "AIDACKCEVSQ6C2EXAMPLE", "accountId": B},
        {"principal_type": "account", "actor": f"account:{B}", "actor_from": "account"},
    ),
    "directory": ({"type": "Directory", "userName": "dora"}, {"principal_type": "federated"}),
    "unknown": (
        {"type": "Unknown", "principalId": "x"},
        {"principal_type": "unknown", "actor": "id:x", "actor_from": "principal_id"},
    ),
    "a-type-of-tomorrow": (
        {"type": "Robot", "accountId": A},
        {"identity_type": "Robot", "principal_type": "unknown"},
    ),
    "workload": (
        session()
        | {
            "inScopeOf": {
                "issuerType": "AWS::Lambda::Function",
                "credentialsIssuedTo": f"arn:aws:lambda:eu-west-1:{A}:function:etl",
                "sourceArn": f"arn:aws:lambda:eu-west-1:{A}:function:etl",
                "sourceAccount": A,
            }
        },
        {
            "in_scope_of_source_arn": f"arn:aws:lambda:eu-west-1:{A}:function:etl",
            "in_scope_of_credentials_issued_to": f"arn:aws:lambda:eu-west-1:{A}:function:etl",
        },
    ),
    "delegated-provider": (
        {"type": "AssumedRole", "invokedByDelegate": {"accountId": B}},
        {"invoked_by_delegate_account_id": B},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_documented_shape_gives_its_columns(shape: str) -> None:
    found, expected = SHAPES[shape]
    assert read(found).items() >= expected.items()


def test_a_hidden_user_name_is_no_actor() -> None:
    found = read(
        {
            "type": "IAMUser",
            "accountId": A,
            "accessKeyId": "",
            "userName": identity.HIDDEN_USER_NAME,
        }
    )
    assert (found["actor"], found["actor_from"]) == (f"account:{A}", "account")
    assert found["user_name"] == identity.HIDDEN_USER_NAME
    assert "access_key_id" not in found


@pytest.mark.parametrize(
    "text", ["20260301T080000Z", "2026-03-01T08:00:00Z", "2026-03-01T08:00:00"]
)
def test_a_session_began_when_either_form_of_time_says(text: str) -> None:
    found = read(session(attributes={"creationDate": text, "mfaAuthenticated": "true"}))
    assert found["session_creation_time"] == dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
    assert found["mfa_authenticated"] is True


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59"]
)
def test_a_time_that_is_none_is_left_out(text: str) -> None:
    assert "session_creation_time" not in read(session(attributes={"creationDate": text}))


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"arn": 5}, id="number"),
        pytest.param({"arn": None}, id="null"),
        pytest.param({"arn": {"a": 1}}, id="object"),
        pytest.param({"sessionContext": "none"}, id="text-for-a-session"),
        pytest.param({"sessionContext": {"attributes": [1]}}, id="list-for-attributes"),
        pytest.param({"sessionContext": {"attributes": {"mfaAuthenticated": 1}}}, id="number-flag"),
        pytest.param({"onBehalfOf": [], "inScopeOf": 7, "invokedByDelegate": "x"}, id="no-objects"),
    ],
)
def test_a_member_of_an_odd_type_hides_no_other(odd: dict[str, Any]) -> None:
    found = read({"type": "IAMUser", "userName": "dora", "accountId": A} | odd)
    assert (found["user_name"], found["identity_account_id"]) == ("dora", A)
    assert (found["principal_type"], found["actor"]) == ("user", "user:dora")


@pytest.mark.parametrize("member", [b"1e999", b"1" * 5_000, b'"\\ud800"', b"[" * 900 + b"]" * 900])
def test_a_member_that_no_program_can_hold_hides_no_other(member: bytes) -> None:
    text = b'{"type":5,"userName":"dora","odd":%s}' % member
    columns = dict(zip(identity.COLUMNS, identity.parse(text), strict=True))
    assert columns["user_name"] in ("dora", None)
    assert columns["identity_type"] is None


@pytest.mark.parametrize(
    "text", [b"", b"null", b'"root"', b"[]", b"7", b"{", b"\xff", b'{"\xff":1}']
)
def test_what_is_no_object_gives_nulls(text: bytes) -> None:
    found = dict(zip(identity.COLUMNS, identity.parse(text), strict=True))
    assert {name for name, value in found.items() if value is not None} == {"principal_type"}
    assert found["principal_type"] == "unknown"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["type", "arn", "accountId", "accessKeyId", "userName", "invokedBy", "sessionContext"]
) | st.sampled_from(
    ["sessionIssuer", "attributes", "creationDate", "sourceIdentity", "onBehalfOf", "userId"]
)
nested = st.recursive(
    values | st.sampled_from(["AssumedRole", "IAMUser", f"arn:aws:sts::{A}:assumed-role/a/b/c"]),
    lambda inner: st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(nested)
def test_no_json_raises_and_every_value_has_its_columns_type(found: Any) -> None:
    row = identity.parse(json.dumps(found).encode())
    kinds = {schema.TEXT: str, schema.BOOL: bool, schema.TIMESTAMP: dt.datetime}
    for (name, kind), value in zip(schema.IDENTITY_COLUMNS.items(), row, strict=True):
        assert value is None or type(value) is kinds[kind], name


@given(st.binary(max_size=60) | nested.map(lambda found: json.dumps(found).encode()[:-1]))
def test_no_bytes_raise(text: bytes) -> None:
    assert len(identity.parse(text)) == len(identity.COLUMNS)


def test_a_start_of_a_session_too_long_for_a_time_is_not_kept_in_memory() -> None:
    before = identity._read_time.cache_info().currsize
    attributes = b'{"creationDate":"' + b"9" * 100_000 + b'"}'
    columns = identity.parse(b'{"sessionContext":{"attributes":' + attributes + b"}}")
    assert columns[identity.COLUMNS.index("session_creation_time")] is None
    assert identity._read_time.cache_info().currsize == before

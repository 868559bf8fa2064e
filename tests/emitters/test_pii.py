"""Nobody's name leaves where it is not to."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.emitters import pii
from ctanalytics.emitters.document import plain
from ctanalytics.emitters.pii import private
from tests.emitters.alerts import alert, incident

KEY = b"0123456789abcdef0123456789abcdef"
SESSION = "arn:aws:sts::111122223333:assumed-role/Admin/alice.smith@example.com"
USER = "arn:aws:iam::111122223333:user/teams/red/bob"


OLD_EMAIL = re.compile(r"[\w.+-]+@(?=[\w-]+\.[\w.-]+)[\w.-]+")


@given(st.text(st.sampled_from("ab.+-@_é 1"), max_size=30))
def test_an_address_is_found_as_by_the_plain_pattern(text: str) -> None:
    assert pii._EMAIL.findall(text) == OLD_EMAIL.findall(text)


def test_a_text_of_one_long_word_is_hidden_in_linear_time() -> None:
    """In quadratic time, as it once was, this takes minutes."""
    word = "a" * 300_000
    told = alert(explanation=f"{word} {'a.' * 100_000} x@example.com", title="1" * 200_000)
    assert private(told, "masked").explanation.endswith("a. ***")


def text_of(made: Any) -> str:
    return json.dumps(plain(made))


@pytest.mark.parametrize(
    ("fields", "secrets", "kept"),
    [
        pytest.param(
            {"principal_arn": USER, "title": "bob made a key", "explanation": "By bob. Bobby: no."},
            ["bob made", "red/bob", "By bob"],
            ["user/teams/red/", "Bobby", "made a key"],
            id="user",
        ),
        pytest.param(
            {"principal_arn": SESSION, "title": "alice.smith@example.com signed in"},
            ["alice", "smith", "example.com"],
            ["assumed-role/Admin/", "signed in"],
            id="session",
        ),
        pytest.param(
            {"explanation": f"{USER}, then {SESSION}. bob, too"},
            ["bob", "alice"],
            ["then", "too"],
            id="punctuation-is-the-sentences",
        ),
        pytest.param(
            {"explanation": "from 203.0.113.9 and 2001:db8::7, of 203.0.113.0/24 at 10:20:30"},
            ["203.0.113.9", "2001:db8::7"],
            ["203.0.113.0/24", "10:20:30"],
            id="addresses",
        ),
        pytest.param(
            {"explanation": "with AKIAIOSFODNN7EXAMPLE"}, ["IOSFODNN7"], ["AKIA"], id="access-key"
        ),
        pytest.param(
            {"evidence": json.dumps({"sql": f"select '{USER}'", "events": 3, "who": [USER]})},
            ["bob", "select"],
            ['"events": 3'],
            id="evidence-and-sql-that-names-someone",
        ),
        pytest.param(
            {
                "insight": json.dumps({"userIdentity": {"userName": "carol"}}),
                "title": "carol was here",
            },
            ["carol"],
            ["was here"],
            id="record",
        ),
        pytest.param(
            {"explanation": "AROAEXAMPLEEXAMPLE:dave did it; dave again"},
            ["dave"],
            ["did it"],
            id="principal-id",
        ),
    ],
)
@pytest.mark.parametrize("how", ["masked", "hashed"])
def test_what_names_a_person_is_hidden_wherever_it_stands(
    fields: dict[str, Any], secrets: list[str], kept: list[str], how: Any
) -> None:
    one = alert(**fields)
    shown = text_of(private(one, how, KEY))
    assert [secret for secret in secrets if secret in shown] == []
    assert [text for text in kept if text not in shown] == []
    assert private(one, how, KEY).key == one.key
    assert private(one, "full") is one


def test_roles_accounts_and_event_ids_stay() -> None:
    shown = text_of(private(alert(), "masked"))
    assert "arn:aws:iam::111122223333:role/ci" in shown
    assert f"{2:036}" in shown
    assert "select * from events" in shown


def test_an_incidents_people_and_keys_are_hidden() -> None:
    one = incident(story="alice.smith came from 203.0.113.9.\nThen alice.smith left.")
    shown = private(one, "masked")
    assert "alice" not in text_of(shown)
    assert "ASIAIOSFODNN7EXAMPLE" not in text_of(shown)
    assert shown.explanation == "*** came from ***.\nThen *** left."
    assert (shown.incident or {})["networks"] == ["203.0.113.0/24"]


def test_equal_names_have_equal_hashes_under_one_key() -> None:
    first = private(alert(principal_arn=USER), "hashed", KEY).principal_arn
    again = private(alert("b", explanation=f"{USER}"), "hashed", KEY).explanation
    other = private(alert(principal_arn=USER), "hashed", b"another key").principal_arn
    assert first == again != other
    assert first is not None
    assert first.startswith("arn:aws:iam::111122223333:user/teams/red/#")
    with pytest.raises(ValueError, match="key"):
        private(alert(), "hashed")


NAMES = st.from_regex(r"[a-z][a-z0-9+=,.@-]{3,20}[a-z0-9]", fullmatch=True)


@given(NAMES, st.sampled_from(["user/", "user/a/b.c/"]))
def test_no_name_that_iam_allows_gets_through(name: str, path: str) -> None:
    arn = f"arn:aws:iam::111122223333:{path}{name}"
    one = alert(principal_arn=arn, title=f"{name} did it", evidence=json.dumps({"x": [arn]}))
    shown = private(one, "masked")
    assert name not in text_of(shown)
    assert shown.title.endswith(" did it")
